package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"

	"trunkline/tools/sipload/rig"
)

// sample is one cell.
type sample struct {
	CPU      float64  `json:"cpu_seconds_per_1000_calls"`
	P50      int64    `json:"invite_180_p50_us"`
	P99      int64    `json:"invite_180_p99_us"`
	Cores    float64  `json:"cores"`
	Resident int64    `json:"resident_bytes"`
	Load     float64  `json:"sipload_cores"`
	Others   float64  `json:"other_cores"`
	Steal    float64  `json:"stolen_cores"`
	Problems []string `json:"problems"`
}

// counts reports whether a sample says something about the proxy.
func (s sample) counts() bool { return len(s.Problems) == 0 }

// table is all that was measured.
type table struct {
	Versions map[string]string           `json:"versions"`
	Workers  int                         `json:"workers"`
	Rates    []int                       `json:"rates"`
	Cells    map[int]map[string][]sample `json:"cells"`     // by rate and proxy, in the order measured
	SBC      map[int]map[string][]sample `json:"sbc_cells"` // those with the duties of an SBC
	Knees    map[string][]float64        `json:"knees"`
	Memory   map[string][]float64        `json:"bytes_per_transaction"`
	Standing map[string][]standing       `json:"standing_calls"`
	Planned  *planned                    `json:"calibrated_plan,omitempty"`
	Routes   map[string]tableOf          `json:"routes,omitempty"`
}

var (
	kinds    = []string{kamailio, sbcd}
	sbcKinds = []string{kamailioSBC, sbcdSBC}
)

// measure runs the cells: both proxies in turn within a round, the first of them
// another in every round.
func (b *bench) measure(ctx context.Context) (*table, error) {
	t := &table{
		Versions: map[string]string{kamailio: version("kamailio", "-v"), sbcd: version(b.program("trunkline"), "version")},
		Workers:  b.workers, Rates: b.rates,
		Cells: map[int]map[string][]sample{}, SBC: map[int]map[string][]sample{}, Standing: map[string][]standing{}, Knees: map[string][]float64{}, Memory: map[string][]float64{},
	}
	if b.parts["plan"] {
		var err error
		if t.Planned, err = b.calibrated(ctx); err != nil {
			return nil, err
		}
	}
	if b.parts["routes"] {
		var err error
		if t.Routes, err = b.routes(ctx); err != nil {
			return nil, err
		}
	}
	for round := range b.rounds {
		order, sbcOrder := slices.Clone(kinds), slices.Clone(sbcKinds)
		if round%2 == 1 {
			slices.Reverse(order)
			slices.Reverse(sbcOrder)
		}
		for _, rate := range b.rates {
			if b.parts["cpu"] {
				if err := b.cells(ctx, t.Cells, b.beside(order), rate, round); err != nil {
					return nil, err
				}
			}
			if b.parts["sbc"] {
				if err := b.cells(ctx, t.SBC, sbcOrder, rate, round); err != nil {
					return nil, err
				}
			}
		}
		for _, kind := range []string{kamailioSBC, sbcdStanding} {
			if !b.parts["standing"] || round > 0 { // it takes minutes, and what it counts does not vary
				break
			}
			s, err := b.standing(ctx, kind)
			if err != nil {
				return nil, err
			}
			t.Standing[kind] = append(t.Standing[kind], *s)
			fmt.Fprintf(os.Stderr, "%d calls up at once, %s: %.0f B each, %.3f CPU-s per 1,000 calls, %d failed %v\n", s.Calls, kind, s.Bytes, s.CPU, s.Failed, s.Problems)
		}
		for _, kind := range order {
			if b.parts["knee"] {
				k, err := b.knee(ctx, kind)
				if err != nil {
					return nil, err
				}
				t.Knees[kind] = append(t.Knees[kind], k.Knee)
				fmt.Fprintf(os.Stderr, "round %d, highest loss-free rate, %s: %.0f calls/s\n", round+1, kind, k.Knee)
			}
			if b.parts["memory"] {
				m, err := b.memory(ctx, kind)
				if err != nil {
					return nil, err
				}
				t.Memory[kind] = append(t.Memory[kind], m)
				fmt.Fprintf(os.Stderr, "round %d, memory, %s: %.0f B a ringing call\n", round+1, kind, m)
			}
		}
	}
	return t, nil
}

// cells measures one rate of several proxies in turn.
func (b *bench) cells(ctx context.Context, to map[int]map[string][]sample, kinds []string, rate, round int) error {
	if to[rate] == nil {
		to[rate] = map[string][]sample{}
	}
	for _, kind := range kinds {
		// What the machine has spoiled is measured again; what the proxy has, is not.
		for try := 0; ; try++ {
			s, disturbed, err := b.sample(ctx, kind, rate)
			if err != nil {
				return err
			}
			to[rate][kind] = append(to[rate][kind], s)
			fmt.Fprintf(os.Stderr, "round %d, %d calls/s, %s: %.3f CPU-s per 1,000 calls, 180 after %d us (p99 %d) %v\n", round+1, rate, kind, s.CPU, s.P50, s.P99, s.Problems)
			if !disturbed || try == b.again {
				break
			}
		}
	}
	return nil
}

// sample measures a cell; disturbed says that the machine did other things meanwhile.
func (b *bench) sample(ctx context.Context, kind string, rate int) (s sample, disturbed bool, err error) {
	r, err := b.cell(ctx, kind, rate)
	if err != nil {
		return s, false, err
	}
	l, d := r.Latency["invite_180"], rig.Disturbances(r)
	return sample{CPU: r.CPU.Watched.PerThousand, P50: l.P50, P99: l.P99, Cores: r.CPU.Watched.Cores, Resident: r.CPU.Watched.Resident,
		Load: r.CPU.Self.Cores, Others: r.CPU.Others, Steal: r.CPU.Steal, Problems: append(append([]string{}, r.Problems...), d...)}, len(d) > 0, nil
}

