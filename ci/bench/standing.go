package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os/exec"
	"strconv"
	"text/tabwriter"
	"time"

	"trunkline/tools/sipload/usage"
)

// Calls that are up at once while the memory they take is read, and how they get there: as
// long as a call lasts, calls of a thousand a second begin, and the first ends when the
// transactions of the last have long been forgotten.
const (
	standingCalls = 60000
	standingRate  = 1000
	standingHold  = 80 * time.Second
	settled       = 12 * time.Second // after the last call began: its transactions live for 5
)

// standing is what one proxy holds while many calls are up.
type standing struct {
	Calls    int      `json:"calls"`
	Bytes    float64  `json:"bytes_per_call"`
	CPU      float64  `json:"cpu_seconds_per_1000_calls"`
	Failed   uint64   `json:"failed"`
	Problems []string `json:"problems"`

	// Of sbcd, bytes: the state that outlives it as planned, as it is, and what of it is in
	// use while all calls are up.
	ArenaPlanned float64 `json:"arena_planned,omitempty"`
	Arena        float64 `json:"arena,omitempty"`
	ArenaUsed    float64 `json:"arena_used,omitempty"`
}

// standing measures the calls of one proxy.
func (b *bench) standing(ctx context.Context, kind string) (*standing, error) {
	p, err := b.start(ctx, kind)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	// The memory of transactions that end is used again, and stays the process's.
	if _, err := b.rig().Load(ctx, 2*time.Minute, p.Process, "--rate", strconv.Itoa(standingRate), "--duration", settled.String()); err != nil {
		return nil, err
	}
	select { // until none of its transactions is left
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(settled):
	}
	before, err := p.used()
	if err != nil {
		return nil, err
	}
	var after int64
	s := &standing{Calls: standingCalls}
	look := func() error {
		if after, err = p.used(); err != nil || kind != sbcdStanding {
			return err
		}
		size, used, err := usage.Mapping(p.Pid(), "/memfd:trunkline")
		s.Arena, s.ArenaUsed = float64(size), float64(used)
		return err
	}
	r, err := b.rig().During(ctx, 5*time.Minute, p.Process, standingCalls/standingRate*time.Second+settled, look, "--rate", strconv.Itoa(standingRate),
		"--hold", standingHold.String(), "--duration", fmt.Sprintf("%ds", standingCalls/standingRate), "--max-calls", strconv.Itoa(standingCalls))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	if kind == sbcdStanding {
		if s.ArenaPlanned, err = b.plannedArena(); err != nil {
			return nil, err
		}
	}
	s.Bytes = float64(after-before) / standingCalls
	s.CPU, s.Failed, s.Problems = r.CPU.Watched.PerThousand, r.Caller.Failed, r.Problems
	return s, nil
}

// plannedArena is what the plan says of it.
func (b *bench) plannedArena() (float64, error) {
	out, err := exec.Command(b.program("trunkline"), "plan", b.sbc, "--json", "--var", fmt.Sprintf("workers=%d", b.workers), "--var", fmt.Sprintf("cps=%d", standingRate)).Output()
	if err != nil {
		return 0, fmt.Errorf("trunkline plan: %w", err)
	}
	var plan struct {
		Budget struct {
			Arena struct {
				Value float64 `json:"value"`
			} `json:"arena"`
		} `json:"budget"`
	}
	if err := json.Unmarshal(out, &plan); err != nil {
		return 0, err
	}
	return plan.Budget.Arena.Value, nil
}

// standingRows are the lines of it that compare.
func standingRows(t map[string][]standing) []row {
	if len(t) == 0 {
		return nil
	}
	pick := func(kind string, f func(standing) float64) (v []float64) {
		for _, s := range t[kind] {
			v = append(v, f(s))
		}
		return v
	}
	rows := []row{
		{what: fmt.Sprintf("memory of a call, %d up", standingCalls), unit: "B", most: 0.5},
	}
	for i, f := range []func(standing) float64{func(s standing) float64 { return s.Bytes }} {
		rows[i].peer, rows[i].ours = pick(kamailioSBC, f), pick(sbcdStanding, f)
	}
	return rows
}

// standingMissed is what of it compares with no peer.
func standingMissed(t map[string][]standing) []string {
	var out []string
	for _, s := range t[sbcdStanding] {
		if s.Failed > 0 {
			out = append(out, fmt.Sprintf("%d of %d standing calls failed", s.Failed, s.Calls))
		}
		if off := math.Abs(s.Arena/s.ArenaPlanned - 1); off > 0.05 {
			out = append(out, fmt.Sprintf("the arena is %.1f %% off the plan", 100*off))
		}
	}
	return out
}

func printStanding(w io.Writer, t map[string][]standing) {
	if len(t) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%d calls up at once, %d begun a second, on one core\n", standingCalls, standingRate)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "\tfailed\tB a call\tCPU-s per 1,000 calls\tarena planned\tarena\tof it used\tproblems")
	for _, kind := range []string{kamailioSBC, sbcdStanding} {
		for _, s := range t[kind] {
			mib := func(v float64) string {
				if v == 0 {
					return "-"
				}
				return fmt.Sprintf("%.1f MiB", v/(1<<20))
			}
			fmt.Fprintf(tw, "%s\t%d\t%.0f\t%.3f\t%s\t%s\t%s\t%v\n", kind, s.Failed, s.Bytes, s.CPU, mib(s.ArenaPlanned), mib(s.Arena), mib(s.ArenaUsed), s.Problems)
		}
	}
	_ = tw.Flush()
}
