package engine

import (
	"fmt"
	"net/netip"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
	"trunkline/proxy/policy"
	"trunkline/proxy/transaction"
)

// long is the rule for requests too long for UDP (RFC 3261 section 18.1.1): they leave by
// the listener over TCP that stands in for theirs, and by UDP after all when the peer takes
// no connection. The endpoint of such a request is the one over UDP, marked Reliable:
// Record-Route still names the listener over UDP, for the peer was not asked whether it
// prefers TCP for the rest of the dialog (16.6 step 4), and the way back is to clear the mark.
type long struct {
	limit    int  // bytes of the longest request that leaves over UDP; 0: none is too long
	fallback bool // to UDP
	room     int  // bytes: no request grows by more on its way through
	refused  refusals
}

// noListener is no index of a listener.
const noListener = -1

// newLong reads the rule and tells the faces which stands in for which.
func newLong(cfg *runtime.Appliance, dir *directory) (*long, error) {
	l := &long{fallback: true}
	if m := cfg.Messages; m != nil {
		l.limit, l.fallback = m.UDPLimit, m.Fallback
	}
	for i, x := range cfg.Listeners {
		if x.OverTCP == "" {
			continue
		}
		for k, f := range dir.faces {
			if f.name == x.OverTCP && f.transport == "tcp" && x.Datagram() {
				dir.faces[i].overTCP = k
			}
		}
		if dir.faces[i].overTCP == noListener {
			return nil, fmt.Errorf("listener %q: requests too long for UDP are to leave by %q, which is no listener over TCP beside one over UDP", x.Name, x.OverTCP)
		}
	}
	via, record := 0, 0
	for _, f := range dir.faces {
		via, record = max(via, len(f.viaHead)), max(record, len(f.recordRoute))
	}
	const source = len(";received=;rport=65535") + 45 // an IPv6 address
	const flows = len(flowViaParam) + 3*flowTokenLen + 2*len("@")
	l.room = via + transaction.BranchLen + 2*record + flows + source + len("Max-Forwards: 70\r\n\r\n")
	return l, nil
}

// dialTime is how long a connection to a peer that is reached over UDP otherwise may take to
// be made: four round trips as RFC 3261 estimates them, in which a lost first packet is
// repeated, and no more than half of what the peer has for its first reply.
// 0: the listener does not stand in for any.
func (e *Engine) dialTime(listener int) time.Duration {
	if !e.dir.standsIn(listener) {
		return 0
	}
	t := e.cfg.Transaction
	return min(4*t.T1.D(), t.ReplyTimeout.D()/2)
}

// exit is the listener by which packets to an endpoint leave.
func (d *directory) exit(ep transaction.Endpoint) int {
	if d.stoodIn(ep) {
		return d.faces[ep.Listener].overTCP
	}
	return int(ep.Listener)
}

// stoodIn reports whether an endpoint is over TCP for the length of a request alone.
func (d *directory) stoodIn(ep transaction.Endpoint) bool {
	return ep.Reliable && !d.faces[ep.Listener].stream
}

// connection is an endpoint as its connection is known by.
func (d *directory) connection(ep transaction.Endpoint) transaction.Endpoint {
	ep.Listener = uint16(d.exit(ep))
	return ep
}

// transport chooses how a request of size bytes leaves toward an endpoint. pinned: UDP is
// written down for it. It reports false when it can leave by neither.
func (w *worker) transport(size int, to transaction.Endpoint, pinned bool) (transaction.Endpoint, bool) {
	l := w.e.long
	tcp := to
	tcp.Reliable = true
	over := l.limit > 0 && size > l.limit
	hop := policy.Hop{Pinned: pinned, Stream: over && !pinned && w.takesTCP(tcp)}
	switch policy.ChooseTransport(size, l.limit, l.fallback, hop) {
	case policy.Stream, policy.StreamOnly:
		w.c.add(cLongOverTCP)
		return tcp, true
	case policy.UndeliverableUDP:
		return to, false
	}
	if over {
		w.c.add(cLongOverUDP)
	}
	return to, true
}

