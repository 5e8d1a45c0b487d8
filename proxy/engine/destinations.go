package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// maxSets is how many dispatcher sets one request may try: those a route names, and
// those that follow them.
const maxSets = 8

// slotData is what the engine keeps beside a transaction's slot. The shard's lock
// guards it.
type slotData struct {
	routed bool // goes through dispatcher sets, and may fail over
	media  mediaState
	strip  uint8 // own Route values to remove
	nsets  uint8
	set    uint8 // the one being tried
	rule   uint8 // of the route, by which the number changes; 0: by none
	sets   [maxSets]uint16
	tried  dispatch.Tried
	dest   uint16 // index of the destination being tried
	slot   uint8  // of its target being tried
	bye    uint8  // a BYE of ours: the side it goes to, plus one; 0: none of ours
	slots  uint32 // of its targets that were tried; 0: it is no destination's turn yet
	sent   uint32 // when an INVITE went there, microseconds of the engine's clock; 0: not measured
}

// destination is one destination of a set with what the engine counts at it.
type destination struct {
	*dispatch.Destination
	listener int           // that reaches it
	pinned   bool          // its transport is written down, whatever the length of a request
	attempts atomic.Uint64 // requests sent there, without retransmissions
	failed   atomic.Uint64 // attempts that moved on to another
}

// newDestinations prepares the destinations of all sets, each at its index.
func newDestinations(cfg *runtime.Appliance, sets *dispatch.Sets) ([]*destination, error) {
	listeners := map[string]int{}
	for i, l := range cfg.Listeners {
		listeners[l.Name] = i
	}
	pinned := pinnedDestinations(cfg)
	var out []*destination
	for _, d := range sets.Destinations() {
		l, ok := listeners[d.Listener()]
		if !ok {
			return nil, fmt.Errorf("dispatcher %q: destination %q: there is no listener %q", d.Set().Name(), d.Name(), d.Listener())
		}
		out = append(out, &destination{Destination: d, listener: l, pinned: pinned[[2]string{d.Set().Name(), d.Name()}]})
	}
	index := map[string]int{}
	for i := range sets.Len() {
		index[sets.Set(i).Name()] = i
		if n := len(sets.Chain(i)); n > maxSets { // a cache may lead to any set
			return nil, fmt.Errorf("dispatcher %q: with those that follow it (next) a call would try %d, at most %d work", sets.Set(i).Name(), n, maxSets)
		}
	}
	for _, r := range cfg.Routes {
		tried := map[int]bool{}
		for _, name := range r.To {
			i, ok := index[name]
			if !ok {
				continue // the router refuses it by name
			}
			for _, follows := range sets.Chain(i) {
				tried[follows] = true
			}
		}
		if n := max(len(tried), len(r.To)); n > maxSets {
			return nil, fmt.Errorf("route %q leads to %d dispatcher sets, with those that follow (next), at most %d work", r.Name, n, maxSets)
		}
	}
	return out, nil
}

// slot is the engine's data beside a transaction.
func (e *Engine) slot(tx transaction.Tx) *slotData { return &e.slots[tx.Index()] }

// choose asks the routes for the sets of a request: those of the route, each with the
// sets that follow it, none twice; and for the rule by which its number changes.
func (e *Engine) choose(d *slotData, f *face, from netip.Addr, user []byte) bool {
	to, ok := e.router.Choose(f.index, from, user)
	if !ok {
		return false
	}
	d.rule = to.Rule
	for _, s := range to.Sets {
		for _, follows := range e.sets.Chain(s) {
			d.add(uint16(follows))
		}
	}
	return d.nsets > 0
}

func (d *slotData) add(set uint16) {
	if int(d.nsets) < maxSets && !slices.Contains(d.sets[:d.nsets], set) {
		d.sets[d.nsets] = set
		d.nsets++
	}
}

// pick chooses the next destination of a request: within the set being tried, then
// of the next set. A call has a place there from now on. full is a destination that
// had none for it.
func (e *Engine) pick(d *slotData, req *message.View, isCall bool) (next, full *destination) {
	a := dispatch.Ask{Call: isCall}
	if isCall {
		a.Now = int64(e.clock())
	}
	for ; d.set < d.nsets; d.set++ {
		set := e.sets.Set(int(d.sets[d.set]))
		a.Key = set.Key(req)
		x, busy := set.Pick(a, &d.tried)
		if busy != nil {
			full = e.dests[busy.Index]
		}
		if x != nil {
			d.dest = uint16(x.Index)
			return e.dests[d.dest], full
		}
	}
	return nil, full
}

// failover is the rule of the set that holds the destination being tried.
func (e *Engine) failover(d *slotData) runtime.Failover {
	return e.dests[d.dest].Set().Failover()
}

// microseconds is the clock as slotData keeps it, never 0. It runs over after 71
// minutes, which differences do not notice.
func (e *Engine) microseconds() uint32 { return max(uint32(e.clock().Microseconds()), 1) }

// took is how long the destination being tried has been waited for; 0: not measured.
func (e *Engine) took(d *slotData) time.Duration { return e.tookSince(d.sent) }

func (e *Engine) tookSince(sent uint32) time.Duration {
	if sent == 0 {
		return 0
	}
	return time.Duration(e.microseconds()-sent) * time.Microsecond
}

// destinationAlive notes that the destination being tried sent its first reply.
func (e *Engine) destinationAlive(d *slotData) {
	if d.routed {
		e.measured(d)
		e.sets.Report(e.dests[d.dest].Destination, int(d.slot), true)
	}
}

// measured takes the time of the destination being tried into its estimate, once.
func (e *Engine) measured(d *slotData) {
	if t := e.took(d); t > 0 {
		e.dests[d.dest].Measured(t)
	}
	d.sent = 0
}

// destinationSilent notes that the destination being tried sent none, or could not
// be sent to.
func (e *Engine) destinationSilent(d *slotData) {
	if d.routed {
		e.dests[d.dest].failed.Add(1)
		e.measured(d)
		e.sets.Report(e.dests[d.dest].Destination, int(d.slot), false)
	}
}

// destinationRefused notes that the destination being tried refused and another is
// tried instead.
func (e *Engine) destinationRefused(d *slotData) { e.dests[d.dest].failed.Add(1) }

// moveCall registers the place that a call has got at a destination, and gives back
// the one it had.
func (e *Engine) moveCall(id call.ID, dest int) {
	if id == 0 {
		return
	}
	// Taken before it is registered: the call may end at any moment after, and its
	// end gives back what is registered.
	before, ok := e.calls.SetDestination(id, int32(dest))
	switch {
	case !ok:
		e.dests[dest].Leave()
	case before != call.NoDestination:
		e.dests[before].Leave()
	}
}

// SetDestinationState puts a destination of a dispatcher set into a state by hand:
// active, inactive, disabled or probing. Its errors say what to write instead.
func (e *Engine) SetDestinationState(set, destination, state string) error {
	to, err := dispatch.ParseState(state)
	if err != nil {
		return err
	}
	return e.sets.SetState(set, destination, to)
}
