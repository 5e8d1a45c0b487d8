package transaction

// State is where a transaction stands.
type State uint8

// States. An INVITE goes Calling, Proceeding, then Accepted (2xx) or Completed and
// Confirmed (other finals). Any other request goes Calling, Proceeding, Completed.
const (
	Free       State = iota
	Calling          // forwarded or about to be; the current attempt has not replied
	Proceeding       // the current attempt sent a provisional reply
	Completed        // a final reply was sent upstream (INVITE: awaiting its ACK)
	Confirmed        // INVITE: the ACK of a non-2xx arrived
	Accepted         // INVITE: a 2xx was sent upstream (RFC 6026)
)

var stateNames = [...]string{"free", "calling", "proceeding", "completed", "confirmed", "accepted"}

func (s State) String() string { return stateNames[s] }

// Action is what a reply calls for. Several may apply; they are taken in the order
// of the constants.
type Action uint8

// Actions.
const (
	// Ack: acknowledge this non-2xx final reply to the destination (17.1.1.3).
	Ack Action = 1 << iota
	// Cancel: the replying attempt must be cancelled now that it can be.
	Cancel
	// CancelCurrent: an abandoned attempt answered; cancel the one under way.
	CancelCurrent
	// Relay: send the reply upstream.
	Relay
	// Final: the current attempt ended with this reply. Relay it and call Complete,
	// or start another attempt.
	Final
)

// Event is what a due timer calls for. Several may come together.
type Event uint8

// Events.
const (
	// ResendRequest: timers A and E.
	ResendRequest Event = 1 << iota
	// ResendCancel: timer E of the CANCEL.
	ResendCancel
	// ResendResponse: timer G.
	ResendResponse
	// NoReply: the current attempt sent nothing at all in time.
	NoReply
	// NoFinal: timers C and F, and the end of the wait for a cancelled attempt.
	NoFinal
	// Done: nothing more can happen; free the slot.
	Done
)

// flags of an attempt.
const (
	attemptTrying    uint8 = 1 << iota // 100 came
	attemptRinging                     // 101-199 came
	attemptFinal                       // a final reply came, or we gave it up
	attemptCancelled                   // CANCEL was sent
	attemptEnded                       // a final reply came: CANCEL would have no effect (9.2)
)

// Attempt is one destination tried.
type Attempt struct {
	To    Endpoint
	flags uint8
}

// Timers of all transactions of a table, milliseconds.
type Timers struct {
	T1, T2 int64
	// Reply: no reply at all from a destination ends the attempt.
	Reply int64
	// Invite: an INVITE without a final reply ends, counted from its admission.
	Invite int64
	// Wait: a finished transaction absorbs retransmissions for so long.
	Wait int64
}

// GiveUp is 64*T1: timers B, F and H.
func (t *Timers) GiveUp() int64 { return 64 * t.T1 }

// Slot is one transaction. Its fields belong to whoever holds the shard's lock.
type Slot struct {
	key  uint64
	gen  uint32
	same uint32 // next free slot

	State     State
	Invite    bool
	Cancelled bool // the caller sent CANCEL
	Forked    bool // may have several attempts under way; set by SetForked
	extended  bool // Extend was used
	attempts  uint8
	cancelTo  uint8 // the attempt whose CANCEL is being retransmitted

	Method   uint8    // of the request, in the numbering of the caller
	Upstream Endpoint // where replies go
	Call     uint64   // the caller's call identifier, or 0
	Attempts [MaxAttempts]Attempt

	// Due times in ms, 0: not running.
	resendAt   int64
	cancelAt   int64
	replyBy    int64
	endsAt     int64
	resendStep int32
	cancelStep int32

	request, response       bufRef
	requestLen, responseLen uint32

	wake       int64 // tick at which the wheel looks at the slot, 0: not on it
	next, prev uint32
}

// Current is the number of the attempt under way, -1 before the first.
func (s *Slot) Current() int { return int(s.attempts) - 1 }

// Tried is how many attempts were started.
func (s *Slot) Tried() int { return int(s.attempts) }

// CancelTo is the attempt whose CANCEL is retransmitted.
func (s *Slot) CancelTo() int { return int(s.cancelTo) }

// Pending reports whether no final reply was sent upstream yet.
func (s *Slot) Pending() bool { return s.State == Calling || s.State == Proceeding }

