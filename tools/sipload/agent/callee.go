package agent

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"time"

	"trunkline/tools/sipload/wheel"
	"trunkline/tools/sipload/wire"
)

// CalleeConfig says how calls are answered.
type CalleeConfig struct {
	Locals    []netip.AddrPort // of all sockets requests may come to, by index
	Slots     int              // most calls at once
	Ended     int              // most ended calls that are still recognised
	Run       uint32           // goes into all tags
	Ring      time.Duration    // from the 180 to the 200; 0: both at once
	RejectAs  int              // code of the calls that are refused
	Reject    float64          // share of the calls that are refused
	Lifetime  time.Duration    // how long an answered call may wait for its BYE
	Timers    Timers
	Texts     Texts
	Permitted func(netip.Addr) bool // whether a response may go there
}

// states of a leg beyond idle.
const (
	ringing uint8 = iota + 1
	answeredUnacked
	refusedUnacked
	confirmed
)

// In Callee.legs: calls that have ended.
const (
	endedLeg      = -1
	endedWithoutA = -2 // its BYE came, its ACK did not
)

// headSize is the room for the header fields a response copies from its request.
const headSize = 2560

// leg is one slot.
type leg struct {
	key, branch        uint64
	interval, deadline time.Duration
	to                 endpoint
	gen                uint32
	socket             int32
	head               uint16 // length within text
	code               uint16 // the final response sent; 0: none yet
	state              uint8
	text               [headSize]byte
}

// Callee answers calls and OPTIONS.
type Callee struct {
	Counts CalleeCounts
	Odd    Odd

	c      CalleeConfig
	net    Network
	texts  []*calleeTexts
	wheel  *wheel.Wheel
	slots  []leg
	free   []int32
	legs   map[uint64]int32 // by call and socket: a slot, or that it has ended
	ended  []ending         // a ring, oldest first
	oldest int
	kept   int
	reject share
	seed   maphash.Seed
	run    []byte
	buf    []byte
	refuse []byte // status line of RejectAs
}

type ending struct {
	key uint64
	at  time.Duration
}

// NewCallee makes a callee that sends to n.
func NewCallee(c CalleeConfig, n Network) *Callee {
	e := &Callee{
		c: c, net: n, wheel: wheel.New(c.Slots, tick), slots: make([]leg, c.Slots), free: make([]int32, c.Slots),
		ended: make([]ending, max(c.Ended, 1)), legs: make(map[uint64]int32, c.Ended+min(c.Slots, c.Ended)),
		reject: newShare(c.Reject), seed: maphash.MakeSeed(), buf: make([]byte, 0, MaxMessage+headSize),
	}
	e.run = fmt.Appendf(nil, "%08x", c.Run)
	e.refuse = fmt.Appendf(nil, "SIP/2.0 %d Refused\r\n", c.RejectAs)
	for i := range e.free {
		e.free[i] = int32(c.Slots - 1 - i)
	}
	for _, l := range c.Locals {
		e.texts = append(e.texts, newCalleeTexts(c.Texts, l))
	}
	return e
}

// Reset forgets counts and samples; calls go on.
func (e *Callee) Reset() { e.Counts, e.Odd = CalleeCounts{}, Odd{} }

// Live is the number of calls under way.
func (e *Callee) Live() int { return e.c.Slots - len(e.free) }

// Next is when Advance is due; ok is false while no timer runs.
func (e *Callee) Next() (time.Duration, bool) { return e.wheel.Next() }

// Advance works off the timers due at now.
func (e *Callee) Advance(now time.Duration) {
	e.wheel.Advance(now, e)
	for e.kept > 0 && e.ended[e.oldest].at <= now {
		e.forget()
	}
}

func (e *Callee) forget() {
	delete(e.legs, e.ended[e.oldest].key)
	e.oldest = (e.oldest + 1) % len(e.ended)
	e.kept--
}

// Malformed counts a datagram that is no message.
func (e *Callee) Malformed(err error, raw []byte) { e.Odd.add(Malformed, err, raw) }

