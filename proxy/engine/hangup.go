package engine

import (
	"encoding/binary"
	"net/netip"

	"trunkline/proxy/call"
	"trunkline/proxy/dialog"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// A call whose session or lifetime is over gets a BYE toward both sides, each in the name of the
// other, as client transactions of ours (RFC 3261 17.1.2): timers E and F, and over a connection
// no repetition. When both have ended, answered or not, the call ends. The goroutine of the timers
// looks at all calls once in sweepPeriod and begins no more than sweepEnds ends at a tick.
//
// None is begun while transactions come near to the mark past which new calls are refused: sessions that
// expire all at once do not keep others from beginning.
//
// A BYE goes over UDP whatever its length, and none is authenticated: a challenge ends it.

const (
	sweepPeriod = 1000 // ms
	sweepEnds   = 16

	// byeGrace is how long after timer F of its BYEs a call ends whatever has become of them: a
	// process that took over may know no more of them.
	byeGrace = 5_000_000_000 // ns
)

// Reason lines of our BYEs.
var (
	reasonSession  = reasonOf("Session expired")
	reasonLifetime = reasonOf("Call lifetime is over")
)

// sweeper looks for calls whose time is over.
type sweeper struct {
	w    *worker
	at   int
	rows int // looked at in one turn
	now  int64
	due  []call.ID
	look func(call.Locked) bool
}

func newSweeper(w *worker) *sweeper {
	s := &sweeper{w: w, due: make([]call.ID, 0, sweepEnds)}
	turns := int(sweepPeriod / tick.Milliseconds())
	s.rows = (w.e.calls.Capacity() + turns - 1) / turns
	s.look = func(l call.Locked) bool {
		if w.e.over(l, s.now) {
			s.due = append(s.due, l.ID())
		}
		return len(s.due) < cap(s.due)
	}
	return s
}

// turn looks at the next rows and ends what is over.
func (s *sweeper) turn() {
	e := s.w.e
	if e.dialogs == nil || e.table.Live() > e.marks.open.slots-e.marks.open.slots/8 {
		return
	}
	s.now, s.due = int64(e.clock()), s.due[:0]
	s.at = e.calls.Sweep(s.at, s.rows, s.look)
	for _, id := range s.due {
		s.w.hangUp(id, s.now)
	}
}

// over reports whether the time of a call is: its session's, its own, or that of its BYEs.
func (e *Engine) over(l call.Locked, now int64) bool {
	row := e.dialogs.Row(l.Row())
	if row.Deadline != 0 && row.Deadline <= now {
		return true
	}
	return !row.Ending && e.outlived(l, now)
}

// outlived reports whether the lifetime of a call is over.
func (e *Engine) outlived(l call.Locked, now int64) bool {
	lifetime := int64(e.cfg.Transaction.CallLifetime)
	return lifetime > 0 && l.Holds().Began+lifetime <= now
}

// sweepGrace is how long after its lifetime a call is left to the sweep and its BYEs, ns.
func (e *Engine) sweepGrace() int64 { return 2*sweepPeriod*1e6 + e.byeTime() + byeGrace }

// firstExpire is when expireCalls is called first, ms: calls of before a boot may have outlived
// their time by much, and are to get their BYEs.
func (e *Engine) firstExpire() int64 {
	if e.dialogs == nil || e.lasting == nil {
		return e.now()
	}
	return e.now() + e.sweepGrace()/1e6
}

// expireCalls ends the calls whose lifetime is over and that no sweep has ended.
func (e *Engine) expireCalls() {
	now := int64(e.clock())
	if e.dialogs != nil { // leave them to the sweep and their BYEs
		now -= e.sweepGrace()
	}
	e.calls.Expire(now)
}

// byeTime is timer F, ns.
func (e *Engine) byeTime() int64 { return e.table.Timers().GiveUp() * 1e6 }

// hangUp ends a call whose time is over.
func (w *worker) hangUp(id call.ID, now int64) {
	e := w.e
	l, ok := e.calls.Lock(id)
	if !ok {
		return
	}
	row := e.dialogs.Row(l.Row())
	var kept bool
	w.dialogText, kept = e.dialogs.Get(l.Row(), &w.dialog, w.dialogText[:0])
	switch {
	case !e.over(l, now): // refreshed meanwhile
		l.Unlock()
		return
	case row.Ending:
		cause := call.Cause(row.Cause)
		l.Unlock()
		e.calls.Release(id, cause)
		return
	case !kept:
		l.Unlock()
		e.calls.Release(id, call.Expired)
		return
	}
	cause, reason := call.SessionExpired, reasonSession
	if row.Deadline == 0 || row.Deadline > now {
		cause, reason = call.Expired, reasonLifetime
	}
	row.Cause = uint8(cause)
	if row.Open == 0 { // else these were left open by the process before
		row.Open = 1<<dialog.Caller | 1<<dialog.Callee
	}
	open := row.Open
	row.Deadline = now + e.byeTime() + byeGrace
	var cseq [2]uint32 // by the side that a BYE goes to
	for side := range row.CSeq {
		row.CSeq[side] = min(row.CSeq[side]+1, 1<<31-1)
		cseq[dialog.Side(side).Other()] = row.CSeq[side]
	}
	row.Ending = true
	l.Unlock()
	for side := dialog.Caller; side <= dialog.Callee; side++ {
		if open&(1<<side) != 0 && !w.sendBye(id, dialog.Bye{To: side, CSeq: cseq[side], Reason: reason}) {
			w.c.add(cByesUnsent)
			w.byeOver(id, side)
		}
	}
}

// sendBye sends a BYE of the dialog in w.dialog, unless that is under way. It reports false when it
// cannot be sent.
func (w *worker) sendBye(id call.ID, b dialog.Bye) bool {
	e, now := w.e, w.e.now()
	to, ok := w.byeTarget(&w.dialog.Parties[b.To])
	if !ok {
		return false
	}
	w.key = binary.LittleEndian.AppendUint64(append(w.key[:0], "bye"...), uint64(id))
	w.key = append(append(w.key, byte(b.To)), w.dialog.CallID...)
	tx := e.table.Lock(e.table.Hash().Sum(w.key))
	defer tx.Unlock()
	if tx.Found() {
		return true // it is under way
	}
	if !tx.Create(now, false) {
		return false
	}
	tx.Method, tx.Call = uint8(message.BYE), uint64(id)
	*e.slot(tx) = slotData{bye: uint8(b.To) + 1}
	n, _ := tx.Start(now, to, e.table.Timers().GiveUp(), e.table.Timers())
	w.via = append(w.via[:0], e.dir.faces[e.dir.exit(to)].viaHead...)
	w.via = append(e.table.AppendBranch(w.via, tx.ID(n)), "\r\n"...)
	b.Via = w.via
	w.out = w.dialog.AppendBye(w.out[:0], b)
	if !tx.SetRequest(w.out) || !w.resendBye(tx) {
		tx.Free()
		return false
	}
	w.c.add(cByes)
	return true
}

// resendBye sends a BYE of ours, the first time or again.
func (w *worker) resendBye(tx transaction.Tx) bool {
	w.out = append(w.out[:0], tx.Request()...)
	tx.Commit()
	return w.sendTo(tx.Attempts[tx.Current()].To, w.out)
}

// byeTarget is where a request to a side goes: by the connection that is its only way, else to the
// first of its route set or its Contact (16.6 step 6), else, where that is a name or an address
// that no listener may talk to, to where it was heard from.
func (w *worker) byeTarget(p *dialog.Party) (transaction.Endpoint, bool) {
	e, at := w.e, p.At
	if int(at.Listener) >= len(e.groups) {
		return at, false
	}
	if flow := at.Flow(); flow != 0 {
		if _, ok := e.groups[at.Listener].peer(flow); ok {
			return at, true
		}
	}
	if u, err := message.ParseURI(p.NextHop()); err == nil && e.dir.findURI(&w.tmp, u) < 0 {
		if addr, ok := literal(u.Host); ok {
			if l := e.dir.by(int(at.Listener), addr, u); l >= 0 {
				port := u.Port
				if port == 0 {
					port = e.dir.faces[l].defaultPort()
				}
				return e.dir.endpoint(netip.AddrPortFrom(addr, port), l), true
			}
		}
	}
	f := e.dir.faces[at.Listener]
	return at.WithFlow(0), f.dials() && at.AddrPort().Port() != 0 && f.allowed.Lookup(at.AddrPort().Addr())
}

// byeReply takes a reply to a BYE of ours.
func (w *worker) byeReply(tx transaction.Tx, attempt, code int) {
	now := w.e.now()
	if tx.OnReply(now, attempt, code, w.e.table.Timers())&transaction.Final == 0 {
		return
	}
	w.c.add(cByesAnswered)
	tx.Complete(now, code, w.e.table.Timers())
	tx.DropRequest()
	w.byeEnded(tx)
}

// fireBye does what a due timer of a BYE of ours calls for.
func (w *worker) fireBye(tx transaction.Tx, ev transaction.Event) {
	if ev&transaction.ResendRequest != 0 {
		w.c.add(cRetransmissionsSent)
		w.resendBye(tx)
	}
	if ev&(transaction.NoReply|transaction.NoFinal) != 0 {
		w.c.add(cLocalTimeouts)
		w.byeEnded(tx)
		tx.Free()
	}
}

// byeLost ends a BYE of ours whose connection has ended.
func (w *worker) byeLost(tx transaction.Tx) {
	w.c.add(cTransportFailures)
	w.byeEnded(tx)
	tx.Free()
}

func (w *worker) byeEnded(tx transaction.Tx) {
	id, side := call.ID(tx.Call), dialog.Side(w.e.slot(tx).bye-1)
	tx.Call = 0
	w.byeOver(id, side)
}

// byeOver takes note that the BYE to one side has ended. With the second the call ends.
func (w *worker) byeOver(id call.ID, side dialog.Side) {
	l, ok := w.e.calls.Lock(id)
	if !ok {
		return
	}
	row := w.e.dialogs.Row(l.Row())
	row.Open &^= 1 << side
	open, cause := row.Open, call.Cause(row.Cause)
	l.Unlock()
	if open == 0 {
		w.e.calls.Release(id, cause)
	}
}
