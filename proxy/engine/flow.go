package engine

import (
	"bytes"
	"fmt"
	"net/netip"

	"trunkline/proxy/message"
	"trunkline/proxy/shm"
	"trunkline/proxy/transaction"
)

// A flow token names one connection of one listener (RFC 5626 section 5.3). It is the user
// part of a URI in Record-Route, and what comes back in Route with it goes over that
// connection; and a parameter of our Via, by which a reply that finds no transaction takes
// the way its request came. It says nothing of the peer, and a MAC keeps others from making
// one up. The connections it names are the process's, so it says by a generation which one made
// it: a token of a process before names a connection that has ended.
//
// # Where one is written
//
// Over WS and WSS always: such a client can be reached in no other way (RFC 7118 section 5).
// Over TCP and TLS where the sender is the first hop and says that its Contact is not to be
// connected to, or that cannot be done: the parameter ob (RFC 5626 section 4.3) or alias
// (RFC 5923) is there, or the Contact holds a name, which is not looked up on the path of a
// message, or an address other than the one the connection comes from. A Contact at that
// address is connected to, whatever its port, as RFC 3261 has it.
//
// # When the connection has ended
//
// A client that said ob, or came over a WebSocket, gets nothing any more and the request a
// 430. For another the token was the better way only, and its URI is the next. So it is with
// the connections of a process before, which ended with it.
type flowTokens struct {
	mac        transaction.Hasher
	generation uint64 // of the process, up to flowGenerations
}

// flowUse is where a token stands. One made for a Via is worth nothing in a Route.
type flowUse uint8

const (
	flowInRoute flowUse = iota + 1
	flowInVia
)

const (
	flowMark     = "tlflow-"
	flowTokenLen = len(flowMark) + 32
	flowViaParam = ";tlflow="
)

// Bits of what a token says: the flow, the generation above it, the listener above that, then
// the use.
const (
	flowGenerationShift = 24
	flowGenerations     = 1<<24 - 1
	flowListenerShift   = 48
	flowListeners       = 1<<14 - 1
	flowUseShift        = 62
)

// flowDomain keeps MACs of flows apart from others of the same key.
const flowDomain = 0x666c6f77

func newFlowTokens(a *shm.Arena) (flowTokens, error) {
	seed, err := a.Key(2) // those of the table are before it
	if err != nil {
		return flowTokens{}, fmt.Errorf("random key for flow tokens: %w", err)
	}
	return flowTokens{mac: transaction.NewHasher(seed), generation: a.Generation() & flowGenerations}, nil
}

// append appends the token of an endpoint that has a flow.
func (t flowTokens) append(dst []byte, use flowUse, ep transaction.Endpoint) []byte {
	id := uint64(use)<<flowUseShift | uint64(ep.Listener)<<flowListenerShift | t.generation<<flowGenerationShift | uint64(ep.Flow())
	dst = transaction.AppendHex(append(dst, flowMark...), id)
	return transaction.AppendHex(dst, t.mac.Sum64(id, flowDomain))
}

// isFlowToken reports whether b claims to be a token.
func isFlowToken(b []byte) bool { return bytes.HasPrefix(b, []byte(flowMark)) }

// parse reads a token; ok is false for what is not of our making. What a process before this one
// made names a connection that is no more.
func (t flowTokens) parse(b []byte, use flowUse) (listener int, flow uint32, ok bool) {
	if len(b) != flowTokenLen || !isFlowToken(b) {
		return 0, 0, false
	}
	b = b[len(flowMark):]
	id, ok1 := transaction.ParseHex(b[:16])
	mac, ok2 := transaction.ParseHex(b[16:])
	if !ok1 || !ok2 || id>>flowUseShift != uint64(use) || mac != t.mac.Sum64(id, flowDomain) {
		return 0, 0, false
	}
	listener, flow = int(id>>flowListenerShift&flowListeners), uint32(id&transaction.GoneFlow)
	if id>>flowGenerationShift&flowGenerations != t.generation {
		flow = transaction.GoneFlow
	}
	return listener, flow, true
}

// flowOf reads the token in the user part of an own Route value.
func (ro *routing) flowOf(e *Engine, user []byte) {
	ro.flow, ro.forged = 0, false
	if !isFlowToken(user) {
		return
	}
	l, flow, ok := e.flows.parse(user, flowInRoute)
	if !ok || l >= len(e.groups) {
		ro.forged = true
		return
	}
	ro.egress, ro.flow = l, flow
}

