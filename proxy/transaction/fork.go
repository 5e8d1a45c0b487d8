package transaction

// A forked transaction may have several attempts under way at once (RFC 3261 16.6).
// Each is a client transaction with timers of its own; together with the best refusal
// so far they are the response context of 16.7. They stand beside the slot, so that
// a table that never forks has no memory for them.
//
// The methods of Tx below take the place of Start, Abandon, OnReply, OnCancel and
// CancelSent; everything towards the caller is as in any other transaction. The slot
// lives until each branch has ended, whatever was sent upstream: a branch that was
// not answered when another one was still gets its CANCEL and its ACK.

// Branches is the Event of a forked transaction: timers of attempts are due, which
// NextDue tells one by one.
const Branches Event = 1 << 6

// Ended is the Action for a reply other than 2xx that ended an attempt of a forked
// transaction; others may be under way.
const Ended Action = 1 << 5

// branch is the client transaction of one attempt: when what is due, in ms; 0: not
// running.
type branch struct {
	resendAt int64 // timers A and E; E of the CANCEL once that was sent
	by       int64 // the branch ends then without a final reply
	step     int32
}

// fork is what a forked transaction has beside its slot.
type fork struct {
	branches [MaxAttempts]branch
	best     bufRef // the best refusal so far, as it will be sent
	bestLen  uint32
	bestCode uint16 // 0: none
	bestRank uint8
	closing  bool // the outcome is known: what is still under way is cancelled as soon as it may be
}

// SetForked makes a new transaction one that forks. It reports false in a table that
// was not made for it.
func (tx *Tx) SetForked() bool {
	if len(tx.sh.forks) == 0 {
		return false
	}
	tx.sh.forks[tx.i] = fork{}
	tx.Forked = true
	return true
}

func (tx *Tx) fork() *fork { return &tx.sh.forks[tx.i] }

// StartBranch begins one more attempt beside those under way and returns its number;
// false when none is left. Without any reply it ends after replyTimeout.
func (tx *Tx) StartBranch(now int64, to Endpoint, replyTimeout int64) (int, bool) {
	s, t := tx.Slot, &tx.t.timers
	if int(s.attempts) == MaxAttempts {
		return 0, false
	}
	n := int(s.attempts)
	s.attempts++
	s.Attempts[n] = Attempt{To: to}
	s.State = Calling
	b := branch{step: int32(t.T1), by: now + replyTimeout}
	if !to.Reliable { // timers A and E
		b.resendAt = now + t.T1
	}
	tx.fork().branches[n] = b
	return n, true
}

// EndBranch gives an attempt up: without a reply, or because it could not be sent to.
// What it says later is still treated rightly.
func (tx *Tx) EndBranch(now int64, n int) {
	a := &tx.Attempts[n]
	a.flags |= attemptFinal
	if a.flags&attemptCancelled == 0 {
		tx.fork().branches[n] = branch{}
	}
	tx.settle(now)
}

// BranchEnded reports whether an attempt got a final reply or was given up.
func (tx *Tx) BranchEnded(n int) bool { return tx.Attempts[n].flags&attemptFinal != 0 }

// BranchReplied reports whether an attempt got any reply, or ended.
func (tx *Tx) BranchReplied(n int) bool {
	return tx.Attempts[n].flags&(attemptTrying|attemptRinging|attemptFinal) != 0
}

// BranchRinging reports whether an attempt got a provisional reply beyond 100.
func (tx *Tx) BranchRinging(n int) bool { return tx.Attempts[n].flags&attemptRinging != 0 }

// LiveBranches is how many attempts have not ended.
func (tx *Tx) LiveBranches() int {
	live := 0
	for n := range int(tx.attempts) {
		if !tx.BranchEnded(n) {
			live++
		}
	}
	return live
}

// BranchReply takes a reply to the request itself from one attempt. Ended and Final
// are for the first final reply of an attempt while none was sent upstream: Final a
// 2xx, to relay at once before Complete; Ended any other.
func (tx *Tx) BranchReply(now int64, n, code int) Action {
	s := tx.Slot
	if n >= int(s.attempts) {
		return 0
	}
	if code < 200 {
		return tx.branchProvisional(n, code)
	}
	a, f := &s.Attempts[n], tx.fork()
	live := a.flags&attemptFinal == 0
	a.flags |= attemptFinal | attemptEnded
	if f.branches[n] != (branch{}) {
		f.branches[n] = branch{}
		tx.settle(now)
	}
	pending := s.Pending()
	if s.Invite && code < 300 {
		// Each 2xx is relayed, also of several branches (16.7 step 5): the caller must
		// end the dialogs it does not want.
		if pending {
			f.closing = true
			return Relay | Final
		}
		return Relay
	}
	act := Action(0)
	if s.Invite {
		act = Ack
	}
	switch {
	case !pending || !live:
	case code < 300:
		f.closing = true
		act |= Relay | Final
	default:
		act |= Ended
	}
	return act
}

func (tx *Tx) branchProvisional(n, code int) Action {
	s, f := tx.Slot, tx.fork()
	a, b := &s.Attempts[n], &f.branches[n]
	live := a.flags&attemptFinal == 0
	cancelled := a.flags&attemptCancelled != 0
	switch {
	case !live || cancelled:
	case s.Invite: // timer C is the slot's
		b.resendAt, b.by = 0, 0
	default: // 17.1.2.2: from now on every T2, until timer F
		b.step = int32(tx.t.timers.T2)
		if s.Pending() {
			b.by = s.endsAt
		}
	}
	if code == 100 {
		a.flags |= attemptTrying
	} else {
		a.flags |= attemptRinging
	}
	live = live && s.Pending()
	if live && s.State == Calling {
		s.State = Proceeding
	}
	act := Action(0)
	if s.Invite && !cancelled && a.flags&attemptEnded == 0 && (f.closing || !live) {
		act |= Cancel
	}
	if live && code != 100 {
		act |= Relay
	}
	return act
}

