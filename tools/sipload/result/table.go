package result

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// latencies in the order of a call, with what they are called in the table.
var latencies = []struct{ key, name string }{
	{"invite_100", "INVITE to 100"}, {"invite_180", "INVITE to 180"}, {"invite_200", "INVITE to 200"}, {"invite_refused", "INVITE to refusal"},
	{"bye_200", "BYE to 200"}, {"options_final", "OPTIONS to reply"}, {"schedule_lag", "schedule lag"},
}

// WriteTable writes the document for people.
func (d *Document) WriteTable(w io.Writer) error {
	t := &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)}
	switch {
	case d.Run != nil:
		t.line("%s", d.Settings.headline(d.Run))
		t.run(d.Run)
	case d.Ramp != nil:
		t.ramp(d.Ramp)
	}
	return t.flush()
}

// WriteStep writes one line about a step of a ramp.
func (r *Run) WriteStep(w io.Writer) error {
	state := "clean"
	if !r.Clean() {
		state = r.Problems[0]
	}
	_, err := fmt.Fprintf(w, "%8s calls/s  %s%s\n", number(r.Rate), r.cost(), state)
	return err
}

func (r *Run) cost() string {
	s := ""
	if l, ok := r.Latency["invite_200"]; ok {
		s += fmt.Sprintf("200 p99 %s, ", millis(l.P99))
	}
	if p := r.CPU.Watched; p != nil {
		s += fmt.Sprintf("%.4f CPU s per 1,000 calls, ", p.PerThousand)
	}
	return s
}

func (s Settings) headline(r *Run) string {
	from := s.Caller
	switch {
	case s.Target == "":
		return fmt.Sprintf("answering calls at %s for %.1f s", strings.Join(s.Callees, ", "), r.Seconds)
	case r.Flood != nil:
		from = fmt.Sprintf("%d addresses", r.Flood.Sources)
	}
	return fmt.Sprintf("%s, %s to %s: %s a second, measured for %.1f s after %.1f s", s.Flow, from, s.Target, number(r.Rate), r.Window.Seconds, r.Warmup)
}

type table struct {
	w   *tabwriter.Writer
	err error
}

func (t *table) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format+"\n", args...)
	}
}

func (t *table) flush() error {
	if t.err != nil {
		return t.err
	}
	return t.w.Flush()
}

func (t *table) run(r *Run) {
	if c := r.Caller; c != nil {
		t.line("calls: %d started, %d completed, %d refused as wanted, %d cancelled, %d failed", c.Started, c.Completed, c.Rejected, c.Cancelled, c.Failed)
		t.line("caller: %d requests sent again, %d responses twice, %d out of order, %d answered unrung, %d unexpected, %d timeouts",
			c.Retransmissions.Sum(), c.Duplicates, c.OutOfOrder, c.Unrung, sum(c.Unexpected), c.Timeouts.Sum())
	}
	if c := r.Callee; c != nil {
		t.line("callee: %d calls, %d answered, %d refused, %d cancelled, %d ended by BYE, %d OPTIONS", c.Invites, c.Answered, c.Rejected, c.Cancelled, c.Completed, c.Options)
		t.line("callee: %d responses sent again, %d requests twice, %d BYEs before the ACK, %d unexpected", c.Retransmissions, c.Duplicates, c.ByeBeforeAck, sum(c.Unexpected))
	}
	if f := r.Flood; f != nil {
		t.line("garbage: %d datagrams sent, %d replies (%s), %d other datagrams back", sum(f.Sent), sum(f.Replies), codes(f.Replies), f.Other)
	}
	s := r.Sockets
	lost := "not known"
	if s.TargetDrops != nil {
		lost = strconv.FormatUint(*s.TargetDrops, 10)
	}
	t.line("datagrams: %d sent, %d received, %d lost in our receive queues, %s in those of the proxy", s.Sent, s.Received, s.Drops, lost)
	if len(r.Latency) > 0 {
		t.line("\nlatency, ms\tp50\tp90\tp99\tp99.9\tmax\tcalls\t")
		for _, l := range latencies {
			if p, ok := r.Latency[l.key]; ok {
				t.line("%s\t%s\t%s\t%s\t%s\t%s\t%d\t", l.name, ms(p.P50), ms(p.P90), ms(p.P99), ms(p.P999), ms(p.Max), p.Count)
			}
		}
	}
	t.line("\nCPU\tcores\tuser s\tsystem s\ts per 1,000 calls\tMB\t")
	t.process("sipload", r.CPU.Self)
	if p := r.CPU.Watched; p != nil {
		t.process("watched", *p)
	}
	t.line("others\t%.2f\t\t\t\t\t", r.CPU.Others)
	t.line("")
	for _, x := range r.Warnings {
		t.line("warning: %s", x)
	}
	for _, x := range r.Problems {
		t.line("problem: %s", x)
	}
	for _, x := range r.Samples {
		t.line("\nunexpected: %s", strings.ReplaceAll(strings.TrimRight(x, "\r\n"), "\r", ""))
	}
	if r.Clean() {
		t.line("clean: nothing failed, nothing was sent twice, nothing was lost")
	}
}

func (t *table) process(name string, p Process) {
	t.line("%s\t%.2f\t%.2f\t%.2f\t%.4f\t%.1f\t", name, p.Cores, p.User, p.System, p.PerThousand, float64(p.Resident)/(1<<20))
}

func (t *table) ramp(r *Ramp) {
	// What limited the search: the proxy, or this machine?
	for _, s := range r.Steps {
		if s.Clean() && s.Rate != r.Knee {
			continue
		}
		for _, x := range s.Warnings {
			t.line("warning: at %s calls/s: %s", number(s.Rate), x)
		}
	}
	switch {
	case r.Knee == 0:
		t.line("no rate was clean: the lowest, %s calls/s, already lost something", number(r.From))
	case r.Limit:
		t.line("knee: not reached; %s calls/s, the end of the ramp, are clean", number(r.Knee))
	default:
		t.line("knee: %s calls/s is the highest clean rate", number(r.Knee))
	}
}

func ms(us int64) string { return strconv.FormatFloat(float64(us)/1e3, 'f', 2, 64) }

func millis(us int64) string { return ms(us) + " ms" }

// number groups thousands.
func number(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 64)
	whole, fraction, has := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if has {
		return whole + "." + fraction
	}
	return whole
}

// codes is "400 3, 503 1".
func codes(m map[string]uint64) string {
	if len(m) == 0 {
		return "none"
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}

func sum(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}