// overFlow is where a request goes whose Route names a flow (RFC 5626 section 5.3.1), or a
// refusal as nextHop returns it.
func (w *worker) overFlow(f *face, ro routing) (transaction.Endpoint, int, counter) {
	if ro.forged {
		return transaction.Endpoint{}, 403, cRefusedToken
	}
	e := w.e
	if peer, ok := e.groups[ro.egress].peer(ro.flow); ok {
		return e.dir.endpoint(peer, ro.egress).WithFlow(ro.flow), 0, 0
	}
	if e.dir.faces[ro.egress].dials() && !w.nextURI(ro).OB {
		ro.flow = 0
		if hop, code, _ := w.nextHop(f, ro); code == 0 {
			return hop, 0, 0
		}
	}
	return transaction.Endpoint{}, 430, cRefusedFlow
}

// needsFlow reports whether requests to the sender of a request are to go over the
// connection it came by.
func (w *worker) needsFlow(req *message.View, up transaction.Endpoint) bool {
	switch {
	case up.Flow() == 0:
		return false
	case !w.e.dir.faces[up.Listener].dials():
		return true
	case !req.SecondVia.Empty(): // a proxy: it is where its own Record-Route says
		return false
	case req.Via.Alias:
		return true
	}
	u, err := message.ParseURI(req.Get(req.Contact))
	if err != nil || len(u.Host) == 0 {
		return false
	}
	addr, ok := literal(u.Host)
	return u.OB || !ok || addr != up.AddrPort().Addr()
}

// recordRoutes are the Record-Route lines of a request that came from one endpoint and goes
// to another: outgoing on top, and one line when both are one. A flow always gets a line of
// its own, so that the last of ours in a Route is the side the request leaves by.
func (w *worker) recordRoutes(req *message.View, up, to transaction.Endpoint) [2][]byte {
	in, out := w.e.dir.faces[up.Listener], w.e.dir.faces[to.Listener]
	inFlow, outFlow := w.needsFlow(req, up), to.Flow() != 0
	switch {
	case !inFlow && !outFlow && in == out:
		return [2][]byte{out.recordRoute}
	case !inFlow && !outFlow:
		return [2][]byte{out.recordRoute, in.recordRoute}
	}
	w.routes = w.routes[:0]
	line := func(f *face, ep transaction.Endpoint, flow bool) []byte {
		if !flow {
			return f.recordRoute
		}
		from := len(w.routes)
		w.routes = append(w.routes, recordRouteHead...)
		w.routes = w.e.flows.append(w.routes, flowInRoute, ep)
		w.routes = append(w.routes, '@')
		w.routes = append(w.routes, f.recordRoute[len(recordRouteHead):]...)
		return w.routes[from:]
	}
	first := line(out, to, outFlow)
	return [2][]byte{first, line(in, up, inFlow)}
}

// appendViaEnd ends a Via line of ours after its branch: with the flow that the request came
// by, for replies that find no transaction.
func (w *worker) appendViaEnd(dst []byte, up transaction.Endpoint) []byte {
	if up.Flow() != 0 {
		dst = append(dst, flowViaParam...)
		dst = w.e.flows.append(dst, flowInVia, up)
	}
	return append(dst, "\r\n"...)
}

// viaFlow is where the top Via of a reply, which is ours, says that its request came from;
// false where it came as a datagram.
func (w *worker) viaFlow(v *message.View) (transaction.Endpoint, bool) {
	_, b, found := bytes.Cut(v.Get(v.Via.Value), []byte(flowViaParam))
	if !found || len(b) < flowTokenLen {
		return transaction.Endpoint{}, false
	}
	l, flow, ok := w.e.flows.parse(b[:flowTokenLen], flowInVia)
	if !ok || l >= len(w.e.groups) {
		return transaction.Endpoint{}, false
	}
	return w.e.dir.endpoint(netip.AddrPort{}, l).WithFlow(flow), true
}

// sendBack sends a reply where its request came from: by that connection, and when it has
// ended, by one to the port of the sender's Via (RFC 3261 18.2.2), which a WebSocket client
// does not have.
func (w *worker) sendBack(up transaction.Endpoint, reply []byte) {
	l := int(up.Listener)
	if up.Flow() == 0 {
		w.send(l, reply, up.AddrPort())
		return
	}
	if w.e.groups[l].sendFlow(reply, up.Flow()) == nil {
		return
	}
	f := w.e.dir.faces[l]
	if f.dials() && w.built.Parse(reply) == nil {
		if to, ok := sentBy(&w.built, f); ok && f.allowed.Lookup(to.Addr()) {
			w.send(l, reply, to)
			return
		}
	}
	w.c.add(cSendErrors)
}

// sentBy is where the sender of a request over a connection takes others (18.2.2).
func sentBy(v *message.View, f *face) (netip.AddrPort, bool) {
	to, ok := viaTarget(v)
	port := v.Via.Port
	if port == 0 {
		port = f.defaultPort()
	}
	return netip.AddrPortFrom(to.Addr(), port), ok
}

// unreachedCode is the code that tells of an endpoint that cannot be sent to.
func unreachedCode(to transaction.Endpoint) int {
	if to.Flow() != 0 {
		return 430
	}
	return 503
}
