package engine

import (
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// hop is where an attempt of a request goes.
type hop struct {
	dest *destination
	to   transaction.Endpoint
	// again: it is another target of the destination that failed. A call keeps its place
	// there.
	again bool
}

// onward chooses where a request goes after a failure, or first of all: to another
// target of the destination that failed, else to the next destination. A call has a
// place there from now on. full is a destination that had none for it. It reports false
// when nothing is left.
func (e *Engine) onward(d *slotData, failed failure, req *message.View, isCall bool) (h hop, full *destination, ok bool) {
	if failed.ofTarget() && d.slots != 0 {
		x := e.dests[d.dest]
		if to, ok := e.target(d, x); ok {
			return hop{x, to, true}, nil, true
		}
	}
	for {
		x, busy := e.pick(d, req, isCall)
		if busy != nil {
			full = busy
		}
		if x == nil {
			return hop{}, full, false
		}
		d.slots = 0
		if to, ok := e.target(d, x); ok {
			return hop{x, to, false}, full, true
		}
		if isCall { // its name leads nowhere since this moment
			x.Leave()
		}
	}
}

// target chooses the next target of a destination.
func (e *Engine) target(d *slotData, x *destination) (transaction.Endpoint, bool) {
	t, ok := x.Next(&d.slots)
	if !ok {
		return transaction.Endpoint{}, false
	}
	d.slot = uint8(t.Slot)
	return e.dir.endpoint(t.Addr, x.listener), true
}

// ofTarget reports whether another server behind the same name may do better (RFC 3263
// 4.3): after silence, a connection that cannot be made, or a failure of the server (5xx,
// RFC 3261 21.5). What other replies say, the others would say as well.
func (f failure) ofTarget() bool {
	switch f.reason {
	case reasonCode:
		return f.code >= 500 && f.code < 600
	case reasonSilent, reasonUnanswered, reasonTransport:
		return true
	}
	return false
}
