package engine

import (
	"net/netip"

	"trunkline/proxy/call"
	"trunkline/proxy/limit"
	"trunkline/proxy/message"
	"trunkline/proxy/record"
	"trunkline/proxy/transaction"
)

// routing is what the Route headers, the Request-URI and the To tag say about
// where a request belongs.
type routing struct {
	inDialog bool
	ours     bool   // the Request-URI names us and no user
	strip    uint8  // own Route values on top, to be removed (16.4)
	egress   int    // listener of the last own Route value, or the one it came in by
	flow     uint32 // connection of that listener that the same value names
	forged   bool   // it names one that we did not write
}

// routing reads the routing of the request being handled. Two own Route values
// come from a Record-Route pair: the second names the listener to leave by.
func (w *worker) routing(f *face) routing {
	v := &w.v
	ro := routing{inDialog: !v.To.Tag.Empty(), egress: f.index}
	for ro.strip < 2 {
		u, ok := routeURI(v, int(ro.strip))
		if !ok {
			break
		}
		i := w.e.dir.findURI(&w.tmp, u)
		if i < 0 {
			break
		}
		ro.strip++
		ro.egress = i
		ro.flowOf(w.e, u.User)
	}
	if ro.strip == 1 && ro.egress == f.index && ro.flow == w.flow {
		ro.flow = 0 // the sender's own: it leads away from here (RFC 5626 5.3.1)
	}
	u, _ := message.ParseURI(v.Get(v.URI))
	ro.ours = len(u.User) == 0 && w.e.dir.findURI(&w.tmp, u) >= 0
	return ro
}

// nextURI is the first Route left, else the Request-URI.
func (w *worker) nextURI(ro routing) message.URI {
	u, ok := routeURI(&w.v, int(ro.strip))
	if !ok {
		u, _ = message.ParseURI(w.v.Get(w.v.URI))
	}
	return u
}

// nextHop is where a request within a dialog goes: the first Route left, else the
// Request-URI (16.6 step 6). Names are not resolved on the path of a message. A
// code other than 0 is the refusal.
func (w *worker) nextHop(f *face, ro routing) (transaction.Endpoint, int, counter) {
	if ro.forged || ro.flow != 0 {
		return w.overFlow(f, ro)
	}
	u := w.nextURI(ro)
	addr, ok := literal(u.Host)
	if !ok {
		return transaction.Endpoint{}, 502, cRefusedTarget
	}
	port := u.Port
	if w.e.dir.findURI(&w.tmp, u) >= 0 {
		// It would come straight back: a loop, or a dialog that is not one.
		return transaction.Endpoint{}, 482, cRefusedLoop
	}
	egress := w.e.dir.by(ro.egress, addr, u)
	if egress < 0 {
		return transaction.Endpoint{}, 403, cRefusedTarget
	}
	if u.Port == 0 {
		port = w.e.dir.faces[egress].defaultPort()
	}
	return w.e.dir.endpoint(netip.AddrPortFrom(addr, port), egress), 0, 0
}

// inDialog forwards a request within a dialog by loose routing. It needs no
// memory of the dialog; when there is none left for a transaction either, it is
// forwarded without state rather than lost.
func (w *worker) inDialog(tx *transaction.Tx, f *face, upstream transaction.Endpoint, ro routing) {
	e, v := w.e, &w.v
	hop, code, k := w.nextHop(f, ro)
	if code != 0 {
		if ro.ours && code == 482 {
			code, k = 481, cRefusedNoDialog
		}
		if code == 430 && v.Method == message.BYE {
			e.calls.Release(w.findCall(v), call.ByeLost) // whoever was called is gone
		}
		w.refuse(upstream, code, k)
		return
	}
	if w.tooSmall(tx, upstream, true) {
		return
	}
	w.dialogRequest()
	method := v.Method
	var id call.ID
	if method == message.BYE {
		id = w.findCall(v)
	}
	if e.table.Bytes() >= e.marks.dialogBytes || !w.open(tx, method, upstream) {
		if w.needsState(method) {
			w.refuse(upstream, 503, cRefusedState)
			return
		}
		w.c.add(cWithoutState)
		e.calls.Release(id, call.Bye)
		w.forwardStateless(f, upstream, ro, hop)
		return
	}
	tx.Call = uint64(id)
	*e.slot(*tx) = slotData{strip: ro.strip}
	if w.offerMedia(*tx, f, 0, e.familyTo(f.index, int(hop.Listener))) {
		return
	}
	w.onward(tx, ro, hop, e.now())
}

// onward sends a request within a dialog, whose transaction is there, to its next hop.
func (w *worker) onward(tx *transaction.Tx, ro routing, hop transaction.Endpoint, now int64) {
	e, v := w.e, &w.v
	reply := e.table.Timers().Reply
	if !tx.Invite {
		reply = e.table.Timers().GiveUp()
	}
	hop, fits := w.overTCP(*tx, v, hop, w.pinned(ro))
	if !fits {
		w.c.add(cRefusedTooLarge)
		w.localFinal(*tx, v, 513, now)
		w.endCall(*tx, call.ByeLost)
		return
	}
	n, _ := tx.Start(now, hop, reply, e.table.Timers())
	if !w.forward(*tx, v, n) && !w.overUDP(*tx, v, now) {
		w.c.add(cTransportFailures)
		tx.Abandon()
		w.localFinal(*tx, v, unreachedCode(hop), now)
		w.endCall(*tx, call.ByeLost)
		return
	}
	w.trying(tx, tx.Upstream)
}

