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
	forks      Figure // calls that one call becomes beside the first; the zero Figure: no set forks
	refresh    Figure // session refreshes per second of all calls held; 0: no session timers
	listeners  []flow // order of the spec
}

// flow is one listener's part of every call.
type flow struct {
	l      *spec.Listener
	share  float64 // of the calls that come in here
	egress float64 // of the calls that may leave here, the worst set counts
	in     Figure  // datagrams received here per call of the whole appliance
	out    Figure  // datagrams sent here per call of the whole appliance

	// Datagrams of session refreshes, per second of the whole appliance. They follow
	// the calls held, not the call rate.
	heldIn, heldOut Figure
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

	t.forks = z.forks()
	if t.forks.ID != "" {
		z.term(t.forks)
	}
	z.refreshes()
	for _, x := range []Figure{t.cps, t.peak, t.perCallIn, t.perCallOut, t.refresh} {
		z.term(x)
	}
	ask, answer, answerOut := c.in("refresh_requests_in"), c.in("refresh_replies_in"), c.in("refresh_replies_out")
	for _, l := range z.s.Listeners {
		f := flow{l: l, share: l.Share, egress: z.egress[l]}
		sh := stated("listener."+l.Name+".share", f.share, "1", l.ShareRange)
		eg := Input{Name: "listener." + l.Name + ".egress", Value: f.egress, Unit: "1",
			Source: "largest part of one dispatcher set reached through this listener"}
		f.in = figure("listener."+l.Name+".datagrams_in", "Datagrams received here per call", "datagrams",
			f.share*req.Value+f.egress*rep.Value, "share x requests_in_per_call + egress x replies_in_per_call", sh, req, eg, rep)
		f.out = figure("listener."+l.Name+".datagrams_out", "Datagrams sent here per call", "datagrams",
			f.share*repOut.Value+f.egress*req.Value, "share x replies_out_per_call + egress x requests_in_per_call", sh, repOut, eg, req)
		if t.refresh.Value > 0 {
			once := "egress"
			if f.egress > 1 {
				once = "min(egress, 1)"
			}
			f.heldIn = figure("listener."+l.Name+".refreshes_in", "Datagrams of refreshes received here", "packets/s",
				t.refresh.Value*(f.share*ask.Value+f.inDialog()*answer.Value), "load.refreshes x (share x refresh_requests_in + "+once+" x refresh_replies_in)", of(t.refresh), sh, ask, eg, answer)
			f.heldOut = figure("listener."+l.Name+".refreshes_out", "Datagrams of refreshes sent here", "packets/s",
				t.refresh.Value*(f.share*answerOut.Value+f.inDialog()*ask.Value), "load.refreshes x (share x refresh_replies_out + "+once+" x refresh_requests_in)", of(t.refresh), sh, answerOut, eg, ask)
		}
		for _, x := range []Figure{f.in, f.out, f.heldIn, f.heldOut} {
			z.term(x)
		}
		t.listeners = append(t.listeners, f)
	}
}

// refreshes is what session timers add: a re-INVITE or UPDATE at half the
// session interval (RFC 4028 section 7.2) of every call held. Calls that end
// sooner never send one, so this is the most there can be.
func (z *sizer) refreshes() {
	z.t.refresh = figure("load.refreshes", "Session refreshes", "requests/s", 0, "none: no session timers")
	half := z.s.Session.Expires.Seconds() / 2
	if !z.s.Session.Enabled || half <= 0 {
		return
	}
	in := stated("session.session_expires / 2", half, "s", at(z.s.Session.ExpiresRange, z.s.Session.Range))
	z.t.refresh = figure("load.refreshes", "Session refreshes", "requests/s", z.t.held.Value/half,
		"load.calls_held / (session_expires / 2)", of(z.t.held), in)
}

// refreshShare is what one refresh costs the CPU, as a share of a call: by datagrams
// received.
func (z *sizer) refreshShare() Input {
	v := (z.c.at("refresh_requests_in") + z.c.at("refresh_replies_in")) / z.t.perCallIn.Value
	return Input{Name: "refresh's share of a call", Value: v, Unit: "1", Source: "(refresh_requests_in + refresh_replies_in) / load.datagrams_in"}
}

// received and sent are the datagrams per second at a call rate.
func (f flow) received(cps float64) float64 { return cps*f.in.Value + f.heldIn.Value }
func (f flow) sent(cps float64) float64     { return cps*f.out.Value + f.heldOut.Value }

// egressOf is, by listener, the largest part of any dispatcher set that it reaches:
// which set a call takes is not known beforehand, so the worst one counts.
func egressOf(s *spec.Spec) map[*spec.Listener]float64 {
	paths, worst := NewPaths(s), map[*spec.Listener]float64{}
	for _, d := range s.Dispatchers {
		parts, n, unit := newParts(d), map[*spec.Listener]float64{}, 1.0
		for i, dst := range d.Destinations {
			l := paths.Listener(dst)
			part, of := parts.egress(i)
			switch unit = math.Max(unit, of); {
			case parts.how == spreadTurn || parts.how == spreadAny: // all calls, or none
				n[l] = math.Max(n[l], part)
			default:
				n[l] += part
			}
		}
		for l, n := range n {
			worst[l] = math.Max(worst[l], n/unit)
		}
	}
	return worst
}
