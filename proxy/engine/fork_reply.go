package engine

import (
	"math"

	"trunkline/proxy/call"
	"trunkline/proxy/limit"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// forkReply does what a reply to one attempt calls for.
func (w *worker) forkReply(tx transaction.Tx, n, code int) {
	e, now := w.e, w.e.now()
	if n >= tx.Tried() {
		w.c.add(cRetransmissionsAbsorbed)
		return
	}
	at := &e.fork(tx).at[n]
	first, ended := !tx.BranchReplied(n), tx.BranchEnded(n)
	act := tx.BranchReply(now, n, code)
	if first {
		e.measuredBranch(at)
		e.sets.Report(e.dests[at.dest].Destination, int(at.slot), true)
	}
	if act&transaction.Ack != 0 {
		w.sendAck(tx, n)
	}
	if code >= 300 && !ended && act&transaction.Ended == 0 {
		w.partBranch(tx, n)
	}
	switch {
	case act&transaction.Final != 0:
		w.forkAnswered(tx, n, code, now)
	case act&transaction.Ended != 0:
		w.branchRefused(tx, n, code, now)
	case act&transaction.Relay != 0:
		w.relay(tx, code < 200)
		if code >= 200 && !ended {
			w.answeredToo(tx, n)
		}
	case act == 0:
		w.c.add(cRetransmissionsAbsorbed)
	}
	if act&transaction.Cancel != 0 {
		w.cancelBranch(tx, n, now)
	}
}

// forkAnswered relays the first 2xx, which is being handled, and cancels the rest.
func (w *worker) forkAnswered(tx transaction.Tx, n, code int, now int64) {
	w.writeRelay(tx, !tx.Invite)
	w.dialogAnswered(tx)
	tx.Complete(now, code, w.e.table.Timers())
	if tx.Invite {
		tx.DropResponse()
		if tx.Call != 0 {
			w.c.add(cAnswered)
			w.e.calls.Answer(call.ID(tx.Call), int64(w.e.clock()))
			w.recordAnswer(call.ID(tx.Call), code, w.e.fork(tx).at[n].dest)
		}
	}
	tx.Commit()
	w.sendBack(tx.Upstream, w.out)
	if tx.Invite {
		w.cancelRest(tx, now)
	}
}

// answeredToo registers the dialog of a further 2xx, which its caller ends with a BYE
// of its own (13.2.2.4), as a call beside the first as long as there is room.
func (w *worker) answeredToo(tx transaction.Tx, n int) {
	e := w.e
	held, ok := e.calls.Limits(call.ID(tx.Call))
	if tx.Call == 0 || !ok || !e.limits.Again(limit.Held(held)) {
		return
	}
	w.beginRecordAgain(tx)
	id, ok := e.calls.RegisterWith(w.callKey(&w.v, w.v.Get(w.v.From.Tag)), int64(e.clock()), held, w.keeper())
	if !ok {
		e.limits.Release(limit.Held(held))
		return
	}
	w.c.add(cCalls)
	w.c.add(cAnswered)
	e.calls.Answer(id, int64(e.clock()))
	w.recordAnswer(id, w.v.Status(), e.fork(tx).at[n].dest)
	w.keepDialog(tx, id)
	dest := int32(e.fork(tx).at[n].dest)
	if e.calls.Part(call.ID(tx.Call), dest) && !e.calls.Join(id, dest) {
		e.dests[dest].Leave()
	}
}

// branchRefused judges the first final reply of an attempt, no 2xx, which is being
// handled.
func (w *worker) branchRefused(tx transaction.Tx, n, code int, now int64) {
	e, f := w.e, w.e.fork(tx)
	dest := f.at[n].dest
	if !tx.Cancelled && e.dests[dest].Set().Failover().Matches(code) {
		w.failedOver(tx, w.storedRequest(tx), n, failure{dest: dest, reason: reasonCode, code: uint16(code)}, now)
	} else {
		w.partBranch(tx, n)
		f.decided = true
		w.keepBest(tx, code)
		if code >= 600 {
			tx.CloseFork()
			w.cancelRest(tx, now)
		}
	}
	w.waveOver(tx, now)
}

// waveOver goes on once all attempts of a wave have ended.
func (w *worker) waveOver(tx transaction.Tx, now int64) {
	if !tx.Pending() || tx.LiveBranches() > 0 {
		return
	}
	if f := w.e.fork(tx); !f.decided && !tx.Cancelled {
		w.c.add(cFailovers)
		w.nextWave(tx, w.storedRequest(tx), f.failed, now)
		return
	}
	w.answerBest(tx, now)
}

// maxReply is the largest reply made of several, bytes.
const maxReply = math.MaxUint16 - 2048

// keepBest keeps the refusal being handled, as it would be relayed, when it is better
// than the best so far. Challenges are gathered (16.7 step 7).
func (w *worker) keepBest(tx transaction.Tx, code int) {
	gather := transaction.Challenge(code) && transaction.Challenge(tx.BestCode()) && tx.Best() != nil
	if !gather && !tx.Better(code, false) {
		return
	}
	w.out2 = w.applyPolicy(message.AppendResponse(w.out2[:0], &w.v, &message.ResponseEdits{RemoveTopVia: true}))
	w.countChanges()
	msg := w.out2
	if gather {
		w.out = message.AppendWithChallenges(w.out[:0], tx.Best(), w.out2)
		if msg, code = w.out, tx.BestCode(); len(msg) > maxReply {
			return
		}
	}
	if !tx.SetBest(code, msg) {
		w.c.add(cNotStored)
	}
}

// answerBest sends the best refusal to the caller and ends what it ends. Without any,
// nobody replied in time.
func (w *worker) answerBest(tx transaction.Tx, now int64) {
	code, msg := tx.BestCode(), tx.Best()
	switch {
	case code == 0 || msg == nil && code == 408:
		w.giveUp(tx, now)
	case msg == nil:
		w.localFinal(tx, w.storedRequest(tx), code, now)
		w.endCall(tx, cause(tx, call.Exhausted))
	default:
		w.c.add(cForwardedReplies)
		tx.RespondBest() // msg stays where it is
		tx.Complete(now, code, w.e.table.Timers())
		w.final = code
		w.endCall(tx, cause(tx, call.Rejected))
		tx.Commit()
		w.sendBack(tx.Upstream, msg)
	}
}