// takesTCP reports whether a request may try TCP toward a peer. One that refused is asked
// again after a while, beside the calls: none of them waits for it.
func (w *worker) takesTCP(tcp transaction.Endpoint) bool {
	e := w.e
	i := e.dir.faces[tcp.Listener].overTCP
	if i == noListener || !e.dir.faces[i].allowed.Lookup(tcp.AddrPort().Addr()) {
		return false
	}
	if !e.long.fallback {
		return true
	}
	peer := e.dir.connection(tcp)
	refused, due := e.long.refused.has(peer, e.now())
	if !refused {
		return true
	}
	g, ok := e.groups[i].(connections)
	if !ok {
		return false
	}
	if g.Connected(peer.AddrPort()) {
		e.long.refused.forget(peer)
		return true
	}
	if due {
		_ = g.Dial(peer.AddrPort()) // what fails is counted there, and remembered
	}
	return false
}

// overTCP chooses how the next attempt of a transaction leaves: as its destination says, or
// over TCP when the request as it is sent is too long. It reports false when it can leave by
// neither.
func (w *worker) overTCP(tx transaction.Tx, req *message.View, to transaction.Endpoint, pinned bool) (transaction.Endpoint, bool) {
	e := w.e
	if to.Reliable || e.long.limit == 0 || len(req.Bytes())+e.long.room <= e.long.limit {
		return to, true
	}
	// Its length is known once it is written.
	w.out = w.appendForwardTo(w.out[:0], tx, req, tx.Tried(), to)
	return w.transport(len(w.out), to, pinned)
}

// overUDP sends a request over UDP after all whose attempt was over TCP for its length and
// got nowhere. It reports whether it left; false: it is not for UDP, or that failed too.
func (w *worker) overUDP(tx transaction.Tx, req *message.View, now int64) bool {
	e := w.e
	to := tx.Attempts[tx.Current()].To
	if !e.dir.stoodIn(to) || !e.long.fallback || tx.Cancelled {
		return false
	}
	tx.Abandon()
	to.Reliable = false
	t := e.table.Timers()
	reply := t.Reply
	if d := e.slot(tx); !d.routed && !tx.Invite {
		reply = t.GiveUp()
	}
	n, ok := tx.Start(now, to, reply, t)
	if !ok {
		return false
	}
	w.c.add(cTCPFallbacks)
	return w.forward(tx, req, n)
}

// unreachable notes that the destination being tried could not be sent to. That it takes
// no TCP for a long request tells nothing of how it does over UDP, where it is probed.
func (w *worker) unreachable(tx transaction.Tx, d *slotData) {
	if d.routed && w.e.dir.stoodIn(tx.Attempts[tx.Current()].To) {
		w.e.destinationRefused(d)
		return
	}
	w.e.destinationSilent(d)
}

// pinned reports whether the next hop of the request being handled, which is within a
// dialog, has its transport written down (RFC 3263 section 4.1).
func (w *worker) pinned(ro routing) bool {
	return len(w.nextURI(ro).Transport) > 0
}

// pinnedDestinations are those whose URI names a transport, by set and name: a request goes
// there by no other.
func pinnedDestinations(cfg *runtime.Appliance) map[[2]string]bool {
	out := map[[2]string]bool{}
	for _, d := range cfg.Dispatchers {
		for _, x := range d.Destinations {
			u, err := message.ParseURI([]byte(x.URI))
			out[[2]string{d.Name, x.Name}] = err == nil && len(u.Transport) > 0
		}
	}
	return out
}

// connectionEnded notes that a connection of a listener could not be made or ended. Any
// goroutine may call it.
func (e *Engine) connectionEnded(listener int, to netip.AddrPort, flow uint32, unreached bool) {
	ep := e.dir.endpoint(to, listener)
	if unreached && e.dir.standsIn(listener) {
		e.long.refused.add(ep, e.now())
	}
	e.lost.add(ep)
	e.lost.add(ep.WithFlow(flow))
}

// standsIn reports whether a listener is the one over TCP of another.
func (d *directory) standsIn(listener int) bool {
	for _, f := range d.faces {
		if f.overTCP == listener {
			return true
		}
	}
	return false
}
