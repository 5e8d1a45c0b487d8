package sizing

import (
	"math"

	"trunkline/appliance/spec"
)

// traffic is the offered load and how it meets the listeners.
type traffic struct {
	cps        Figure // what the workload plans
	peak       Figure // what may be admitted: the workload or the limit above it
	offered    Figure // erlangs: calls in progress by Little's law
	held       Figure // calls held at once, ringing included
	perCallIn  Figure // datagrams received for a call
	perCallOut Figure // datagrams sent for a call
	listeners  []flow // order of the spec
}

// flow is one listener's part of every call.
type flow struct {
	l      *spec.Listener
	share  float64 // of the calls that come in here
	egress float64 // of the calls that may leave here, the worst set counts
	in     Figure  // datagrams received here per call of the whole appliance
	out    Figure  // datagrams sent here per call of the whole appliance
}

func (z *sizer) traffic() {
	w, c := z.s.Workload, z.c
	cps := stated("workload.cps", float64(w.CPS), "calls/s", w.Range)
	ring := stated("workload.ring_time", w.RingTime.Seconds(), "s", w.Range)
	talk := stated("workload.call_duration", w.CallDuration.Seconds(), "s", w.Range)
	conc := stated("workload.concurrent_calls", float64(w.ConcurrentCalls), "calls", w.Range)
	limit := stated("limits.cps", float64(z.s.Limits.CPS), "calls/s", z.s.Limits.Range)

	t := &z.t
	t.cps = figure("load.cps", "Planned call rate", "calls/s", cps.Value, "workload.cps", cps)
	t.peak = figure("load.peak_cps", "Highest admitted call rate", "calls/s", math.Max(cps.Value, limit.Value),
		"max(workload.cps, limits.cps)", cps, limit)
	t.offered = figure("load.offered", "Offered load", "E", cps.Value*talk.Value,
		"workload.cps x workload.call_duration", cps, talk)
	t.held = figure("load.calls_held", "Calls held at once, ringing included", "calls",
		whole(math.Max(conc.Value, cps.Value*(ring.Value+talk.Value))),
		"max(workload.concurrent_calls, workload.cps x (workload.ring_time + workload.call_duration))", conc, cps, ring, talk)

	req, rep, repOut := c.in("requests_in_per_call"), c.in("replies_in_per_call"), c.in("replies_out_per_call")
	t.perCallIn = figure("load.datagrams_in", "Datagrams received per call", "datagrams", req.Value+rep.Value,
		"requests_in_per_call + replies_in_per_call", req, rep)
	t.perCallOut = figure("load.datagrams_out", "Datagrams sent per call", "datagrams", req.Value+repOut.Value,
		"requests_in_per_call + replies_out_per_call", req, repOut)

	egress := z.egress()
	for _, l := range z.s.Listeners {
		f := flow{l: l, share: l.Share, egress: egress[l]}
		sh := stated("listener."+l.Name+".share", f.share, "1", l.ShareRange)
		eg := Input{Name: "listener." + l.Name + ".egress", Value: f.egress, Unit: "1",
			Source: "largest part of one dispatcher set reached through this listener"}
		f.in = figure("listener."+l.Name+".datagrams_in", "Datagrams received here per call", "datagrams",
			f.share*req.Value+f.egress*rep.Value, "share x requests_in_per_call + egress x replies_in_per_call", sh, req, eg, rep)
		f.out = figure("listener."+l.Name+".datagrams_out", "Datagrams sent here per call", "datagrams",
			f.share*repOut.Value+f.egress*req.Value, "share x replies_out_per_call + egress x requests_in_per_call", sh, repOut, eg, req)
		t.listeners = append(t.listeners, f)
	}
}

// egress is, by listener, the largest part of any dispatcher set that it reaches:
// which set a call takes is not known beforehand, so the worst one counts.
func (z *sizer) egress() map[*spec.Listener]float64 {
	paths, worst := NewPaths(z.s), map[*spec.Listener]float64{}
	for _, d := range z.s.Dispatchers {
		n := map[*spec.Listener]int{}
		for _, dst := range d.Destinations {
			n[paths.Listener(dst)]++
		}
		for l, n := range n {
			worst[l] = math.Max(worst[l], float64(n)/float64(len(d.Destinations)))
		}
	}
	return worst
}