// Receive takes a request; raw is its bytes.
func (e *Callee) Receive(now time.Duration, socket int, from netip.AddrPort, m *wire.Message, raw []byte) {
	to, ok := wire.ReplyTo(m.Via.Value[0], from)
	if !ok || !e.c.Permitted(to.Addr()) {
		e.Odd.add(Unroutable, nil, raw)
		return
	}
	if m.Method == wire.OPTIONS {
		e.Counts.Options++
		e.reply(socket, from, to, m, "SIP/2.0 200 OK\r\n")
		return
	}
	key := maphash.Bytes(e.seed, m.CallID) ^ 31*maphash.Bytes(e.seed, wire.Tag(m.From)) + uint64(socket)
	slot, known := e.legs[key]
	live := known && slot >= 0
	switch m.Method {
	case wire.INVITE:
		switch {
		case live:
			e.inviteAgain(slot, m, raw)
		case known:
			e.Counts.Duplicates++
		case len(wire.Tag(m.To)) > 0:
			e.Odd.add(UnknownCall, nil, raw)
			e.reply(socket, from, to, m, "SIP/2.0 481 Call Does Not Exist\r\n")
		default:
			e.invite(now, key, socket, from, to, m, raw)
		}
	case wire.ACK:
		e.ack(now, slot, live, key, m, raw)
	case wire.BYE:
		switch {
		case !known:
			e.Odd.add(UnknownCall, nil, raw)
			e.reply(socket, from, to, m, "SIP/2.0 481 Call Does Not Exist\r\n")
		case live && e.slots[slot].state != confirmed && e.slots[slot].state != answeredUnacked:
			e.Odd.add(WrongState, nil, raw)
		case live && !e.ourTag(slot, wire.Tag(m.To)):
			e.Odd.add(WrongTransaction, nil, raw)
			e.reply(socket, from, to, m, "SIP/2.0 481 Call Does Not Exist\r\n")
		default:
			if live {
				e.bye(slot, now)
			} else {
				e.Counts.Duplicates++
			}
			e.reply(socket, from, to, m, "SIP/2.0 200 OK\r\n")
		}
	case wire.CANCEL:
		if !known {
			e.Odd.add(UnknownCall, nil, raw)
			e.reply(socket, from, to, m, "SIP/2.0 481 Call Does Not Exist\r\n")
			return
		}
		e.reply(socket, from, to, m, "SIP/2.0 200 OK\r\n")
		if live {
			e.cancel(slot, now, m)
		}
	default:
		e.Odd.add(UnknownMethod, nil, raw)
		e.reply(socket, from, to, m, "SIP/2.0 405 Method Not Allowed\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n")
	}
}

// reply sends a response without a body to a request that keeps no state.
func (e *Callee) reply(socket int, from, to netip.AddrPort, m *wire.Message, status string) {
	b := append(e.buf[:0], status...)
	b = e.appendHead(b, from, m, 0, false)
	e.net.Send(socket, to, append(b, noBody...))
}

// appendHead appends what a response copies from its request (8.2.6.2). id goes
// into our tag, which is added where To has none.
func (e *Callee) appendHead(b []byte, from netip.AddrPort, m *wire.Message, id uint64, routes bool) []byte {
	b = wire.AppendVias(b, &m.Via, from)
	if routes {
		for i := range m.RecordRt.N {
			b = append(b, m.RecordRt.Full[i]...)
		}
	}
	b = append(b, "From: "...)
	b = append(b, m.From...)
	b = append(b, "\r\nTo: "...)
	b = append(b, m.To...)
	if len(wire.Tag(m.To)) == 0 {
		b = append(b, ";tag="...)
		b = wire.AppendID(b, id)
		b = append(b, e.run...)
	}
	b = append(b, "\r\nCall-ID: "...)
	b = append(b, m.CallID...)
	b = append(b, "\r\nCSeq: "...)
	b = append(b, m.CSeq...)
	return append(b, "\r\n"...)
}

// ourTag reports whether tag is the one the leg was given.
func (e *Callee) ourTag(slot int32, tag []byte) bool {
	id, ok := wire.ID(tag)
	return ok && id == e.id(slot) && string(tag[wire.IDLen:]) == string(e.run)
}

// statelessTag reports whether tag is the one of responses without a leg.
func (e *Callee) statelessTag(tag []byte) bool {
	id, ok := wire.ID(tag)
	return ok && id == 0 && string(tag[wire.IDLen:]) == string(e.run)
}

func (e *Callee) id(slot int32) uint64 { return uint64(slot)<<32 | uint64(e.slots[slot].gen) }

// branchOf is the hash of the top branch, which tells transactions apart.
func (e *Callee) branchOf(m *wire.Message) uint64 {
	branch, _ := wire.Param(m.Via.Value[0], "branch")
	return maphash.Bytes(e.seed, branch)
}

// invite takes a new call.
func (e *Callee) invite(now time.Duration, key uint64, socket int, from, to netip.AddrPort, m *wire.Message, raw []byte) {
	if len(e.free) == 0 {
		e.Counts.NoSlot++
		e.reply(socket, from, to, m, "SIP/2.0 503 No Slot Left\r\n")
		return
	}
	slot := e.free[len(e.free)-1]
	l := &e.slots[slot]
	l.gen++
	head := e.appendHead(e.buf[:0], from, m, e.id(slot), true)
	if len(head) > headSize {
		e.Odd.add(TooLong, nil, raw)
		e.reply(socket, from, to, m, "SIP/2.0 513 Message Too Large\r\n")
		return
	}
	e.free = e.free[:len(e.free)-1]
	e.Counts.Invites++
	e.legs[key] = slot
	l.key, l.branch, l.socket, l.to, l.code = key, e.branchOf(m), int32(socket), endpointOf(to), 0
	l.head = uint16(copy(l.text[:], head))
	if e.reject.next() {
		e.Counts.Rejected++
		e.final(slot, now, e.c.RejectAs)
		return
	}
	l.state = ringing
	e.send(slot)
	if e.c.Ring <= 0 {
		e.final(slot, now, 200)
		return
	}
	e.wheel.Set(slot, now+e.c.Ring)
}

