package engine

import (
	"sync"

	"trunkline/proxy/call"
	"trunkline/proxy/transaction"
)

// lostConnections are the endpoints whose connection could not be made or ended: what was
// sent there and not answered is lost (RFC 3261 17.1.4, 18.4). Connections add to it; the
// goroutine of the timers moves the requests on, all that wait in one look at the table.
type lostConnections struct {
	mu   sync.Mutex
	set  map[transaction.Endpoint]struct{}
	wake chan struct{}
}

func newLostConnections() *lostConnections {
	return &lostConnections{set: map[transaction.Endpoint]struct{}{}, wake: make(chan struct{}, 1)}
}

func (l *lostConnections) add(ep transaction.Endpoint) {
	l.mu.Lock()
	l.set[ep] = struct{}{}
	l.mu.Unlock()
	select {
	case l.wake <- struct{}{}:
	default: // awake already
	}
}

func (l *lostConnections) take() map[transaction.Endpoint]struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.set) == 0 {
		return nil
	}
	s := l.set
	l.set = map[transaction.Endpoint]struct{}{}
	return s
}

// moveLost moves on what waits for a first reply over a connection that is no more. A
// destination that replied goes on: it may make a connection of its own.
// It reports whether it looked, which visits the whole table.
func (w *worker) moveLost() bool {
	lost := w.e.lost.take()
	if len(lost) == 0 {
		return false
	}
	w.e.table.Each(func(tx transaction.Tx) bool {
		if tx.Forked {
			return w.forkLost(tx, lost, w.e.now())
		}
		if !tx.Pending() || tx.Tried() == 0 || tx.Replied() {
			return false
		}
		if _, ok := lost[w.e.dir.connection(tx.Attempts[tx.Current()].To)]; !ok {
			return false
		}
		w.connectionLost(tx, w.e.now())
		return true
	})
	return true
}

func (w *worker) connectionLost(tx transaction.Tx, now int64) {
	if w.e.slot(tx).bye != 0 {
		w.byeLost(tx)
		return
	}
	if w.overUDP(tx, w.storedRequest(tx), now) {
		return
	}
	w.c.add(cTransportFailures)
	d := w.e.slot(tx)
	w.unreachable(tx, d)
	tx.Abandon()
	switch {
	case tx.Cancelled:
		w.giveUp(tx, now)
	case d.routed && w.e.failover(d).OnTimeout:
		w.c.add(cFailovers)
		w.nextAttempt(tx, w.storedRequest(tx), failure{dest: d.dest, reason: reasonTransport}, now)
	default:
		w.localFinal(tx, w.storedRequest(tx), unreachedCode(tx.Attempts[tx.Current()].To), now)
		cause := call.Exhausted
		if !tx.Invite {
			cause = call.ByeLost
		}
		w.endCall(tx, cause)
	}
}
