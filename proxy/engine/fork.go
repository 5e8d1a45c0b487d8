package engine

import (
	"math"

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
		w.forkAnswered(tx, code, now)
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
func (w *worker) forkAnswered(tx transaction.Tx, code int, now int64) {
	w.relay(tx, !tx.Invite)
	tx.Complete(now, code, w.e.table.Timers())
	if !tx.Invite {
		return
	}
	tx.DropResponse()
	if tx.Call != 0 {
		w.c.add(cAnswered)
		w.e.calls.Answer(call.ID(tx.Call))
	}
	w.cancelRest(tx, now)
}

// answeredToo registers the dialog of a further 2xx, which its caller ends with a BYE
// of its own (13.2.2.4), as a call beside the first as long as there is room.
func (w *worker) answeredToo(tx transaction.Tx, n int) {
	e := w.e
	if tx.Call == 0 || !e.concurrent.Acquire() {
		return
	}
	id, ok := e.calls.Register(w.callKey(&w.v, w.v.Get(w.v.From.Tag)), int64(e.clock()))
	if !ok {
		e.concurrent.Release()
		return
	}
	w.c.add(cCalls)
	w.c.add(cAnswered)
	e.calls.Answer(id)
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
		w.sendBack(tx.Upstream, msg)
		tx.RespondBest()
		tx.Complete(now, code, w.e.table.Timers())
		w.endCall(tx, cause(tx, call.Rejected))
	}
}

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
	w.writeCancel(tx, n)
	tx.BranchCancelled(now, n)
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