// CancelFork takes a CANCEL from the caller. It reports whether it is the first one
// and in time; then every attempt for which MayCancel holds gets a CANCEL now, and
// the others with their first provisional reply (9.1, 16.10).
func (tx *Tx) CancelFork(now int64) bool {
	s := tx.Slot
	if !s.Invite || !s.Pending() || s.Cancelled {
		return false
	}
	s.Cancelled = true
	s.endsAt = now + tx.t.timers.GiveUp()
	tx.fork().closing = true
	return true
}

// CloseFork says that the outcome is known (16.7 step 5: a 6xx). As after CancelFork,
// whatever is under way is to be cancelled.
func (tx *Tx) CloseFork() { tx.fork().closing = true }

// Closing reports whether the outcome is known.
func (tx *Tx) Closing() bool { return tx.fork().closing }

// MayCancel reports whether an attempt is under way and can be sent its first CANCEL.
func (tx *Tx) MayCancel(n int) bool {
	f := tx.Attempts[n].flags
	return tx.Invite && f&(attemptTrying|attemptRinging) != 0 && f&(attemptFinal|attemptCancelled) == 0
}

// BranchCancelled records that CANCEL was sent to an attempt: it is retransmitted, and
// the attempt has 64*T1 to end (9.1).
func (tx *Tx) BranchCancelled(now int64, n int) {
	t := &tx.t.timers
	a := &tx.Attempts[n]
	a.flags |= attemptCancelled
	b := branch{step: int32(t.T1), by: now + t.GiveUp()}
	if !a.To.Reliable {
		b.resendAt = now + t.T1
	}
	tx.fork().branches[n] = b
}

// OnCancelReply takes a final reply to our CANCEL: it has arrived.
func (tx *Tx) OnCancelReply(attempt int) {
	if !tx.Forked {
		tx.Slot.OnCancelReply(attempt)
		return
	}
	if attempt < int(tx.attempts) && tx.Attempts[attempt].flags&attemptCancelled != 0 {
		tx.fork().branches[attempt].resendAt = 0
	}
}

// NextDue takes one timer that is due: ResendRequest, ResendCancel, NoReply (the
// attempt ended without any reply) or NoFinal (it ended after provisional replies). It
// returns 0 when none is left.
func (tx *Tx) NextDue(now int64) (int, Event) {
	s := tx.Slot
	if s.State == Free {
		return 0, 0
	}
	f, t := tx.fork(), &tx.t.timers
	for n := range int(s.attempts) {
		a, b := &s.Attempts[n], &f.branches[n]
		if b.by != 0 && b.by <= now {
			live := a.flags&attemptFinal == 0
			*b = branch{}
			a.flags |= attemptFinal
			tx.settle(now)
			switch {
			case !live: // given up before; this was the wait for what its CANCEL does
			case a.flags&(attemptTrying|attemptRinging) == 0:
				return n, NoReply
			default:
				return n, NoFinal
			}
			continue
		}
		if b.resendAt == 0 || b.resendAt > now {
			continue
		}
		ev := ResendRequest
		if a.flags&attemptCancelled != 0 {
			ev = ResendCancel
		}
		b.step *= 2
		if ev == ResendCancel || !s.Invite {
			b.step = min(b.step, int32(t.T2))
		}
		b.resendAt = now + int64(b.step)
		return n, ev
	}
	return 0, 0
}

// settle gives the retransmissions of the last branch to end the time they are
// absorbed for, where the caller has had its final reply before.
func (tx *Tx) settle(now int64) {
	s := tx.Slot
	if !s.Pending() && !tx.fork().running(s) {
		s.endsAt = max(s.endsAt, now+s.wait(&tx.t.timers))
	}
}

// running reports whether a branch waits for its end. One that rings does only once
// it was cancelled.
func (f *fork) running(s *Slot) bool {
	for n := range int(s.attempts) {
		if f.branches[n].by != 0 {
			return true
		}
	}
	return false
}

// earliest is the next due time of slot i, 0 when no timer runs.
func (sh *shard) earliest(i uint32) int64 {
	s := &sh.slots[i]
	if !s.Forked {
		return s.earliest()
	}
	f := &sh.forks[i]
	at := s.resendAt
	least := func(v int64) {
		if v != 0 && (at == 0 || v < at) {
			at = v
		}
	}
	if s.Pending() || !f.running(s) {
		least(s.endsAt)
	}
	for n := range int(s.attempts) {
		least(f.branches[n].resendAt)
		least(f.branches[n].by)
	}
	return at
}

// events takes the timers of a slot that are due.
func (tx *Tx) events(now int64) Event {
	s, t := tx.Slot, &tx.t.timers
	if !s.Forked {
		return s.due(now, t)
	}
	f, ev := tx.fork(), Event(0)
	for n := range int(s.attempts) {
		b := &f.branches[n]
		if b.by != 0 && b.by <= now || b.resendAt != 0 && b.resendAt <= now {
			ev = Branches
			break
		}
	}
	if s.Pending() || !f.running(s) {
		return ev | s.due(now, t)
	}
	ends := s.endsAt
	s.endsAt = 0
	ev |= s.due(now, t)
	s.endsAt = ends
	return ev
}
