package engine

import (
	"context"
	"time"

	"trunkline/proxy/call"
	"trunkline/proxy/transaction"
)

// tick is how often timers are looked at.
const tick = 10 * time.Millisecond

// expireEvery is how often calls past their lifetime are looked for.
const expireEvery = time.Second

// runTimers turns the wheels until ctx ends. It is one goroutine, so that timers
// never wait for messages, with scratch memory of its own.
func (e *Engine) runTimers(ctx context.Context) {
	w := e.timerWorker
	t := time.NewTicker(tick)
	defer t.Stop()
	fire, sweep := w.fire, newSweeper(w)
	nextExpire, looked := e.firstExpire(), int64(0)
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-e.lost.wake: // at once, but no more often than every tick
		}
		now := e.now()
		if now-looked >= tick.Milliseconds() && w.moveLost() {
			looked = now
		}
		e.table.Advance(now, fire)
		sweep.turn()
		if now >= nextExpire {
			e.expireCalls()
			nextExpire = now + expireEvery.Milliseconds()
		}
	}
}

// fire does what a due timer calls for.
func (w *worker) fire(tx transaction.Tx, ev transaction.Event) {
	if ev&transaction.NoFinal != 0 && w.waits(tx) {
		w.giveUp(tx, w.e.now())
		return
	}
	if tx.Forked {
		w.fireFork(tx, ev)
		return
	}
	if w.e.slot(tx).bye != 0 {
		w.fireBye(tx, ev)
		return
	}
	now := w.e.now()
	if ev&transaction.ResendCancel != 0 {
		w.c.add(cRetransmissionsSent)
		w.writeCancel(tx, tx.CancelTo())
	}
	if ev&transaction.ResendRequest != 0 {
		w.c.add(cRetransmissionsSent)
		w.forward(tx, w.storedRequest(tx), tx.Current())
	}
	if ev&transaction.ResendResponse != 0 {
		w.resendResponse(tx)
	}
	if ev&transaction.NoReply != 0 {
		w.noReply(tx, now)
	}
	if ev&transaction.NoFinal != 0 {
		w.noFinal(tx, now)
	}
}

// resendResponse sends the last response again: timer G.
func (w *worker) resendResponse(tx transaction.Tx) {
	if r := tx.Response(); r != nil {
		w.c.add(cRetransmissionsSent)
		w.sendBack(tx.Upstream, r)
	}
}

// noReply handles a destination that said nothing at all.
func (w *worker) noReply(tx transaction.Tx, now int64) {
	w.c.add(cLocalTimeouts)
	d := w.e.slot(tx)
	w.e.destinationSilent(d)
	tx.Abandon()
	if d.routed && !tx.Cancelled && w.e.failover(d).OnTimeout {
		w.c.add(cFailovers)
		w.nextAttempt(tx, w.storedRequest(tx), failure{dest: d.dest, reason: reasonSilent}, now)
		return
	}
	w.giveUp(tx, now)
}

// noFinal handles timer C, and timer F of other requests.
func (w *worker) noFinal(tx transaction.Tx, now int64) {
	d := w.e.slot(tx)
	if !tx.Invite || tx.Cancelled {
		tx.Abandon()
		w.giveUp(tx, now)
		return
	}
	w.c.add(cTimerC)
	replied, ringing := tx.Replied(), tx.Ringing()
	tx.Abandon()
	if replied {
		w.sendCancel(tx, tx.Current(), now)
	}
	// A destination that said 100 and no more has taken the call nowhere: the next
	// one may. One that rang has a callee who does not answer.
	if d.routed && replied && !ringing && w.e.failover(d).OnTimeout && tx.Extend(now, w.e.table.Timers()) {
		w.c.add(cLocalTimeouts)
		w.c.add(cFailovers)
		w.e.destinationSilent(d)
		w.nextAttempt(tx, w.storedRequest(tx), failure{dest: d.dest, reason: reasonUnanswered}, now)
		return
	}
	w.giveUp(tx, now)
}

// giveUp ends a transaction that got no final reply: 487 to a caller who
// cancelled, 408 to another. A request other than INVITE gets no 408, for its
// sender has timed out as well (RFC 4320 4.2).
func (w *worker) giveUp(tx transaction.Tx, now int64) {
	if !tx.Invite {
		w.c.add(cDroppedUnanswered)
		w.endCall(tx, call.ByeLost)
		tx.Free()
		return
	}
	code := 408
	if tx.Cancelled {
		code = 487
	}
	w.localFinal(tx, w.storedRequest(tx), code, now)
	w.endCall(tx, cause(tx, call.Timeout))
}