// Ringing reports whether the current attempt sent a provisional reply beyond 100.
func (s *Slot) Ringing() bool {
	return s.attempts > 0 && s.Attempts[s.attempts-1].flags&attemptRinging != 0
}

// Replied reports whether the current attempt sent any reply.
func (s *Slot) Replied() bool {
	return s.attempts > 0 && s.Attempts[s.attempts-1].flags&(attemptTrying|attemptRinging|attemptFinal) != 0
}

// begin is a new slot's first state.
func (s *Slot) begin(now int64, invite bool, t *Timers) {
	s.State, s.Invite = Calling, invite
	s.endsAt = now + t.GiveUp()
	if invite {
		s.endsAt = now + t.Invite
	}
}

// Start begins an attempt and returns its number; false when none is left. The
// request is retransmitted until a reply comes; without any, replyTimeout bounds
// the attempt.
func (s *Slot) Start(now int64, to Endpoint, replyTimeout int64, t *Timers) (int, bool) {
	if int(s.attempts) == MaxAttempts {
		return 0, false
	}
	n := int(s.attempts)
	s.attempts++
	s.Attempts[n] = Attempt{To: to}
	s.State = Calling
	s.resendAt, s.resendStep = 0, int32(t.T1)
	if !to.Reliable { // timers A and E
		s.resendAt = now + t.T1
	}
	s.replyBy = now + replyTimeout
	return n, true
}

// Abandon marks the current attempt as given up: without a reply, or because it
// could not be sent to. What it says later is still treated rightly.
func (s *Slot) Abandon() {
	if s.attempts > 0 {
		s.Attempts[s.attempts-1].flags |= attemptFinal
	}
	s.resendAt, s.replyBy = 0, 0
}

// Extend gives an INVITE whose destination said no more than 100 one further term
// for the next destination. It works once, so that an INVITE lives no longer than
// twice its timeout.
func (s *Slot) Extend(now int64, t *Timers) bool {
	if s.extended || !s.Invite {
		return false
	}
	s.extended = true
	s.endsAt = now + t.Invite
	return true
}

// OnReply takes a reply to the request itself from one attempt.
func (s *Slot) OnReply(now int64, attempt, code int, t *Timers) Action {
	if attempt >= int(s.attempts) || s.State == Free {
		return 0
	}
	a := &s.Attempts[attempt]
	current := attempt == int(s.attempts)-1
	if code < 200 {
		return s.onProvisional(now, attempt, code, t)
	}
	repeated := a.flags&attemptFinal != 0 && current
	a.flags |= attemptFinal | attemptEnded
	if current && s.Pending() {
		s.resendAt, s.replyBy = 0, 0
	}
	if s.cancelAt != 0 && int(s.cancelTo) == attempt {
		s.cancelAt = 0
	}
	if s.Invite && code < 300 {
		// A 2xx is always relayed, also twice, late, or after another final
		// (16.7 step 5): the caller must end the dialog it creates.
		act := Relay
		if s.Pending() {
			act |= Final
			if !current && s.Attempts[s.attempts-1].flags&attemptFinal == 0 {
				act |= CancelCurrent
			}
		}
		return act
	}
	act := Action(0)
	if s.Invite {
		act = Ack
	}
	if s.Pending() && current && !repeated {
		act |= Final
	}
	return act
}

func (s *Slot) onProvisional(now int64, attempt, code int, t *Timers) Action {
	a := &s.Attempts[attempt]
	current := attempt == int(s.attempts)-1
	if current && a.flags&attemptFinal == 0 {
		s.replyBy = 0
		if s.Invite {
			s.resendAt = 0
		} else if s.resendAt != 0 {
			// 17.1.2.2: from now on every T2.
			s.resendStep = int32(t.T2)
		}
		if s.State == Calling {
			s.State = Proceeding
		}
	}
	if code == 100 {
		a.flags |= attemptTrying
	} else {
		a.flags |= attemptRinging
	}
	act := Action(0)
	live := s.Pending() && current && a.flags&attemptFinal == 0
	if s.Invite && a.flags&(attemptCancelled|attemptEnded) == 0 && (s.Cancelled || !live) {
		act |= Cancel
	}
	if live && code != 100 {
		act |= Relay
	}
	return act
}

