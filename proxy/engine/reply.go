package engine

import (
	"bytes"
	"net/netip"

	"trunkline/proxy/call"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// reply handles a received reply: its top Via must be ours, and the branch in it
// says whose it is.
func (w *worker) reply(f *face, src netip.AddrPort) {
	e, v := w.e, &w.v
	branch := v.Get(v.Via.Branch)
	if bytes.HasPrefix(branch, probePrefix) {
		w.c.add(cProbeReplies)
		e.prober.Deliver(f.name, v.Bytes(), src)
		return
	}
	if e.dir.find(&w.tmp, v.Get(v.Via.Host), v.Via.Port) < 0 {
		w.c.add(cDroppedNotOurs)
		return
	}
	id, kind := e.table.ParseBranch(branch)
	switch kind {
	case transaction.Foreign:
		w.c.add(cDroppedForged)
		return
	case transaction.Stateless:
		if !w.lateMedia() {
			w.statelessReply(id)
		}
		return
	}
	tx, ok := e.table.LockID(id)
	if !ok {
		w.lateReply(id)
		return
	}
	defer tx.Unlock()
	code, method := v.Status(), v.CSeqMethod
	if method == message.CANCEL && tx.Invite {
		if code >= 200 {
			tx.OnCancelReply(id.Attempt())
		}
		return
	}
	if uint8(method) != tx.Method {
		w.c.add(cDroppedStale)
		return
	}
	if w.replyMedia(tx, f, src, code) {
		return
	}
	w.onReply(tx, id.Attempt(), code)
}

// lateReply handles a reply to a transaction that is gone. A 2xx must still reach
// the caller; a final non-2xx to an INVITE has been answered for, and forwarding
// it would only confuse.
func (w *worker) lateReply(id transaction.ID) {
	method := w.v.CSeqMethod
	if method == message.CANCEL || w.v.Status() < 200 || (method == message.INVITE && w.v.Status() >= 300) {
		w.c.add(cDroppedStale)
		return
	}
	if !w.lateMedia() {
		w.statelessReply(id)
	}
}

// onReply lets the state machine judge a reply and does what it says.
func (w *worker) onReply(tx transaction.Tx, attempt, code int) {
	if w.e.slot(tx).bye != 0 {
		w.byeReply(tx, attempt, code)
		return
	}
	if tx.Forked {
		w.forkReply(tx, attempt, code)
		return
	}
	now := w.e.now()
	d := w.e.slot(tx)
	first := !tx.Replied() && attempt == tx.Current()
	act := tx.OnReply(now, attempt, code, w.e.table.Timers())
	if first && tx.Replied() {
		w.e.destinationAlive(d)
	}
	if act&transaction.Ack != 0 {
		w.sendAck(tx, attempt)
	}
	if act&transaction.Cancel != 0 {
		w.sendCancel(tx, attempt, now)
	}
	if act&transaction.CancelCurrent != 0 {
		w.sendCancel(tx, tx.Current(), now)
	}
	if act == 0 {
		w.c.add(cRetransmissionsAbsorbed)
		return
	}
	if act&transaction.Final == 0 {
		if act&transaction.Relay != 0 {
			w.relay(tx, code < 200)
		}
		return
	}
	if !tx.Cancelled && d.routed && w.e.failover(d).Matches(code) {
		w.c.add(cFailovers)
		w.e.destinationRefused(d)
		w.nextAttempt(tx, w.storedRequest(tx), failure{dest: d.dest, reason: reasonCode, code: uint16(code)}, now)
		return
	}
	w.finalReply(tx, code, now)
}

// finalReply relays the final reply being handled and ends what it ends, this before that:
// what the caller has seen is what a process after this one knows.
func (w *worker) finalReply(tx transaction.Tx, code int, now int64) {
	success := code < 300
	w.writeRelay(tx, !tx.Invite || !success)
	if success {
		w.dialogAnswered(tx)
	}
	tx.Complete(now, code, w.e.table.Timers())
	w.final = code
	switch {
	case tx.Invite && success:
		// Nothing will be built from the request any more, unless an abandoned
		// destination still has to be cancelled; a repeated INVITE is absorbed.
		if tx.Tried() == 1 {
			tx.DropRequest()
		}
		tx.DropResponse()
		if tx.Call != 0 {
			w.c.add(cAnswered)
			w.e.calls.Answer(call.ID(tx.Call), int64(w.e.clock()))
			w.recordAnswer(call.ID(tx.Call), code, w.lastDestination(tx))
		}
	case tx.Invite:
		w.endCall(tx, cause(tx, call.Rejected))
	default:
		tx.DropRequest()
		// A challenged BYE will come again; the call goes on until it does.
		if code != 401 && code != 407 {
			w.endCall(tx, call.Bye)
		}
	}
	tx.Commit()
	w.sendBack(tx.Upstream, w.out)
}

// cause is how a call ended that its caller may have cancelled.
func cause(tx transaction.Tx, otherwise call.Cause) call.Cause {
	if tx.Cancelled {
		return call.Cancelled
	}
	return otherwise
}

// endCall releases the call of a transaction, if it has one.
func (w *worker) endCall(tx transaction.Tx, c call.Cause) {
	if tx.Call != 0 {
		w.recordFinal(tx)
		w.e.calls.Release(call.ID(tx.Call), c)
		tx.Call = 0
	}
}

// relay sends the reply being handled upstream without our Via, and keeps it when
// a repeated request is to get it again.
func (w *worker) relay(tx transaction.Tx, keep bool) {
	w.writeRelay(tx, keep)
	tx.Commit()
	w.sendBack(tx.Upstream, w.out)
}

// writeRelay is relay without sending what it has written to out.
func (w *worker) writeRelay(tx transaction.Tx, keep bool) {
	ed := message.ResponseEdits{RemoveTopVia: true}
	if w.e.session != nil {
		w.answerSession(tx, &ed)
	}
	w.out = w.applyPolicy(message.AppendResponse(w.out[:0], &w.v, &ed))
	w.c.add(cForwardedReplies)
	w.countChanges()
	if keep && !tx.SetResponse(w.out) {
		w.c.add(cNotStored)
	}
}

// statelessReply forwards a reply by what the request left in its Via headers
// (16.11, 18.2.2): by the connection it came by, or through the listener the branch names.
func (w *worker) statelessReply(id transaction.ID) {
	w.out = w.applyPolicy(message.AppendResponse(w.out[:0], &w.v, &message.ResponseEdits{RemoveTopVia: true}))
	if err := w.built.Parse(w.out); err != nil {
		w.c.add(cDroppedNoVia)
		return
	}
	if up, ok := w.viaFlow(&w.v); ok {
		w.c.add(cStatelessReplies)
		w.countChanges()
		w.sendBack(up, w.out)
		return
	}
	to, ok := viaTarget(&w.built)
	if !ok {
		w.c.add(cDroppedNoVia)
		return
	}
	// Only addresses that may send to us get anything from us: a reply made up by
	// a peer cannot turn the proxy against a third party.
	listener := w.e.dir.toward(min(id.Listener(), len(w.e.dir.faces)-1), to.Addr())
	if listener < 0 {
		w.c.add(cDroppedTarget)
		return
	}
	w.c.add(cStatelessReplies)
	w.countChanges()
	w.send(listener, w.out, to)
}
