package dispatch

import (
	"sync/atomic"
	"time"
)

// Change is one change of a destination's state.
type Change struct {
	Destination *Destination
	From, To    State
	Cause       string // what tipped it, such as "probe: no final reply within 4s"
	Failures    int    // in a row, when it became worse
}

// health is what is known of a destination. state and failures are read without
// the set's lock and written with it.
type health struct {
	state     atomic.Int32
	failures  atomic.Int32 // in a row
	successes int          // of probes in a row, while inactive
	changed   time.Time
	lastProbe string // outcome
	rtt       time.Duration
	estimate  atomic.Int64  // ns; see Estimate
	wake      chan struct{} // to its prober: probe now

	probes       atomic.Uint64
	probesFailed atomic.Uint64
	silent       atomic.Uint64
	changes      atomic.Uint64
}

// State is the destination's state now.
func (d *Destination) State() State { return State(d.health.state.Load()) }

// Report tells what a call showed of d: ok, it replied, whatever the code; not ok,
// it said nothing in time, or could not be sent to. It never waits for a log and,
// with ok and nothing wrong, takes no lock.
func (s *Sets) Report(d *Destination, ok bool) {
	h := &d.health
	if !ok {
		h.silent.Add(1)
	} else if h.failures.Load() == 0 {
		return
	}
	if d.set.cfg.Probe == nil || !d.State().TakesCalls() {
		return
	}
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	switch {
	case !d.State().TakesCalls():
	case ok:
		d.better("call: replied")
	default:
		d.worse("call: no reply")
	}
}

// probed takes the outcome of a probe. One that was under way when the destination
// was disabled says nothing.
func (d *Destination) probed(o outcome) {
	h := &d.health
	h.probes.Add(1)
	if !o.ok {
		h.probesFailed.Add(1)
	}
	if o.took() > 0 {
		d.Measured(o.took())
	}
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	h.lastProbe, h.rtt = o.what, o.rtt
	cause := "probe: " + o.what
	switch d.State() {
	case Disabled:
	case Inactive:
		if !o.ok {
			h.successes = 0
		} else if h.successes++; h.successes >= d.set.cfg.Probe.RecoverThreshold {
			d.better(cause)
		}
	default:
		if o.ok {
			d.better(cause)
		} else {
			d.worse(cause)
		}
	}
}

// better makes d active. The caller holds the set's lock.
func (d *Destination) better(cause string) {
	d.health.failures.Store(0)
	d.become(Active, cause)
}

// worse counts a failure of one that takes calls or waits for its first probe. The
// caller holds the set's lock.
func (d *Destination) worse(cause string) {
	n := d.health.failures.Add(1)
	if int(n) < d.set.cfg.Probe.FailThreshold {
		if d.State() != Probing {
			d.become(Trying, cause)
		}
		return
	}
	d.health.successes = 0
	d.become(Inactive, cause)
}

func (d *Destination) become(to State, cause string) {
	h := &d.health
	from := d.State()
	if from == to {
		return
	}
	h.state.Store(int32(to))
	h.changed = time.Now()
	h.changes.Add(1)
	d.set.refresh()
	c := Change{Destination: d, From: from, To: to, Cause: cause, Failures: int(h.failures.Load())}
	select {
	case d.set.owner.changes <- c:
	default:
		d.set.owner.lost.Add(1)
	}
}

// DestinationStats are the figures of one destination. Counters never fall.
type DestinationStats struct {
	Set          string        `json:"set"`
	Name         string        `json:"name"`
	Address      string        `json:"address"`
	Listener     string        `json:"listener"`
	State        string        `json:"state"`
	Since        time.Time     `json:"since,omitzero"`         // of the state; zero: since the start
	Failures     int           `json:"failures"`               // in a row
	Probes       uint64        `json:"probes"`                 // finished
	ProbesFailed uint64        `json:"probes_failed"`          // of these
	LastProbe    string        `json:"last_probe,omitempty"`   // its outcome
	RoundTrip    time.Duration `json:"round_trip_ns,omitzero"` // of the last probe that got a final reply
	Estimate     time.Duration `json:"latency_ns,omitzero"`    // smoothed time to reply, to probes and calls
	Silent       uint64        `json:"silent"`                 // calls reported without a reply
	Changes      uint64        `json:"changes"`                // of state
	Full         uint64        `json:"full"`                   // calls it had no place for
	MaxCalls     int           `json:"max_calls,omitempty"`    // 0: not stated
	MaxCPS       int           `json:"max_cps,omitempty"`      // 0: not stated

	Attrs map[string]string `json:"attrs,omitempty"` // as the spec has them
}

// Stats returns the destination's figures.
func (d *Destination) Stats() DestinationStats {
	h := &d.health
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	return DestinationStats{
		Set: d.set.cfg.Name, Name: d.cfg.Name, Address: d.cfg.Address.String(), Listener: d.cfg.Listener,
		State: d.State().String(), Since: h.changed, Failures: int(h.failures.Load()),
		Probes: h.probes.Load(), ProbesFailed: h.probesFailed.Load(), LastProbe: h.lastProbe, RoundTrip: h.rtt,
		Estimate: d.Estimate(), Silent: h.silent.Load(), Changes: h.changes.Load(),
		Full: d.full.Load(), MaxCalls: d.cfg.MaxCalls, MaxCPS: d.cfg.MaxCPS, Attrs: d.cfg.Attrs,
	}
}
