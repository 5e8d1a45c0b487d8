package load

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"trunkline/tools/sipload/result"
	"trunkline/tools/sipload/udp"
	"trunkline/tools/sipload/usage"
)

// result gathers the figures of a run and judges them.
func (r *run) result(m readings, before, after udp.Stats) *result.Run {
	e := r.e
	out := &result.Run{
		Rate: r.step.Rate, Group: max(r.step.Group, 1), Warmup: r.step.Warmup.Seconds(), Duration: r.step.Duration.Seconds(), Seconds: r.done.Seconds(),
		Problems: []string{}, Warnings: []string{},
	}
	out.Sockets = result.Sockets{
		Sent: after.Sent - before.Sent, SentBytes: after.SentBytes - before.SentBytes, Received: after.Received - before.Received,
		ReceivedBytes: after.ReceivedBytes - before.ReceivedBytes, SendErrors: after.SendErrors - before.SendErrors,
		ReceiveErrors: after.ReceiveErrors - before.ReceiveErrors, Truncated: after.Truncated - before.Truncated, Drops: after.Drops - before.Drops,
		TargetDrops: m.lost, TargetSockets: m.socketsNow,
	}
	from, to := m.edges[0], m.edges[1]
	seconds := to.self.At.Sub(from.self.At).Seconds()
	calls := r.edges[1] - r.edges[0]
	out.Window = result.Window{Seconds: seconds, Calls: calls, Rate: float64(calls) / max(seconds, 1e-9)}
	out.CPU.Self = process(from.self, to.self, calls)
	used := to.self.CPU() - from.self.CPU()
	if m.watched {
		p := process(from.watched, to.watched, calls)
		out.CPU.Watched = &p
		used += to.watched.CPU() - from.watched.CPU()
	}
	out.CPU.Others = max(0, to.machine.Busy-from.machine.Busy-used) / max(seconds, 1e-9)
	out.CPU.Steal = max(0, to.machine.Steal-from.machine.Steal) / max(seconds, 1e-9)
	if e.flood != nil {
		out.Flood = e.flood.result()
	}
	if c := e.caller; c != nil {
		out.Caller = &result.Caller{CallerCounts: c.Counts, FailedByCode: c.Failures.Map(), Unexpected: c.Odd.Map()}
		out.Samples = append(out.Samples, c.Odd.Samples...)
		out.Latency = map[string]result.Percentile{}
		l := c.Latencies
		add := func(name string, p result.Percentile) {
			if p.Count > 0 {
				out.Latency[name] = p
			}
		}
		add("schedule_lag", result.Percentiles(l.Lag))
		add("invite_100", result.Percentiles(l.Trying))
		add("invite_180", result.Percentiles(l.Ringing))
		add("invite_200", result.Percentiles(l.Answer))
		add("invite_refused", result.Percentiles(l.Refusal))
		add("bye_200", result.Percentiles(l.Bye))
		add("options_final", result.Percentiles(l.Options))
	}
	if e.o.hasCallees() {
		out.Callee = &result.Callee{CalleeCounts: e.callee.Counts, Unexpected: e.callee.Odd.Map()}
		out.Samples = append(out.Samples, e.callee.Odd.Samples...)
	}
	r.judge(out)
	r.warn(out)
	return out
}

func (o *Options) hasCallees() bool { return len(o.Callees) > 0 }

func process(from, to usage.Reading, calls uint64) result.Process {
	cpu := to.CPU() - from.CPU()
	return result.Process{
		User: to.User - from.User, System: to.System - from.System, Cores: cpu / max(to.At.Sub(from.At).Seconds(), 1e-9),
		PerThousand: cpu / float64(max(calls, 1)) * 1000, Resident: to.Resident, Grown: to.Resident - from.Resident,
		MajorFaults: to.MajorFaults - from.MajorFaults, MinorFaults: to.MinorFaults - from.MinorFaults,
		Voluntary: to.Voluntary - from.Voluntary, Preempted: to.Preempted - from.Preempted, Processes: to.Processes, Threads: to.NumThreads,
	}
}