// beside are the kinds whose CPU is measured.
func (b *bench) beside(order []string) []string {
	if b.parts["floor"] {
		return append(slices.Clone(order), floor)
	}
	return order
}

// row is one line: a figure of both, and what the project wants of their ratio.
type row struct {
	what, unit  string
	peer, ours  []float64
	floor       []float64 // of bare forwarding; nil: not measured
	most, least float64   // bounds of ours / peer; 0: none
	spoiled     int       // samples that do not count
}

func (t *table) rows() []row {
	var out []row
	for _, rate := range t.Rates {
		cpu := row{what: fmt.Sprintf("CPU at %d calls/s", rate), unit: "s/1,000 calls", most: 0.8}
		if rate >= 4000 {
			cpu.most = 0.6
		}
		out = append(out, cellRows(t.Cells[rate], kinds, rate, "", cpu)...)
	}
	for _, rate := range t.Rates {
		cpu := row{what: fmt.Sprintf("SBC: CPU at %d calls/s", rate), unit: "s/1,000 calls", most: 0.7}
		out = append(out, cellRows(t.SBC[rate], sbcKinds, rate, "SBC: ", cpu)...)
	}
	if len(t.Knees) > 0 {
		out = append(out, row{what: "highest loss-free rate", unit: "calls/s", peer: t.Knees[kamailio], ours: t.Knees[sbcd], least: 1.3})
	}
	if len(t.Memory) > 0 {
		out = append(out, row{what: "memory of a ringing call", unit: "B", peer: t.Memory[kamailio], ours: t.Memory[sbcd], most: 0.25})
	}
	return append(out, standingRows(t.Standing)...)
}

// cellRows are the lines of the cells of one rate: CPU as given, and latency.
func cellRows(cells map[string][]sample, kinds []string, rate int, prefix string, cpu row) []row {
	if cells == nil {
		return nil
	}
	pick := func(kind string, f func(sample) float64) (v []float64, spoiled int) {
		for _, s := range cells[kind] {
			if s.counts() {
				v = append(v, f(s))
			} else {
				spoiled++
			}
		}
		return v, spoiled
	}
	late := row{what: fmt.Sprintf("%sINVITE -> 180 at %d calls/s, p99", prefix, rate), unit: "us", most: 1}
	var out []row
	for _, r := range []struct {
		row *row
		f   func(sample) float64
	}{{&cpu, func(s sample) float64 { return s.CPU }}, {&late, func(s sample) float64 { return float64(s.P99) }}} {
		var a, b int
		r.row.peer, a = pick(kinds[0], r.f)
		r.row.ours, b = pick(kinds[1], r.f)
		r.row.spoiled = a + b
		r.row.floor, _ = pick(floor, r.f)
		out = append(out, *r.row)
	}
	return out
}

// ratio is of the medians; ok is false where one side has no sample that counts.
func (r row) ratio() (float64, bool) {
	if len(r.peer) == 0 || len(r.ours) == 0 || median(r.peer) == 0 {
		return 0, false
	}
	return median(r.ours) / median(r.peer), true
}

// verdict holds the ratio against what is wanted.
func (r row) verdict() string {
	q, ok := r.ratio()
	switch {
	case !ok:
		return "no clean cell"
	case r.most > 0 && q > r.most:
		return fmt.Sprintf("missed: at most %.2f", r.most)
	case r.least > 0 && q < r.least:
		return fmt.Sprintf("missed: at least %.2f", r.least)
	}
	return "kept"
}

func (t *table) missed() []string {
	var out []string
	for _, r := range t.rows() {
		if v := r.verdict(); v != "kept" {
			out = append(out, r.what+": "+v)
		}
	}
	return slices.Concat(out, standingMissed(t.Standing), t.Planned.missed())
}

func (t *table) print(w io.Writer) {
	defer printRoutes(w, t.Routes)
	defer t.Planned.print(w)
	defer printStanding(w, t.Standing)
	fmt.Fprintf(w, "peer: %s (-x fm -X fm); sbcd: %s; %d worker(s), one core each\n", t.Versions[kamailio], t.Versions[sbcd], t.Workers)
	fmt.Fprintln(w, "medians [least - most] of the cells that count")
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\tkamailio\tsbcd\tunit\tratio\twanted\tspoiled\tbare forwarding")
	for _, r := range t.rows() {
		q := "-"
		if v, ok := r.ratio(); ok {
			q = fmt.Sprintf("%.2f", v)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", r.what, spread(r.peer), spread(r.ours), r.unit, q, r.verdict(), r.spoiled, spread(r.floor))
	}
	_ = tw.Flush()
}

// spread renders a median with its ends.
func spread(v []float64) string {
	if len(v) == 0 {
		return "-"
	}
	f := func(x float64) string {
		if x < 10 {
			return fmt.Sprintf("%.3f", x)
		}
		return fmt.Sprintf("%.0f", x)
	}
	if len(v) == 1 {
		return f(v[0])
	}
	return fmt.Sprintf("%s [%s - %s]", f(median(v)), f(slices.Min(v)), f(slices.Max(v)))
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	if n%2 == 1 {
		return s[n/2]
	}
	return (s[n/2-1] + s[n/2]) / 2
}
