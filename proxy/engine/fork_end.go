package engine

import (
	"trunkline/proxy/call"
	"trunkline/proxy/transaction"
)

// cancelFork handles a CANCEL of the caller: all attempts are cancelled, each as soon
// as that is allowed.
func (w *worker) cancelFork(tx transaction.Tx) {
	now := w.e.now()
	if !tx.CancelFork(now) {
		return
	}
	w.c.add(cCancelled)
	w.cancelRest(tx, now)
}

// cancelRest cancels every attempt under way that has replied.
func (w *worker) cancelRest(tx transaction.Tx, now int64) {
	for n := range tx.Tried() {
		if tx.MayCancel(n) {
			w.cancelBranch(tx, n, now)
		}
	}
}

func (w *worker) cancelBranch(tx transaction.Tx, n int, now int64) {
	tx.BranchCancelled(now, n)
	tx.Commit()
	w.writeCancel(tx, n)
}

// partBranch gives back the place a call has at the destination of an attempt.
func (w *worker) partBranch(tx transaction.Tx, n int) {
	dest := w.e.fork(tx).at[n].dest
	if tx.Call != 0 && w.e.calls.Part(call.ID(tx.Call), int32(dest)) {
		w.e.dests[dest].Leave()
	}
}

// fireFork does what the due timers of a forked transaction call for.
func (w *worker) fireFork(tx transaction.Tx, ev transaction.Event) {
	now := w.e.now()
	if ev&transaction.ResendResponse != 0 {
		w.resendResponse(tx)
	}
	for {
		n, due := tx.NextDue(now)
		if due == 0 {
			break
		}
		switch due {
		case transaction.ResendCancel:
			w.c.add(cRetransmissionsSent)
			w.writeCancel(tx, n)
		case transaction.ResendRequest:
			w.c.add(cRetransmissionsSent)
			w.forward(tx, w.storedRequest(tx), n)
		case transaction.NoReply:
			w.c.add(cLocalTimeouts)
			w.branchFailed(tx, w.storedRequest(tx), n, reasonSilent, now)
			w.waveOver(tx, now)
		case transaction.NoFinal:
			w.branchUnfinished(tx, n)
			w.waveOver(tx, now)
		}
	}
	if ev&transaction.NoFinal != 0 && tx.State != transaction.Free && tx.Pending() {
		w.forkTimeout(tx, now)
	}
}

// branchUnfinished handles an attempt that replied and did not end: 64*T1 after its
// CANCEL, which counts as its end (9.1), or by timer F.
func (w *worker) branchUnfinished(tx transaction.Tx, n int) {
	w.partBranch(tx, n)
	if tx.Pending() && !tx.Cancelled {
		w.refusedBy(tx, 408)
	}
}

// forkTimeout handles timer C, and timer F of other requests, for all attempts at
// once. As for one destination, the call goes on when no callee was alerted, and each
// attempt that replied is cancelled.
func (w *worker) forkTimeout(tx transaction.Tx, now int64) {
	e, f := w.e, w.e.fork(tx)
	timerC := tx.Invite && !tx.Closing()
	if timerC {
		w.c.add(cTimerC)
	}
	var why [transaction.MaxAttempts]reason
	tried := tx.Tried()
	for n := range tried {
		if tx.BranchEnded(n) {
			continue
		}
		why[n] = reasonSilent
		if tx.BranchReplied(n) {
			why[n] = reasonUnanswered
		}
		may := tx.MayCancel(n)
		tx.EndBranch(now, n)
		if may {
			w.cancelBranch(tx, n, now)
		}
		if !timerC || tx.BranchRinging(n) {
			w.partBranch(tx, n)
			why[n] = reasonNone
		}
		if timerC && tx.BranchRinging(n) {
			w.refusedBy(tx, 408)
		}
		if !e.dests[f.at[n].dest].Set().Failover().OnTimeout {
			f.decided = true
		}
	}
	more := timerC && !f.decided && tx.Extend(now, e.table.Timers())
	if !more {
		tx.CloseFork()
	}
	for n := range tried {
		if why[n] != reasonNone {
			w.branchFailed(tx, w.storedRequest(tx), n, why[n], now)
		}
	}
	switch {
	case !more:
		w.answerBest(tx, now)
	case tx.LiveBranches() == 0: // no destination has another target
		w.c.add(cLocalTimeouts)
		w.c.add(cFailovers)
		w.nextWave(tx, w.storedRequest(tx), f.failed, now)
	}
}

// forkLost ends the attempts that wait for a first reply over a connection that is no
// more. It reports whether there was one.
func (w *worker) forkLost(tx transaction.Tx, lost map[transaction.Endpoint]struct{}, now int64) bool {
	found := false
	for n := range tx.Tried() {
		if _, ok := lost[w.e.dir.connection(tx.Attempts[n].To)]; ok && !tx.BranchReplied(n) {
			w.branchLost(tx, w.storedRequest(tx), n, now)
			found = true
		}
	}
	if found {
		w.waveOver(tx, now)
	}
	return found
}