// trying tells the sender of an INVITE that it need not repeat it (16.2). It comes after the
// INVITE has left: from here on nobody but this proxy and those after it will see to it.
func (w *worker) trying(tx *transaction.Tx, upstream transaction.Endpoint) {
	if tx.Invite && tx.Pending() {
		w.c.add(cLocalReplies)
		w.out2 = w.appendLocal(w.out2[:0], &w.v, upstream, 100, nil)
		w.sendBack(upstream, w.out2)
	}
}

// open creates the transaction of the request being handled and stores the
// request. It reports false when there is no room; then nothing was created.
func (w *worker) open(tx *transaction.Tx, method message.Method, upstream transaction.Endpoint) bool {
	if !tx.Create(w.e.now(), method == message.INVITE) {
		return false
	}
	tx.Method, tx.Upstream = uint8(method), upstream
	if !tx.SetRequest(w.v.Bytes()) {
		tx.Free()
		return false
	}
	return true
}

// initial admits a request that starts something new and sends it on its way
// through a dispatcher set. Refusals come cheapest first.
func (w *worker) initial(tx *transaction.Tx, f *face, upstream transaction.Endpoint, ro routing) {
	e, v := w.e, &w.v
	u, _ := message.ParseURI(v.Get(v.URI))
	first := w.emergency(v, u)
	if k := w.closed(tx, first); k != 0 {
		w.refuse(upstream, 503, k)
		return
	}
	if !first && w.tooSmall(tx, upstream, false) {
		return
	}
	method := v.Method
	var id call.ID
	if method == message.INVITE {
		var ok bool
		if id, ok = w.admit(f, upstream, first); !ok {
			return
		}
	}
	d := slotData{routed: true, strip: ro.strip}
	if !e.choose(&d, f, upstream.AddrPort().Addr(), w.called(u)) {
		w.refuseCall(id, 404)
		w.refuse(upstream, 404, cRefusedNoRoute)
		return
	}
	if !w.open(tx, method, upstream) {
		w.refuseCall(id, 503)
		w.refuse(upstream, 503, cRefusedState)
		return
	}
	tx.Call = uint64(id)
	*e.slot(*tx) = d
	if e.forked(&d) {
		tx.SetForked()
	}
	if method == message.INVITE && e.media != nil && w.offerMedia(*tx, f, id, e.familyOf(&d, f.index)) {
		return
	}
	w.nextAttempt(*tx, v, failure{}, e.now())
	w.trying(tx, upstream)
}

// admit takes a new call under the limits that it belongs to and registers it; from then
// on the call's release gives everything back. Otherwise it has been refused.
//
// No limit refuses an emergency call; what it takes, others do not get.
func (w *worker) admit(f *face, upstream transaction.Endpoint, first bool) (call.ID, bool) {
	e, v := w.e, &w.v
	clock := int64(e.clock())
	src := upstream.AddrPort().Addr()
	var held limit.Held
	if first {
		var room bool
		if held, room = e.limits.AdmitAny(clock, f.index, src); !room {
			w.c.add(cEmergencyPassed)
		}
	} else {
		var refusal *limit.Refusal
		var why limit.Why
		if held, refusal, why = e.limits.Admit(clock, f.index, src); why != limit.Admitted {
			w.c.add(refusedBy[why])
			w.limited(upstream, refusal)
			return 0, false
		}
	}
	w.beginRecord(f, upstream, first)
	id, ok := e.calls.RegisterWith(w.callKey(v, v.Get(v.From.Tag)), clock, uint64(held), w.keeper())
	if !ok {
		e.limits.Release(held)
		w.refuse(upstream, 503, cRefusedState)
		return 0, false
	}
	w.c.add(cCalls)
	return id, true
}

// refusedBy counts what limits refuse.
var refusedBy = [...]counter{limit.Crowded: cRefusedConcurrent, limit.TooFast: cRefusedRate, limit.NoRoom: cRefusedState}

// limited tells the request being handled what the limit that refuses it has to say.
func (w *worker) limited(to transaction.Endpoint, r *limit.Refusal) {
	w.c.add(cLocalReplies)
	var extra []byte
	switch r.Code { // RFC 3261 section 20.33
	case 404, 413, 480, 486, 500, 503, 600, 603:
		extra = w.e.retryAfter
	}
	w.out = w.appendReason(w.out[:0], &w.v, to, r.Code, r.Reason, extra)
	w.sendBack(to, w.out)
}

// findCall finds the call a BYE ends: its sender is the caller or the callee.
func (w *worker) findCall(v *message.View) call.ID {
	if id, ok := w.e.calls.Ending(w.callKey(v, v.Get(v.From.Tag))); ok {
		w.recordBye(id, record.Caller)
		return id
	}
	id, ok := w.e.calls.Ending(w.callKey(v, v.Get(v.To.Tag)))
	if ok {
		w.recordBye(id, record.Callee)
	}
	return id
}

// recorded reports whether a new request of this method creates a dialog whose
// later requests must come through here.
func recorded(m message.Method) bool {
	return m == message.INVITE || m == message.SUBSCRIBE || m == message.REFER
}
