package engine

import (
	"trunkline/proxy/call"
	"trunkline/proxy/limit"
	"trunkline/proxy/transaction"
)

// RecoveredStats say what was found of a process before this one.
type RecoveredStats struct {
	// Generation is how many processes there were before this one.
	Generation   uint64 `json:"generation"`
	Transactions int    `json:"transactions"` // that went on
	Calls        int    `json:"calls"`        // that went on
	// Restored are the transactions that were being changed when the process ended, which
	// are as before that.
	Restored int `json:"restored"`
	// Dropped are transactions that made no sense: their memory was damaged.
	Dropped int `json:"dropped"`
	// Broken are calls that had just been let in and whose INVITE is not known: its sender
	// repeats it.
	Broken int `json:"broken"`
}

// recover goes on with the transactions and calls of the process before this one. What can be
// counted is not taken from it but counted: places under the limit and at destinations are
// those that the calls hold.
//
// Its connections ended with it: what was sent over one and not answered moves on, as if
// the connection had just been lost. The times of replies that are awaited are not measured,
// for nobody received them.
func (e *Engine) recover() {
	now := e.now()
	t := e.table.Recover(now)
	r := RecoveredStats{Generation: e.arena.Generation(), Restored: t.Restored, Dropped: t.Dropped}
	e.calls.Recover()
	e.recoverRecords()
	e.recoverDialogs()
	e.limits.Recover()
	begun := map[call.ID]bool{} // calls whose INVITE is under way
	e.table.Each(func(tx transaction.Tx) bool {
		return e.recoverTransaction(tx, now, begun)
	})
	r.Transactions = e.table.Live()
	var broken, live []call.ID
	e.calls.Each(func(id call.ID, h call.Holds) {
		live = append(live, id)
		e.limits.Return(limit.Held(h.Limits))
		for _, d := range h.Destinations {
			if d != call.NoDestination {
				e.dests[d].Return()
			}
		}
		if h.Answered == 0 && !begun[id] {
			broken = append(broken, id)
		}
	})
	e.recoverMedia(live)
	for _, id := range broken {
		e.calls.Release(id, call.Broken)
	}
	r.Calls, r.Broken = int(e.calls.Live()), len(broken)
	e.recovered = r
}

func (e *Engine) recoverTransaction(tx transaction.Tx, now int64, begun map[call.ID]bool) bool {
	// The number of a connection that ended may be another's by now.
	if tx.Upstream.Flow() != 0 {
		tx.Upstream = tx.Upstream.WithFlow(transaction.GoneFlow)
	}
	for n := range tx.Tried() {
		if to := &tx.Attempts[n].To; to.Flow() != 0 {
			*to = to.WithFlow(transaction.GoneFlow)
		}
	}
	e.slot(tx).sent = 0
	e.slot(tx).media &= mediaOffered // what waited is gone
	if tx.Forked {
		f := e.fork(tx)
		for n := range f.at {
			f.at[n].sent = 0
		}
	}
	if !tx.Pending() {
		return false
	}
	if tx.Request() == nil || tx.Tried() == 0 { // never sent, nor was its sender told anything
		tx.Free()
		return true
	}
	if tx.Invite && tx.Call != 0 {
		begun[call.ID(tx.Call)] = true
	}
	for n := range tx.Tried() {
		if to := tx.Attempts[n].To; to.Reliable {
			e.lost.add(e.dir.connection(to))
		}
	}
	return false
}
