package engine

import (
	"fmt"
	"sync/atomic"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/transaction"
)

// maxSets is how many dispatcher sets one route may name.
const maxSets = 8

// slotData is what the engine keeps beside a transaction's slot. The shard's lock
// guards it.
type slotData struct {
	routed bool  // goes through dispatcher sets, and may fail over
	record bool  // gets Record-Route
	strip  uint8 // own Route values to remove
	nsets  uint8
	set    uint8 // the one being tried
	sets   [maxSets]uint16
	tried  dispatch.Tried
	dest   uint16 // index of the destination being tried
}

// destination is one destination of a set with what the engine counts at it.
type destination struct {
	*dispatch.Destination
	endpoint transaction.Endpoint
	calls    atomic.Int64  // live
	attempts atomic.Uint64 // requests sent there, without retransmissions
	failed   atomic.Uint64 // attempts that moved on to another
}

// newDestinations prepares the destinations of all sets, each at its index.
func newDestinations(cfg *runtime.Appliance, sets *dispatch.Sets) ([]*destination, error) {
	listeners := map[string]int{}
	for i, l := range cfg.Listeners {
		listeners[l.Name] = i
	}
	var out []*destination
	for _, d := range sets.Destinations() {
		l, ok := listeners[d.Listener()]
		if !ok {
			return nil, fmt.Errorf("dispatcher %q: destination %q: there is no listener %q", d.Set().Name(), d.Name(), d.Listener())
		}
		out = append(out, &destination{Destination: d, endpoint: transaction.MakeEndpoint(d.Address(), l)})
	}
	for _, r := range cfg.Routes {
		if len(r.To) > maxSets {
			return nil, fmt.Errorf("route %q names %d dispatcher sets, at most %d work", r.Name, len(r.To), maxSets)
		}
	}
	return out, nil
}

// slot is the engine's data beside a transaction.
func (e *Engine) slot(tx transaction.Tx) *slotData { return &e.slots[tx.Index()] }

// choose asks the routes for the sets of a request.
func (e *Engine) choose(d *slotData, f *face, user []byte) bool {
	sets, ok := e.router.Choose(f.index, user)
	if !ok {
		return false
	}
	for _, s := range sets {
		d.sets[d.nsets] = uint16(s)
		d.nsets++
	}
	return d.nsets > 0
}

// pick chooses the next destination of a request: within the set being tried, then
// of the next set.
func (e *Engine) pick(d *slotData, key []byte) (*destination, bool) {
	for ; d.set < d.nsets; d.set++ {
		if x, ok := e.sets.Set(int(d.sets[d.set])).Pick(key, &d.tried); ok {
			d.dest = uint16(x.Index)
			return e.dests[d.dest], true
		}
	}
	return nil, false
}

// failover is the rule of the set that holds the destination being tried.
func (e *Engine) failover(d *slotData) runtime.Failover {
	return e.dests[d.dest].Set().Failover()
}

// destinationAlive notes that the destination being tried sent a reply.
func (e *Engine) destinationAlive(d *slotData) {
	if d.routed {
		e.sets.Report(e.dests[d.dest].Destination, true)
	}
}

// destinationSilent notes that the destination being tried sent none, or could not
// be sent to.
func (e *Engine) destinationSilent(d *slotData) {
	if d.routed {
		e.dests[d.dest].failed.Add(1)
		e.sets.Report(e.dests[d.dest].Destination, false)
	}
}

// destinationRefused notes that the destination being tried refused and another is
// tried instead.
func (e *Engine) destinationRefused(d *slotData) { e.dests[d.dest].failed.Add(1) }

// moveCall books a call at a destination.
func (e *Engine) moveCall(id call.ID, dest int) {
	if id == 0 {
		return
	}
	// Booked before it is registered: the call may end at any moment after, and
	// its end takes off what is registered.
	e.dests[dest].calls.Add(1)
	before, ok := e.calls.SetDestination(id, int32(dest))
	if !ok {
		e.dests[dest].calls.Add(-1)
		return
	}
	if before != call.NoDestination {
		e.dests[before].calls.Add(-1)
	}
}
