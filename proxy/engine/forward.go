package engine

import (
	"trunkline/proxy/call"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// nextAttempt sends a routed request to the next target or destination after one failed,
// or to its first. It goes on past destinations that are full or cannot be sent to; when
// none is left, the transaction ends here.
func (w *worker) nextAttempt(tx transaction.Tx, req *message.View, failed failure, now int64) {
	if tx.Forked {
		w.nextWave(tx, req, failed, now)
		return
	}
	e := w.e
	d := e.slot(tx)
	failed.at(tx)
	for {
		next, full, ok := e.onward(d, failed, req, tx.Call != 0)
		if full != nil {
			w.c.add(cDestinationFull)
		}
		if !ok {
			if full != nil && failed.reason == reasonNone {
				failed = failure{dest: uint16(full.Index), reason: reasonFull}
			}
			break
		}
		to, fits := w.overTCP(tx, req, next.to, next.dest.pinned)
		n, ok := tx.Start(now, to, e.table.Timers().Reply, e.table.Timers())
		if !ok {
			if tx.Call != 0 && !next.again {
				next.dest.Leave()
			}
			break
		}
		if !next.again {
			e.moveCall(call.ID(tx.Call), next.dest.Index)
		}
		next.dest.attempts.Add(1)
		if failed.reason != reasonNone || e.tellChoices {
			w.note(failed, next, tx.Tried(), req)
		}
		d.sent = 0
		if tx.Invite && !e.dir.stoodIn(to) { // making a connection is no latency of the destination
			d.sent = e.microseconds()
		}
		if fits && (w.forward(tx, req, n) || w.overUDP(tx, req, now)) {
			return
		}
		d.sent = 0 // it never went
		failed = failure{dest: d.dest, reason: reasonTransport}
		if fits {
			w.c.add(cTransportFailures)
			w.unreachable(tx, d)
		} else {
			failed.reason = reasonTooLong
			e.destinationRefused(d)
		}
		tx.Abandon()
		failed.at(tx)
		if !e.failover(d).OnTimeout {
			break
		}
		w.c.add(cFailovers)
	}
	w.exhausted(tx, req, failed, now)
}

// exhausted ends a transaction for which no destination is left.
func (w *worker) exhausted(tx transaction.Tx, req *message.View, failed failure, now int64) {
	w.note(failed, hop{}, tx.Tried(), req)
	w.c.add(cExhausted)
	code := 503
	if failed.reason == reasonTooLong {
		code = 513
	}
	w.localFinal(tx, req, code, now)
	w.endCall(tx, call.Exhausted)
}

// forward writes a request for one of its attempts and sends it. The same bytes
// come out each time, so a retransmission needs no copy of what was sent.
func (w *worker) forward(tx transaction.Tx, req *message.View, attempt int) bool {
	w.out = w.appendForward(w.out[:0], tx, req, attempt)
	w.c.add(cForwardedRequests)
	w.countChanges()
	tx.Commit()
	return w.sendTo(tx.Attempts[attempt].To, w.out)
}

// appendForward writes a request as an attempt sends it (16.6); dst is empty.
func (w *worker) appendForward(dst []byte, tx transaction.Tx, req *message.View, attempt int) []byte {
	return w.appendForwardTo(dst, tx, req, attempt, tx.Attempts[attempt].To)
}

// appendForwardTo is appendForward for an attempt that need not have begun.
func (w *worker) appendForwardTo(dst []byte, tx transaction.Tx, req *message.View, attempt int, to transaction.Endpoint) []byte {
	e := w.e
	d := e.slot(tx)
	w.via = append(w.via[:0], e.dir.faces[e.dir.exit(to)].viaHead...)
	w.via = w.appendViaEnd(e.table.AppendBranch(w.via, tx.ID(attempt)), tx.Upstream)
	ed := edits(req, tx.Upstream, d.strip)
	if !d.routed {
		strictHop(&ed, req, d.strip)
	}
	if d.rule != 0 {
		ed.URI = w.renumbered(req, d.rule)
	}
	ed.Via = w.via
	if d.routed && recorded(message.Method(tx.Method)) {
		ed.RecordRoute = w.recordRoutes(req, tx.Upstream, to)
	}
	if e.session != nil && refreshes(req.Method) {
		w.askSession(req, &ed)
	}
	return w.applyPolicy(message.AppendRequest(dst, req, &ed))
}

// forwardStateless forwards the request being handled without remembering it.
func (w *worker) forwardStateless(f *face, upstream transaction.Endpoint, ro routing, hop transaction.Endpoint) {
	e, v := w.e, &w.v
	w.key = append(w.key[:0], v.Get(v.Via.Branch)...)
	w.key = append(w.key, 0)
	w.key = append(w.key, v.Get(v.CallID)...)
	w.key = append(w.key, 0)
	w.key = append(w.key, v.Get(v.From.Tag)...)
	// CANCEL and the ACK of a non-2xx must get the branch their INVITE got (16.11);
	// the ACK of a 2xx differs from it in the branch it came with.
	w.key = append(w.key, byte(transactionMethod(v.Method)))
	sum := e.table.Hash().Sum(w.key)
	w.out = w.appendStateless(w.out[:0], f, upstream, ro, hop, sum)
	if !hop.Reliable && e.long.limit > 0 && len(w.out) > e.long.limit {
		to, fits := w.transport(len(w.out), hop, w.pinned(ro))
		switch {
		case !fits && v.Method == message.ACK:
			w.c.add(cDroppedAck)
			return
		case !fits:
			w.refuse(upstream, 513, cRefusedTooLarge)
			return
		case to != hop:
			hop = to
			w.out = w.appendStateless(w.out[:0], f, upstream, ro, hop, sum)
		}
	}
	w.c.add(cStatelessRequests)
	w.countChanges()
	w.sendTo(hop, w.out)
}

func (w *worker) appendStateless(dst []byte, f *face, upstream transaction.Endpoint, ro routing, hop transaction.Endpoint, sum uint64) []byte {
	w.via = append(w.via[:0], w.e.dir.faces[w.e.dir.exit(hop)].viaHead...)
	w.via = w.appendViaEnd(w.e.table.AppendStatelessBranch(w.via, sum, f.index), upstream)
	ed := edits(&w.v, upstream, ro.strip)
	strictHop(&ed, &w.v, ro.strip)
	ed.Via = w.via
	return w.applyPolicy(message.AppendRequest(dst, &w.v, &ed))
}

// storedRequest parses the request a transaction keeps.
func (w *worker) storedRequest(tx transaction.Tx) *message.View {
	// It was parsed when it came in, so it parses now.
	_ = w.stored.Parse(tx.Request())
	return &w.stored
}

// forwarded rebuilds the request of an attempt as it was sent, for what must
// repeat parts of it. It reports false when the request is no longer kept.
func (w *worker) forwarded(tx transaction.Tx, attempt int) bool {
	if tx.Request() == nil {
		return false
	}
	w.out2 = w.appendForward(w.out2[:0], tx, w.storedRequest(tx), attempt)
	return w.built.Parse(w.out2) == nil
}

// sendAck acknowledges the non-2xx final reply being handled (17.1.1.3).
func (w *worker) sendAck(tx transaction.Tx, attempt int) {
	if !w.forwarded(tx, attempt) {
		return
	}
	w.out = message.AppendAckFor(w.out[:0], &w.built, &w.v)
	w.sendTo(tx.Attempts[attempt].To, w.out)
}

// sendCancel cancels an attempt and starts the timers of the CANCEL.
func (w *worker) sendCancel(tx transaction.Tx, attempt int, now int64) {
	tx.CancelSent(now, attempt, w.e.table.Timers())
	tx.Commit()
	w.writeCancel(tx, attempt)
}

func (w *worker) writeCancel(tx transaction.Tx, attempt int) {
	if !w.forwarded(tx, attempt) {
		return
	}
	w.out = message.AppendCancel(w.out[:0], &w.built)
	w.sendTo(tx.Attempts[attempt].To, w.out)
}

// transactionMethod is the method of the transaction a request belongs to.
func transactionMethod(m message.Method) message.Method {
	if m == message.ACK || m == message.CANCEL {
		return message.INVITE
	}
	return m
}

// serverKey is the key of the server transaction a request belongs to (17.2.3).
func (w *worker) serverKey(v *message.View) uint64 {
	m := transactionMethod(v.Method)
	name := m.String()
	branch := v.Get(v.Via.Branch)
	if m == message.MethodOther {
		name = string(v.Get(v.MethodText))
	}
	if len(branch) > len(cookie) && string(branch[:len(cookie)]) == cookie {
		return w.e.table.ServerKey(&w.key, branch, v.Get(v.Via.Host), v.Via.Port, name)
	}
	return w.e.table.LegacyKey(&w.key, name, v.CSeq, v.Get(v.URI), v.Get(v.From.Tag), v.Get(v.CallID), v.Get(v.Via.Value))
}

// cookie begins the branch of every sender that follows RFC 3261.
const cookie = "z9hG4bK"

// callKey is the key of the call whose caller has this tag.
func (w *worker) callKey(v *message.View, tag []byte) uint64 {
	w.key = append(w.key[:0], v.Get(v.CallID)...)
	w.key = append(w.key, 0)
	w.key = append(w.key, tag...)
	return w.e.callHash.Sum(w.key)
}