// judge says why a run is not clean.
func (r *run) judge(out *result.Run) {
	problem := func(n uint64, format string, args ...any) {
		if n > 0 {
			out.Problems = append(out.Problems, fmt.Sprintf("%d ", n)+fmt.Sprintf(format, args...))
		}
	}
	if r.stopped {
		out.Problems = append(out.Problems, fmt.Sprintf("interrupted after %.1f s: the figures are those until then", r.done.Seconds()))
	}
	if c := out.Caller; c != nil {
		problem(c.Failed, "calls failed%s", failures(c))
		if c.Timeouts.INVITE+c.Timeouts.OPTIONS > 0 && out.Sockets.Received == 0 {
			out.Problems = append(out.Problems, fmt.Sprintf("nothing at all came back from %s: check that the proxy listens there and lets %s in", r.e.o.Target, r.e.o.Caller.Addr()))
		}
		problem(c.NotStarted, "calls were not started: too many were up. They last longer than expected; lower the rate or the hold time")
		problem(c.Retransmissions.Sum(), "requests were sent again: %s", perMethod(c.Retransmissions.INVITE, c.Retransmissions.BYE, c.Retransmissions.CANCEL, c.Retransmissions.OPTIONS))
		problem(c.Duplicates, "responses came again")
		problem(c.OutOfOrder, "provisional responses came after a higher or the final one")
		problem(sum(c.Unexpected), "responses were unexpected: %s", list(c.Unexpected))
	}
	if c := out.Callee; c != nil {
		problem(c.Retransmissions, "final responses were sent again, for want of an ACK")
		problem(c.AckTimeouts, "calls never got an ACK")
		problem(c.ByeBeforeAck, "calls got their BYE before their ACK: it was lost or overtaken")
		problem(c.OutOfOrder, "ACKs came after the BYE of their call")
		problem(c.Abandoned, "calls never got their BYE")
		problem(c.NoSlot, "calls were refused with 503: too many were up. Lower the rate or the hold time")
		problem(c.Duplicates, "requests came again")
		problem(sum(c.Unexpected), "requests were unexpected: %s", list(c.Unexpected))
	}
	if c := out.Caller; c != nil && out.Callee != nil { // our callees send a 180 always
		problem(c.Unrung, "calls were answered with no 180 before: it was lost, swallowed or overtaken by the 200")
	}
	if r.live > 0 && !r.stopped {
		problem(uint64(r.live), "calls are still up on the answering side: their end never arrived")
	}
	problem(out.Sockets.Drops, "datagrams were lost in our own receive queues: sipload did not keep up; give it a core of its own")
	if n := out.Sockets.TargetDrops; n != nil {
		problem(*n, "datagrams were lost in the receive queues of the proxy: it did not keep up")
	}
	problem(out.Sockets.SendErrors, "datagrams could not be sent")
	problem(out.Sockets.Truncated, "datagrams were longer than %d bytes", udp.MaxDatagram)
	if f := out.Flood; f != nil {
		for code, n := range f.Replies {
			if code[0] == '1' || code[0] == '2' {
				problem(n, "replies to garbage were %s: it was taken for a request that can be served", code)
			}
		}
	}
}

// Limits above which the figures of a run may say more about sipload, or about
// its neighbours, than about the proxy.
const (
	busy      = 0.8 // of a core
	slipped   = time.Millisecond
	neighbour = 0.1
)

func (r *run) warn(out *result.Run) {
	warn := func(format string, args ...any) { out.Warnings = append(out.Warnings, fmt.Sprintf(format, args...)) }
	if c := out.CPU.Self.Cores; c > busy {
		warn("sipload used %.0f %% of a core: it may be the bottleneck. Split the load over two processes, or lower the rate", 100*c)
	}
	if lag, ok := out.Latency["schedule_lag"]; ok && lag.P99 > slipped.Microseconds() {
		warn("the schedule slipped: one call in a hundred was sent more than %.1f ms late (at most %.1f ms). Latencies include it; give sipload a core of its own",
			float64(lag.P99)/1e3, float64(lag.Max)/1e3)
	}
	if out.CPU.Watched != nil && out.CPU.Others > neighbour {
		warn("other processes used %.0f %% of a core: compare with care", 100*out.CPU.Others)
	}
	if out.CPU.Steal > neighbour {
		warn("the host took %.0f %% of a core away from this machine: compare with care", 100*out.CPU.Steal)
	}
	if w := out.Window; r.total > 0 && !r.stopped && w.Rate < 0.98*r.step.Rate && w.Seconds > 1 {
		warn("%.0f calls a second were reached, %.0f were asked for", w.Rate, r.step.Rate)
	}
}

func sum(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// list is "name 3, other 1".
func list(m map[string]uint64) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s %d", k, m[k]))
	}
	return strings.Join(out, ", ")
}

func perMethod(invite, bye, cancel, options uint64) string {
	var out []string
	for _, p := range []struct {
		name string
		n    uint64
	}{{"INVITE", invite}, {"BYE", bye}, {"CANCEL", cancel}, {"OPTIONS", options}} {
		if p.n > 0 {
			out = append(out, fmt.Sprintf("%s %d", p.name, p.n))
		}
	}
	return strings.Join(out, ", ")
}

func failures(c *result.Caller) string {
	var parts []string
	if len(c.FailedByCode) > 0 {
		parts = append(parts, "by code: "+list(c.FailedByCode))
	}
	if t := c.Timeouts; t.Sum() > 0 {
		parts = append(parts, "no answer to "+perMethod(t.INVITE, t.BYE, t.CANCEL, t.OPTIONS))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + ")"
}
