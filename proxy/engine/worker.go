package engine

import (
	"errors"
	"net/netip"

	"trunkline/proxy/dispatch"
	"trunkline/proxy/listen"
	"trunkline/proxy/message"
	"trunkline/proxy/overload"
	"trunkline/proxy/policy"
	"trunkline/proxy/record"
	"trunkline/proxy/transaction"
)

// worker is the scratch memory of one goroutine that handles messages: a receive
// worker, or the one that turns the timers. Nothing of it is shared, so handling a
// message allocates nothing. Spans of v point into the packet being handled.
type worker struct {
	e *Engine
	c counters
	// gate says whether new calls are taken; it is set off the path.
	gate overload.Gate

	events ring // for the log

	v      message.View // the received message
	flow   uint32       // the connection it came by, 0: a datagram
	stored message.View // a stored request
	built  message.View // a request as it was forwarded, or a reply as it will be

	out  []byte // the message being written
	out2 []byte // a second one, where one is built from the other
	sessionScratch
	// repaired is the request being handled where it had to be put right first.
	repaired []byte
	key      []byte
	via      []byte
	routes   []byte // Record-Route lines with flow tokens
	tmp      []byte
	uri      []byte // a Request-URI that a route has changed
	// rewritten is the message being handled with another description in it, resumed what became
	// of it while it waited for that (media.go).
	rewritten []byte
	resumed   resumed
	own       bool                                        // the packet being handled is the self-check's
	changed   policy.Result                               // by the policy, in the message written last
	begun     record.Fields                               // of the call being registered
	final     int                                         // code of the final reply being given to an INVITE
	wave      [dispatch.MaxParallel]*dispatch.Destination // of a forked request being sent
}

func newWorker(e *Engine) *worker {
	return &worker{
		e:      e,
		out:    make([]byte, 0, 8192),
		out2:   make([]byte, 0, 8192),
		key:    make([]byte, 0, 512),
		via:    make([]byte, 0, 512),
		routes: make([]byte, 0, 512),
		tmp:    make([]byte, 0, 512),

		sessionScratch: newSessionScratch(e),
	}
}

// handle takes one received packet through the engine.
func (w *worker) handle(f *face, pkt []byte, src netip.AddrPort) {
	w.c.add(cReceived)
	src = netip.AddrPortFrom(src.Addr().Unmap(), src.Port())
	w.own = false
	if !f.allowed.Lookup(src.Addr()) {
		if !f.checksItself(pkt, src) {
			w.c.add(cDroppedSource)
			return
		}
		w.own = true
	}
	if keepAlive(pkt) {
		w.c.add(cKeepAlives)
		if string(pkt) == "\r\n\r\n" { // a ping; CRLF is its pong (RFC 5626 4.4.1)
			w.pong(f, pkt[:2], src)
		}
		return
	}
	if stun(pkt) {
		w.c.add(cDroppedSTUN)
		return
	}
	switch err := w.v.Parse(pkt); {
	case err != nil:
		w.malformed(f, src)
	case w.v.IsRequest():
		w.c.add(cRequests)
		if f.framed && w.v.ContentLength < 0 { // 18.3
			w.refuse(w.upstream(f, src), 400, cRefusedParse)
			return
		}
		if !w.strictRouted() {
			w.malformed(f, src)
			return
		}
		w.request(f, src)
	default:
		w.c.add(cReplies)
		w.reply(f, src)
	}
}

// keepAlive reports whether a packet holds nothing but line ends and NULs, as
// phones and gateways send to keep a mapping open.
func keepAlive(pkt []byte) bool {
	if len(pkt) > 16 {
		return false
	}
	for _, c := range pkt {
		if c != '\r' && c != '\n' && c != 0 && c != ' ' {
			return false
		}
	}
	return true
}

// pong answers a keep-alive the way it came.
func (w *worker) pong(f *face, pkt []byte, src netip.AddrPort) {
	if w.flow == 0 {
		w.send(f.index, pkt, src)
	} else if w.e.groups[f.index].sendFlow(pkt, w.flow) != nil {
		w.c.add(cSendErrors)
	}
}

// send sends from a listener's socket. It reports whether the packet left. One that met
// a full send buffer is as good as lost on the way: its socket counts it, the timers
// repeat it, and the destination is not to blame.
func (w *worker) send(listener int, pkt []byte, to netip.AddrPort) bool {
	err := w.e.groups[listener].Send(pkt, to)
	if err != nil && !errors.Is(err, listen.ErrFull) {
		w.c.add(cSendErrors)
		return false
	}
	return true
}

// sendTo is send to an endpoint of a transaction: by its connection, if it names one.
func (w *worker) sendTo(ep transaction.Endpoint, pkt []byte) bool {
	if flow := ep.Flow(); flow != 0 {
		err := w.e.groups[ep.Listener].sendFlow(pkt, flow)
		if err != nil {
			w.c.add(cSendErrors)
		}
		return err == nil
	}
	return w.send(w.e.dir.exit(ep), pkt, ep.AddrPort())
}
