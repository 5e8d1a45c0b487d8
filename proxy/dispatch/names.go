package dispatch

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/resolve"
)

// Target is one place a destination is reached at. One with a literal address has
// one; one with a name has those its name leads to now.
type Target struct {
	Addr netip.AddrPort
	Slot int // below resolve.MaxTargets; its bit in what Next was told of
}

// Next gives the target to send to next and notes it in tried, which is 0 for a request
// that the destination gets for the first time. It reports false when none is left that
// takes calls and was not tried. It takes no lock and allocates nothing.
func (d *Destination) Next(tried *uint32) (Target, bool) {
	if d.name == nil {
		if *tried != 0 || !d.cfg.Address.IsValid() {
			return Target{}, false
		}
		*tried = 1
		return Target{Addr: d.cfg.Address}, true
	}
	r := d.name.Current()
	var room [resolve.MaxTargets]int
	for _, i := range r.Order(room[:0], rand.Uint32N) {
		t := &r.Targets[i]
		bit := uint32(1) << t.Slot
		if *tried&bit == 0 && d.targets[t.Slot].takesCalls() {
			*tried |= bit
			return Target{Addr: t.Addr, Slot: t.Slot}, true
		}
	}
	return Target{}, false
}

// ByName is how many destinations are reached by a name.
func (s *Sets) ByName() (n int) {
	for _, d := range s.dests {
		if d.cfg.Host != "" {
			n++
		}
	}
	return n
}

// Names makes the names of the destinations that are reached by one; nil when there is
// none. They are for Warm before the first call and Run beside, and such destinations
// are inactive until their names have led somewhere. What o says of Observe is
// replaced. Its errors name the destination that cannot be reached by its name.
func (s *Sets) Names(listeners []runtime.Listener, o resolve.Options) (*resolve.Names, error) {
	if s.ByName() == 0 {
		return nil, nil
	}
	byName := map[string]runtime.Listener{}
	for _, l := range listeners {
		byName[l.Name] = l
	}
	whose := map[*resolve.Name]*Destination{}
	o.Observe = func(x *resolve.Name, r *resolve.Result) { whose[x].lead(r) }
	names, err := resolve.New(o)
	if err != nil {
		return nil, err
	}
	for _, d := range s.dests {
		if d.cfg.Host == "" {
			continue
		}
		l, ok := byName[d.cfg.Listener]
		if !ok {
			return nil, fmt.Errorf("dispatcher %q: destination %q: there is no listener %q", d.set.Name(), d.Name(), d.cfg.Listener)
		}
		q, err := resolve.FromDestination(d.cfg, l)
		if err != nil {
			return nil, fmt.Errorf("dispatcher %q: destination %q: %w", d.set.Name(), d.Name(), err)
		}
		if d.name, err = names.Add(d.set.Name()+"/"+d.Name(), q); err != nil {
			return nil, err
		}
		whose[d.name] = d
	}
	return names, nil
}

// lead puts in place where d's name leads now. A target that was there before keeps
// what is known of it. The first ones start as the configuration or a person has it;
// later ones take calls at once if d does, and else wait for their first probe, where
// there are any.
func (d *Destination) lead(r *resolve.Result) {
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	state := d.first
	if d.led {
		if state = Active; !d.State().TakesCalls() && d.set.Probed() {
			state = Probing
		}
	}
	was := d.led
	fresh := false
	d.here = 0
	for _, t := range r.Targets {
		d.here |= 1 << t.Slot
		d.led = true
		if x := &d.targets[t.Slot]; x.at.Addr != t.Addr || x.at.Transport != t.Transport {
			fresh = true
			x.reset(state)
			x.lastProbe, x.rtt = "", 0
			x.at = t
		} else {
			x.at = t
		}
	}
	cause := "name: leads to " + r.String()
	if len(r.Targets) == 0 {
		cause = fmt.Sprintf("name: %v", r.Err)
	}
	d.settle(cause)
	if fresh && was {
		d.rouse()
	}
}

// known are the targets d has now.
func (d *Destination) known() []Target {
	if d.name == nil {
		if !d.cfg.Address.IsValid() {
			return nil
		}
		return []Target{{Addr: d.cfg.Address}}
	}
	d.set.mu.Lock()
	defer d.set.mu.Unlock()
	var out []Target
	for i := range d.targets {
		if d.here&(1<<i) != 0 {
			out = append(out, Target{Addr: d.targets[i].at.Addr, Slot: i})
		}
	}
	return out
}

// ReachedAt reports whether packets for d go to an address now. It takes no lock.
func (d *Destination) ReachedAt(a netip.AddrPort) bool {
	if d.name == nil {
		return d.cfg.Address == a
	}
	for _, t := range d.name.Current().Targets {
		if t.Addr == a {
			return true
		}
	}
	return false
}

// Host is the name d is reached by; empty: it has an address.
func (d *Destination) Host() string { return d.cfg.Host }

// Where is the address of d, or its name, with the port where it has one.
func (d *Destination) Where() string {
	switch {
	case d.cfg.Host == "":
		return d.cfg.Address.String()
	case d.cfg.Port == 0:
		return d.cfg.Host
	}
	return net.JoinHostPort(d.cfg.Host, strconv.Itoa(d.cfg.Port))
}

// NameStats are the figures of a destination's name.
type NameStats struct {
	Host    string        `json:"host"`
	Targets []TargetStats `json:"targets"`
	Until   time.Time     `json:"until"`             // when it is resolved again
	Stale   bool          `json:"stale,omitempty"`   // records are older than their TTL: no server says anything of use
	Trouble string        `json:"trouble,omitempty"` // why there are no targets, or only old ones, or some were left out
}

// TargetStats are the figures of one place a name leads to.
type TargetStats struct {
	Address   string        `json:"address"`
	Transport string        `json:"transport"`
	Server    string        `json:"server,omitempty"` // the name that has the address
	State     string        `json:"state"`
	Failures  int           `json:"failures"`               // in a row
	LastProbe string        `json:"last_probe,omitempty"`   // its outcome
	RoundTrip time.Duration `json:"round_trip_ns,omitzero"` // of the last probe that got a final reply
}

// nameStats are nil for an address. The caller holds the set's lock.
func (d *Destination) nameStats() *NameStats {
	if d.name == nil {
		return nil
	}
	r := d.name.Current()
	st := &NameStats{Host: d.cfg.Host, Targets: []TargetStats{}, Until: r.Expires, Stale: r.Stale, Trouble: strings.Join(r.Left, "; ")}
	if r.Err != nil {
		st.Trouble = r.Err.Error()
	}
	for _, t := range r.Targets {
		x := &d.targets[t.Slot]
		st.Targets = append(st.Targets, TargetStats{
			Address: t.Addr.String(), Transport: t.Transport, Server: t.Server, State: State(x.state.Load()).String(),
			Failures: int(x.failures.Load()), LastProbe: x.lastProbe, RoundTrip: x.rtt,
		})
	}
	return st
}
