package engine

import (
	"trunkline/proxy/call"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// A request that a set with algorithm parallel may get is forked (RFC 3261 16.6, 16.7).
// Its sets are tried in turn as always, and each try is a wave: all destinations of a
// parallel set at once, or one of another set.
//
// The first 2xx goes to the caller at once, and so does each further one; the rest is
// cancelled. A refusal that the failover rule of its set names says nothing about the
// call: when a whole wave ended like that, the next one begins. Any other refusal is
// kept; the best of them is sent when the wave has ended, and of those a 6xx ends it.

// branchAt is where an attempt of a forked request went.
type branchAt struct {
	dest  uint16 // index of the destination
	slot  uint8  // of its target
	slots uint32 // of its targets that were tried
	sent  uint32 // when an INVITE went there, as in slotData
}

// forkData is what the engine keeps beside the slot of a forked request.
type forkData struct {
	at      [transaction.MaxAttempts]branchAt
	failed  failure // of the wave, the last
	decided bool    // the wave has a refusal that no failover takes further
}

// forks reports whether any set of a configuration forks.
func forks(sets *dispatch.Sets) bool {
	for i := range sets.Len() {
		if sets.Set(i).Parallel() {
			return true
		}
	}
	return false
}

// forked reports whether a request may be forked.
func (e *Engine) forked(d *slotData) bool {
	if e.forkSlots == nil {
		return false
	}
	for _, s := range d.sets[:d.nsets] {
		if e.sets.Set(int(s)).Parallel() {
			return true
		}
	}
	return false
}

func (e *Engine) fork(tx transaction.Tx) *forkData { return &e.forkSlots[tx.Index()] }

// pickWave chooses the destinations of the next wave from the set being tried.
func (w *worker) pickWave(d *slotData, req *message.View, isCall bool) (n int, full dispatch.Full) {
	e := w.e
	a := dispatch.Ask{Call: isCall}
	if isCall {
		a.Now = int64(e.clock())
	}
	set := e.sets.Set(int(d.sets[d.set]))
	if set.Parallel() {
		return set.PickAll(a, &d.tried, &w.wave)
	}
	a.Key = set.Key(req)
	x, busy := set.Pick(a, &d.tried)
	if busy != nil {
		full = dispatch.Full{Count: 1, Last: busy}
	}
	if x == nil {
		return 0, full
	}
	w.wave[0] = x
	return 1, full
}

// nextWave sends a forked request to the next destinations after all before them
// failed, or to its first. When none is left, the transaction ends here.
func (w *worker) nextWave(tx transaction.Tx, req *message.View, failed failure, now int64) {
	e := w.e
	d, f := e.slot(tx), e.fork(tx)
	f.failed, f.decided = failed, false
	for d.set < d.nsets {
		n, full := w.pickWave(d, req, tx.Call != 0)
		w.c.n[cDestinationFull].Add(uint64(full.Count))
		if full.Last != nil && f.failed.reason == reasonNone {
			f.failed = failure{dest: uint16(full.Last.Index), reason: reasonFull}
		}
		for _, x := range w.wave[:n] {
			w.startBranch(tx, req, e.dests[x.Index], 0, false, failed, now)
		}
		if tx.LiveBranches() > 0 {
			return
		}
		if f.decided {
			w.answerBest(tx, now)
			return
		}
		if n == 0 {
			d.set++
		} else {
			w.c.add(cFailovers)
		}
	}
	w.exhausted(tx, req, f.failed, now)
}

// startBranch sends a forked request to one destination more: to the next of its
// targets that are not in slots. A call has a place there, with again since before. It
// reports false when no target or no attempt is left.
func (w *worker) startBranch(tx transaction.Tx, req *message.View, dest *destination, slots uint32, again bool, failed failure, now int64) bool {
	e, f := w.e, w.e.fork(tx)
	at := branchAt{dest: uint16(dest.Index), slots: slots}
	t, found := dest.Next(&at.slots)
	var to transaction.Endpoint
	n, fits := 0, false
	if found {
		at.slot = uint8(t.Slot)
		to, fits = w.overTCP(tx, req, e.dir.endpoint(t.Addr, dest.listener), dest.pinned)
		n, found = tx.StartBranch(now, to, e.table.Timers().Reply)
	}
	if !found {
		if tx.Call != 0 && !again {
			dest.Leave()
		}
		return false
	}
	if tx.Invite && !e.dir.stoodIn(to) { // making a connection is no latency of the destination
		at.sent = e.microseconds()
	}
	f.at[n] = at
	if tx.Call != 0 && !again && !e.calls.Join(call.ID(tx.Call), int32(dest.Index)) {
		dest.Leave()
	}
	dest.attempts.Add(1)
	if failed.reason != reasonNone || e.tellChoices {
		w.note(failed, hop{dest: dest, to: to}, tx.Tried(), req)
	}
	switch {
	case !fits:
		f.at[n].sent = 0 // it never went
		tx.EndBranch(now, n)
		w.branchFailed(tx, req, n, reasonTooLong, now)
	case !w.forward(tx, req, n):
		f.at[n].sent = 0
		w.branchLost(tx, req, n, now)
	}
	return true
}

// branchLost ends an attempt that cannot be sent to, unless it is for UDP after all.
func (w *worker) branchLost(tx transaction.Tx, req *message.View, n int, now int64) {
	e, f := w.e, w.e.fork(tx)
	to := tx.Attempts[n].To
	tx.EndBranch(now, n)
	if e.dir.stoodIn(to) && e.long.fallback && !tx.Closing() {
		to.Reliable = false
		if again, ok := tx.StartBranch(now, to, e.table.Timers().Reply); ok {
			w.c.add(cTCPFallbacks)
			f.at[again] = f.at[n]
			f.at[again].sent = 0
			if w.forward(tx, req, again) {
				return
			}
			tx.EndBranch(now, again)
		}
	}
	w.c.add(cTransportFailures)
	w.branchFailed(tx, req, n, reasonTransport, now)
}

// branchFailed takes note of an attempt that ended without a final reply: it failed as
// a destination, or where failover does not go by that, it counts as a refusal of the
// code RFC 3261 gives it (16.8, 16.9).
func (w *worker) branchFailed(tx transaction.Tx, req *message.View, n int, why reason, now int64) {
	e, at := w.e, &w.e.fork(tx).at[n]
	dest := e.dests[at.dest]
	e.measuredBranch(at)
	// That it takes no TCP for a long request tells nothing of how it does over UDP.
	if why != reasonTooLong && !(why == reasonTransport && e.dir.stoodIn(tx.Attempts[n].To)) {
		e.sets.Report(dest.Destination, int(at.slot), false)
	}
	if !tx.Cancelled && dest.Set().Failover().OnTimeout {
		w.failedOver(tx, req, n, failure{dest: at.dest, reason: why}, now)
		return
	}
	dest.failed.Add(1)
	w.partBranch(tx, n)
	if !tx.Pending() || tx.Cancelled {
		return
	}
	code := 408
	switch why {
	case reasonTransport:
		code = 503
	case reasonTooLong:
		code = 513
	}
	w.refusedBy(tx, code)
}

// failedOver takes a failure that another target of the destination may make up for at
// once (RFC 3263 4.3), or the next wave. It is told while other destinations go on.
func (w *worker) failedOver(tx transaction.Tx, req *message.View, n int, failed failure, now int64) {
	f := w.e.fork(tx)
	dest := w.e.dests[f.at[n].dest]
	dest.failed.Add(1)
	failed.to = tx.Attempts[n].To
	if !tx.Pending() {
		w.partBranch(tx, n)
		return
	}
	f.failed = failed
	if failed.ofTarget() && !tx.Closing() && w.startBranch(tx, req, dest, f.at[n].slots, true, failed, now) {
		w.c.add(cFailovers)
		return
	}
	w.partBranch(tx, n)
	if tx.LiveBranches() > 0 && !tx.Closing() {
		w.noteOthers(failed, tx.Tried(), req)
	}
}

// measuredBranch takes the time of an attempt into its destination's estimate, once.
func (e *Engine) measuredBranch(at *branchAt) {
	if t := e.tookSince(at.sent); t > 0 {
		e.dests[at.dest].Measured(t)
	}
	at.sent = 0
}

// refusedBy takes a refusal that came from nobody.
func (w *worker) refusedBy(tx transaction.Tx, code int) {
	w.e.fork(tx).decided = true
	if tx.Better(code, true) {
		tx.SetBest(code, nil)
	}
}