// CancelSent records that CANCEL was sent to an attempt: it is retransmitted, and
// the attempt has 64*T1 to end (9.1).
func (s *Slot) CancelSent(now int64, attempt int, t *Timers) {
	a := &s.Attempts[attempt]
	a.flags |= attemptCancelled
	s.cancelTo = uint8(attempt)
	s.cancelAt, s.cancelStep = 0, int32(t.T1)
	if !a.To.Reliable {
		s.cancelAt = now + t.T1
	}
	if s.Pending() && attempt == int(s.attempts)-1 && a.flags&attemptFinal == 0 {
		s.endsAt = now + t.GiveUp()
	}
}

// OnCancelReply takes a final reply to our CANCEL: it has arrived.
func (s *Slot) OnCancelReply(attempt int) {
	if s.cancelAt != 0 && int(s.cancelTo) == attempt {
		s.cancelAt = 0
	}
}

// OnCancel takes a CANCEL from the caller. It reports whether CANCEL must be sent
// to the current attempt now; otherwise that waits for its first provisional
// reply (9.1), or is too late.
func (s *Slot) OnCancel() bool {
	if !s.Invite || !s.Pending() || s.Cancelled {
		return false
	}
	s.Cancelled = true
	if s.attempts == 0 {
		return false
	}
	f := s.Attempts[s.attempts-1].flags
	return f&(attemptTrying|attemptRinging) != 0 && f&(attemptFinal|attemptCancelled) == 0
}

// Complete records that a final reply was sent upstream.
func (s *Slot) Complete(now int64, code int, t *Timers) {
	s.resendAt, s.replyBy = 0, 0
	if !s.Invite {
		s.State, s.endsAt = Completed, now+s.wait(t)
		return
	}
	if code < 300 {
		s.State, s.endsAt = Accepted, now+t.Wait
		return
	}
	s.State = Completed
	s.resendStep = int32(t.T1)
	if !s.Upstream.Reliable { // timer G
		s.resendAt = now + t.T1
	}
	s.endsAt = now + t.GiveUp()
}

// wait is how long a transaction that is over absorbs retransmissions: timers I, J and
// K, which are zero where nobody retransmits.
func (s *Slot) wait(t *Timers) int64 {
	reliable := s.Upstream.Reliable
	for i := range s.attempts {
		reliable = reliable && s.Attempts[i].To.Reliable
	}
	if reliable {
		return 1
	}
	return t.Wait
}

// OnAck takes an ACK from the caller that matched this INVITE. It reports true
// when the ACK acknowledges a non-2xx and ends here; false when it belongs to a
// 2xx and must be forwarded.
func (s *Slot) OnAck(now int64, t *Timers) bool {
	switch s.State {
	case Completed:
		s.State = Confirmed
		s.resendAt = 0
		s.endsAt = now + s.wait(t)
		return true
	case Accepted:
		return false
	}
	return true
}

// due takes the timers that are due at now and rearms those that repeat.
func (s *Slot) due(now int64, t *Timers) Event {
	var ev Event
	if s.endsAt != 0 && s.endsAt <= now {
		if s.Pending() {
			s.resendAt, s.replyBy, s.endsAt = 0, 0, 0
			return NoFinal
		}
		return Done
	}
	if s.cancelAt != 0 && s.cancelAt <= now {
		ev |= ResendCancel
		s.cancelStep = min(2*s.cancelStep, int32(t.T2))
		s.cancelAt = now + int64(s.cancelStep)
	}
	if s.replyBy != 0 && s.replyBy <= now {
		s.resendAt, s.replyBy = 0, 0
		return ev | NoReply
	}
	if s.resendAt != 0 && s.resendAt <= now {
		s.resendStep *= 2
		if s.Pending() {
			ev |= ResendRequest
			if !s.Invite {
				s.resendStep = min(s.resendStep, int32(t.T2))
			}
		} else {
			ev |= ResendResponse
			s.resendStep = min(s.resendStep, int32(t.T2))
		}
		s.resendAt = now + int64(s.resendStep)
	}
	return ev
}

// earliest is the next due time, 0 when no timer runs.
func (s *Slot) earliest() int64 {
	at := s.endsAt
	for _, v := range [...]int64{s.resendAt, s.cancelAt, s.replyBy} {
		if v != 0 && (at == 0 || v < at) {
			at = v
		}
	}
	return at
}