// final sends the final response to INVITE and starts timers G and H, or those of
// 13.3.1.4.
func (e *Callee) final(slot int32, now time.Duration, code int) {
	l := &e.slots[slot]
	l.code, l.state = uint16(code), refusedUnacked
	if code == 200 {
		l.state = answeredUnacked
		e.Counts.Answered++
	}
	l.interval, l.deadline = e.c.Timers.T1, now+e.c.Timers.giveUp()
	e.send(slot)
	e.wheel.Set(slot, now+l.interval)
}

// send writes the last response to the INVITE of a leg.
func (e *Callee) send(slot int32) {
	l := &e.slots[slot]
	t := e.texts[l.socket]
	status, tail := "SIP/2.0 180 Ringing\r\n", t.ringing
	switch l.code {
	case 0:
	case 200:
		status, tail = "SIP/2.0 200 OK\r\n", t.answer
	case 487:
		status, tail = "SIP/2.0 487 Request Terminated\r\n", nil
	default:
		status, tail = "", nil
	}
	b := append(e.buf[:0], status...)
	if status == "" {
		b = append(b, e.refuse...)
	}
	b = append(b, l.text[:l.head]...)
	if tail != nil {
		b = append(b, tail...)
	} else {
		b = append(b, noBody...)
	}
	e.net.Send(int(l.socket), l.to.addrPort(), b)
}

// Expire is called by the wheel.
func (e *Callee) Expire(slot int32, at time.Duration) {
	l := &e.slots[slot]
	switch {
	case l.state == ringing:
		e.final(slot, at, 200)
	case l.state == confirmed:
		e.Counts.Abandoned++
		e.end(slot, at, endedLeg)
	case at >= l.deadline:
		e.Counts.AckTimeouts++
		e.end(slot, at, endedLeg)
	default:
		e.Counts.Retransmissions++
		e.send(slot)
		l.interval = min(2*l.interval, e.c.Timers.T2)
		e.wheel.Set(slot, min(at+l.interval, l.deadline))
	}
}

// inviteAgain takes an INVITE of a call that is up.
func (e *Callee) inviteAgain(slot int32, m *wire.Message, raw []byte) {
	l := &e.slots[slot]
	switch {
	case len(wire.Tag(m.To)) > 0: // re-INVITE: no caller here sends one
		e.Odd.add(WrongState, nil, raw)
	case e.branchOf(m) != l.branch: // 8.2.2.2
		e.Odd.add(MergedInvite, nil, raw)
	default:
		e.Counts.Duplicates++
		if l.state == ringing || l.state == refusedUnacked { // 17.2.1
			e.send(slot)
		}
	}
}

func (e *Callee) ack(now time.Duration, slot int32, live bool, key uint64, m *wire.Message, raw []byte) {
	switch {
	case slot == endedWithoutA:
		e.Counts.OutOfOrder++
		e.legs[key] = endedLeg
	case slot == endedLeg:
		e.Counts.Duplicates++
	case !live && e.statelessTag(wire.Tag(m.To)): // the ACK of a refusal we kept no state of
	case !live:
		e.Odd.add(UnknownCall, nil, raw)
	case !e.ourTag(slot, wire.Tag(m.To)):
		e.Odd.add(WrongTransaction, nil, raw)
	default:
		switch e.slots[slot].state {
		case answeredUnacked:
			e.slots[slot].state = confirmed
			e.wheel.Set(slot, now+e.c.Lifetime)
		case refusedUnacked:
			e.end(slot, now, endedLeg)
		case confirmed:
			e.Counts.Duplicates++
		default:
			e.Odd.add(WrongState, nil, raw)
		}
	}
}

func (e *Callee) bye(slot int32, now time.Duration) {
	e.Counts.Completed++
	if e.slots[slot].state == answeredUnacked {
		e.Counts.ByeBeforeAck++
		e.end(slot, now, endedWithoutA)
		return
	}
	e.end(slot, now, endedLeg)
}

// cancel takes a CANCEL that was answered already; what has a final response
// stays as it is (9.2).
func (e *Callee) cancel(slot int32, now time.Duration, m *wire.Message) {
	if l := &e.slots[slot]; l.state == ringing && e.branchOf(m) == l.branch {
		e.Counts.Cancelled++
		e.final(slot, now, 487)
	}
}

// end frees the slot, and remembers the call for as long as its caller may repeat
// the BYE (timer J, 17.2.2).
func (e *Callee) end(slot int32, now time.Duration, as int32) {
	e.wheel.Clear(slot)
	l := &e.slots[slot]
	l.state = idle
	e.free = append(e.free, slot)
	if e.kept == len(e.ended) {
		e.forget()
	}
	e.ended[(e.oldest+e.kept)%len(e.ended)] = ending{l.key, now + e.c.Timers.giveUp()}
	e.kept++
	e.legs[l.key] = as
}
