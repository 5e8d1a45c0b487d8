package dispatch

import (
	"sync/atomic"
	"time"

	"trunkline/proxy/resolve"
)

// Change is one change of a destination's state.
type Change struct {
	Destination *Destination
	From, To    State
	Cause       string // what tipped it, such as "probe: no final reply within 4s"
	Failures    int    // in a row, when it became worse
}

// target is what is known of one target of a destination. state and failures are read
// without the set's lock and written with it; the rest is guarded by it.
type target struct {
	state     atomic.Int32
	failures  atomic.Int32 // in a row
	successes int          // of probes in a row, while inactive

	// Of a name alone.
	at        resolve.Target // zero: it never led to this slot
	lastProbe string         // outcome
	rtt       time.Duration
}

func (t *target) takesCalls() bool { return State(t.state.Load()).TakesCalls() }

// reset puts a target into a state with a clean record.
func (t *target) reset(s State) {
	t.failures.Store(0)
	t.successes = 0
	t.state.Store(int32(s))
}

// better makes a target active.
func (t *target) better() {
	t.failures.Store(0)
	t.state.Store(int32(Active))
}

// worse counts a failure of one that takes calls or waits for its first probe.
func (t *target) worse(threshold int) {
	switch n := t.failures.Add(1); {
	case int(n) >= threshold:
		t.successes = 0
		t.state.Store(int32(Inactive))
	case State(t.state.Load()) != Probing:
		t.state.Store(int32(Trying))
	}
}

// health is what is known of a destination as a whole. state is read without the set's
// lock and written with it.
type health struct {
	state     atomic.Int32 // of its best target, or disabled
	failures  int          // in a row, of its best target
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

// Report tells what a call showed of a target of d, by its slot: ok, it replied, whatever
// the code; not ok, it said nothing in time, or could not be sent to. It never waits for
// a log and, with ok and nothing wrong, takes no lock.
func (s *Sets) Report(d *Destination, slot int, ok bool) {
	t := &d.targets[slot]
	if !ok {
		d.health.silent.Add(1)
	} else if t.failures.Load() == 0 {
		return
	}
	if d.set.cfg.Probe == nil || !t.takesCalls() || !d.State().TakesCalls() {
		return
	}
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	switch {
	case d.disabled || d.here&(1<<slot) == 0 || !t.takesCalls():
	case ok:
		t.better()
		d.settle(d.of(slot) + "call: replied")
	default:
		t.worse(d.set.cfg.Probe.FailThreshold)
		d.settle(d.of(slot) + "call: no reply")
	}
}

// probed takes the outcome of a probe of one target. One that was under way when the
// destination was disabled, or when its name came to lead elsewhere, says nothing.
func (d *Destination) probed(at Target, o outcome) {
	h := &d.health
	h.probes.Add(1)
	if !o.ok {
		h.probesFailed.Add(1)
	}
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	t := &d.targets[at.Slot]
	if d.here&(1<<at.Slot) == 0 || d.name != nil && t.at.Addr != at.Addr {
		return
	}
	h.lastProbe, h.rtt = d.of(at.Slot)+o.what, o.rtt
	t.lastProbe, t.rtt = o.what, o.rtt
	if !d.disabled {
		switch {
		case State(t.state.Load()) != Inactive && o.ok:
			t.better()
		case State(t.state.Load()) != Inactive:
			t.worse(d.set.cfg.Probe.FailThreshold)
		case !o.ok:
			t.successes = 0
		default:
			if t.successes++; t.successes >= d.set.cfg.Probe.RecoverThreshold {
				t.better()
			}
		}
		d.settle(d.of(at.Slot) + "probe: " + o.what)
	}
	// That one of several keeps silent says nothing of the time calls take.
	if took := o.took(); took > 0 && (o.silent == 0 || t.takesCalls() || !d.State().TakesCalls()) {
		d.Measured(took)
	}
}

// of names a target where a destination may have several.
func (d *Destination) of(slot int) string {
	if d.name == nil {
		return ""
	}
	return d.targets[slot].at.Addr.String() + ": "
}

// ranks order the states of targets, the best first.
var ranks = [...]int{Active: 0, Trying: 1, Probing: 2, Inactive: 3}

// settle gives d the state of its best target; it is inactive without any. The caller
// holds the set's lock.
func (d *Destination) settle(cause string) {
	state, failures, any := Inactive, 0, false
	for i := range d.targets {
		if d.here&(1<<i) == 0 {
			continue
		}
		s, n := State(d.targets[i].state.Load()), int(d.targets[i].failures.Load())
		if !any || ranks[s] < ranks[state] || s == state && n < failures {
			state, failures, any = s, n, true
		}
	}
	if d.disabled {
		state = Disabled
	}
	d.health.failures = failures
	d.become(state, cause)
}

// rouse has d probed at once.
func (d *Destination) rouse() {
	select {
	case d.health.wake <- struct{}{}:
	default: // it is being woken already
	}
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
	c := Change{Destination: d, From: from, To: to, Cause: cause, Failures: h.failures}
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
	Address      string        `json:"address"` // or the name
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

	// Resolved is where its name leads; nil: it has an address.
	Resolved *NameStats `json:"resolved,omitempty"`
}

// Stats returns the destination's figures.
func (d *Destination) Stats() DestinationStats {
	h := &d.health
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	return DestinationStats{
		Set: d.set.cfg.Name, Name: d.cfg.Name, Address: d.Where(), Listener: d.cfg.Listener,
		State: d.State().String(), Since: h.changed, Failures: h.failures,
		Probes: h.probes.Load(), ProbesFailed: h.probesFailed.Load(), LastProbe: h.lastProbe, RoundTrip: h.rtt,
		Estimate: d.Estimate(), Silent: h.silent.Load(), Changes: h.changes.Load(),
		Full: d.full.Load(), MaxCalls: d.cfg.MaxCalls, MaxCPS: d.cfg.MaxCPS, Attrs: d.cfg.Attrs, Resolved: d.nameStats(),
	}
}
