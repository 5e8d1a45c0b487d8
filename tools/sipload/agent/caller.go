package agent

import (
	"bytes"
	"fmt"
	"net/netip"
	"time"

	"trunkline/tools/sipload/wheel"
	"trunkline/tools/sipload/wire"
)

// CallerConfig says how calls are placed.
type CallerConfig struct {
	Target    netip.AddrPort
	Locals    []netip.AddrPort // of sockets 0 and up; calls take turns
	Slots     int              // most calls at once
	Run       uint32           // goes into all identifiers: tells runs apart
	Options   bool             // send OPTIONS instead of calls
	Hold      time.Duration    // from the ACK to the BYE
	RejectAs  int              // a refusal with this code is what is wanted; 0: no refusal is
	Cancel    float64          // share of calls that are cancelled once they ring
	CancelIn  time.Duration    // from the ringing to the CANCEL
	AnswerIn  time.Duration    // how long a call may stay without a final response once it has a provisional one
	Timers    Timers
	Texts     Texts
	Permitted func(netip.Addr) bool // whether a dialog may lead there
}

// states of a call.
const (
	idle       uint8 = iota
	inviting         // no response yet: timer A
	proceeding       // a provisional response came
	cancelling       // CANCEL sent, not answered: timer E
	cancelled        // CANCEL answered, INVITE not
	holding          // answered
	leaving          // BYE sent: timer E
	asking           // OPTIONS sent: timer E
)

// flags of a call.
const (
	measured uint8 = 1 << iota
	gotTrying
	gotRinging
	wantCancel
	inviteRefused // the INVITE is refused, the CANCEL not answered
)

// slotText is what a call keeps of its dialog: To value, remote target, Route lines.
const slotText = 1000

// call is one slot.
type call struct {
	scheduled, byeAt       time.Duration
	cancelAt               time.Duration // 0: never
	interval, deadline     time.Duration // of the request under way
	hop                    endpoint      // where requests of the dialog go
	gen, number            uint32
	socket                 int32
	code                   uint16 // of the refusal
	toEnd, uriEnd, textEnd uint16 // within text
	state, flags           uint8
	text                   [slotText]byte
}

// Caller places calls.
type Caller struct {
	Counts    CallerCounts
	Failures  Codes // calls, BYEs and OPTIONS that failed, by the code they got
	Odd       Odd
	Latencies *Latencies

	c      CallerConfig
	net    Network
	texts  []*callerTexts
	wheel  *wheel.Wheel
	calls  []call
	free   []int32
	live   int
	number uint32
	cancel share
	run    []byte
	buf    []byte
}

// NewCaller makes a caller that sends to n.
func NewCaller(c CallerConfig, n Network) *Caller {
	r := &Caller{
		Latencies: NewLatencies(), c: c, net: n, wheel: wheel.New(c.Slots, tick), calls: make([]call, c.Slots),
		free: make([]int32, c.Slots), cancel: newShare(c.Cancel), buf: make([]byte, 0, MaxMessage+4*slotText),
	}
	r.run = fmt.Appendf(nil, "%08x", c.Run)
	for i := range r.free { // the lowest slots are used first, so memory is only touched as needed
		r.free[i] = int32(c.Slots - 1 - i)
	}
	for _, l := range c.Locals {
		r.texts = append(r.texts, newCallerTexts(c.Texts, l, c.Target, string(r.run)))
	}
	return r
}

// Reset forgets counts, samples and latencies; calls go on.
func (r *Caller) Reset() {
	r.Counts, r.Failures, r.Odd, r.Latencies = CallerCounts{}, Codes{}, Odd{}, NewLatencies()
}

// Live is the number of calls under way.
func (r *Caller) Live() int { return r.live }

// Next is when Advance is due; ok is false while no timer runs.
func (r *Caller) Next() (time.Duration, bool) { return r.wheel.Next() }

// Advance works off the timers due at now.
func (r *Caller) Advance(now time.Duration) { r.wheel.Advance(now, r) }

func (k *call) id(slot int32) uint64 { return uint64(slot)<<32 | uint64(k.gen) }

// Start places the call that was scheduled for an instant, now. measure says
// whether its latencies are recorded. It reports whether there was room for it.
func (r *Caller) Start(scheduled, now time.Duration, measure bool) bool {
	if len(r.free) == 0 {
		r.Counts.NotStarted++
		return false
	}
	slot := r.free[len(r.free)-1]
	r.free = r.free[:len(r.free)-1]
	k := &r.calls[slot]
	k.gen++
	r.number++
	k.scheduled, k.number, k.flags, k.cancelAt = scheduled, r.number, 0, 0
	k.socket = int32(r.number) % int32(len(r.texts))
	if measure {
		k.flags |= measured
		record(r.Latencies.Lag, now-scheduled)
	}
	r.Counts.Started++
	r.live++
	if r.c.Options {
		k.state = asking
		r.begin(slot, now, wire.OPTIONS)
		return true
	}
	if r.cancel.next() {
		k.flags |= wantCancel
	}
	k.state = inviting
	r.begin(slot, now, wire.INVITE)
	return true
}

// begin sends a request for the first time and starts its timers.
func (r *Caller) begin(slot int32, now time.Duration, m wire.Method) {
	k := &r.calls[slot]
	k.interval, k.deadline = r.c.Timers.T1, now+r.c.Timers.giveUp()
	r.send(slot, m)
	r.wheel.Set(slot, now+k.interval)
}

// send writes a request of the call from what the slot holds.
func (r *Caller) send(slot int32, m wire.Method) {
	k := &r.calls[slot]
	t, id, to := r.texts[k.socket], k.id(slot), r.c.Target
	b := r.buf[:0]
	switch m {
	case wire.INVITE:
		b = t.invite.Append(b, id, k.number)
	case wire.CANCEL:
		b = t.cancel.Append(b, id, k.number)
	case wire.OPTIONS:
		b = t.options.Append(b, id, k.number)
	case wire.ACK:
		b, to = r.inDialog(b, k, id, "ACK ", &t.ackVia, &t.ackEnd), k.hop.addrPort()
	case wire.BYE:
		b, to = r.inDialog(b, k, id, "BYE ", &t.byeVia, &t.byeEnd), k.hop.addrPort()
	}
	r.net.Send(int(k.socket), to, b)
}

func (r *Caller) inDialog(b []byte, k *call, id uint64, method string, via, end *wire.Template) []byte {
	b = append(b, method...)
	b = append(b, k.text[k.toEnd:k.uriEnd]...)
	b = via.Append(b, id, 0)
	b = append(b, k.text[k.uriEnd:k.textEnd]...)
	b = r.texts[k.socket].dialog.Append(b, id, 0)
	b = append(b, k.text[:k.toEnd]...)
	return end.Append(b, id, 0)
}

// sendAckOfRefusal acknowledges a final response other than 2xx: with what it
// says itself, so it needs no state of the call (17.1.1.3).
func (r *Caller) sendAckOfRefusal(socket int, id uint64, number uint32, to []byte) {
	t := r.texts[socket]
	b := t.refused.Append(r.buf[:0], id, number)
	if len(to) > slotText {
		to = to[:slotText]
	}
	b = append(b, to...)
	r.net.Send(socket, r.c.Target, t.ackEnd.Append(b, id, number))
}

// Expire is called by the wheel.
func (r *Caller) Expire(slot int32, at time.Duration) {
	k := &r.calls[slot]
	switch k.state {
	case holding:
		r.leave(slot, at)
	case proceeding:
		if k.cancelAt > 0 && at >= k.cancelAt {
			k.state = cancelling
			r.begin(slot, at, wire.CANCEL)
			return
		}
		r.timeout(slot, wire.INVITE)
	case cancelled:
		r.timeout(slot, wire.INVITE)
	case inviting:
		r.repeat(slot, at, wire.INVITE)
	case cancelling:
		r.repeat(slot, at, wire.CANCEL)
	case leaving:
		r.repeat(slot, at, wire.BYE)
	case asking:
		r.repeat(slot, at, wire.OPTIONS)
	}
}

// repeat is timer A or E, and B or F at the end (17.1.1.2, 17.1.2.2).
func (r *Caller) repeat(slot int32, at time.Duration, m wire.Method) {
	k := &r.calls[slot]
	if at >= k.deadline {
		r.timeout(slot, m)
		return
	}
	r.Counts.Retransmissions.add(m)
	r.send(slot, m)
	k.interval *= 2
	if m != wire.INVITE {
		k.interval = min(k.interval, r.c.Timers.T2)
	}
	r.wheel.Set(slot, min(at+k.interval, k.deadline))
}

func (r *Caller) timeout(slot int32, m wire.Method) {
	r.Counts.Timeouts.add(m)
	r.Counts.Failed++
	r.end(slot)
}

// leave sends the BYE; at is when it was due.
func (r *Caller) leave(slot int32, at time.Duration) {
	k := &r.calls[slot]
	k.state, k.byeAt = leaving, at
	r.begin(slot, at, wire.BYE)
}

func (r *Caller) end(slot int32) {
	r.wheel.Clear(slot)
	r.calls[slot].state = idle
	r.free = append(r.free, slot)
	r.live--
}

// fail ends a call that got a response it cannot go on from.
func (r *Caller) fail(slot int32, code int) {
	r.Counts.Failed++
	r.Failures[code]++
	r.end(slot)
}

// Malformed counts a datagram that is no message.
func (r *Caller) Malformed(err error, raw []byte) { r.Odd.add(Malformed, err, raw) }

// Receive takes a response; raw is its bytes.
func (r *Caller) Receive(now time.Duration, socket int, m *wire.Message, raw []byte) {
	id, ok := wire.ID(m.CallID)
	slot := int32(id >> 32)
	if !ok || socket >= len(r.texts) || id>>32 >= uint64(len(r.calls)) || !bytes.Equal(m.CallID[wire.IDLen:], r.texts[socket].callIDEnd) {
		r.Odd.add(UnknownCall, nil, raw)
		return
	}
	switch {
	case wire.CountVias(m, 2) != 1:
		r.Odd.add(WrongVia, nil, raw)
		return
	case !r.matches(m, id):
		r.Odd.add(WrongTransaction, nil, raw)
		return
	case m.Status > 100 && len(wire.Tag(m.To)) == 0:
		r.Odd.add(NoToTag, nil, raw)
		return
	}
	k := &r.calls[slot]
	if k.gen != uint32(id) || k.state == idle {
		r.late(socket, id, m)
		return
	}
	switch m.Method {
	case wire.INVITE:
		r.toInvite(slot, now, m, raw)
	case wire.CANCEL:
		r.toCancel(slot, now, m, raw)
	case wire.BYE:
		r.toBye(slot, now, m, raw)
	case wire.OPTIONS:
		r.toOptions(slot, now, m, raw)
	}
}

// matches reports whether a response belongs to a request of ours: by the branch
// and the method of CSeq (17.1.3); the From comes back as it was (8.2.6.2).
func (r *Caller) matches(m *wire.Message, id uint64) bool {
	const cookie = "z9hG4bK"
	branch, _ := wire.Param(m.Via.Value[0], "branch")
	if len(branch) != len(cookie)+wire.IDLen+len(r.run)+1 || string(branch[:len(cookie)]) != cookie {
		return false
	}
	of, ok := wire.ID(branch[len(cookie):])
	tag, tagged := wire.ID(wire.Tag(m.From))
	rest := branch[len(cookie)+wire.IDLen:]
	if !ok || of != id || !tagged || tag != id || !bytes.Equal(rest[:len(r.run)], r.run) {
		return false
	}
	switch letter := rest[len(r.run)]; m.Method {
	case wire.INVITE:
		return letter == 'i' && string(m.CSeq) == "1 INVITE"
	case wire.CANCEL:
		return letter == 'i' && string(m.CSeq) == "1 CANCEL"
	case wire.BYE:
		return letter == 'b' && string(m.CSeq) == "2 BYE"
	case wire.OPTIONS:
		return letter == 'o' && string(m.CSeq) == "1 OPTIONS"
	}
	return false
}

// late takes a response to a call that has ended.
func (r *Caller) late(socket int, id uint64, m *wire.Message) {
	if m.Status < 200 {
		r.Counts.OutOfOrder++
		return
	}
	r.Counts.Duplicates++
	if m.Method == wire.INVITE && m.Status >= 300 {
		// Its To is the URI we called, with the number.
		uri := wire.AddressURI(m.To)
		if at := bytes.IndexByte(uri, '@'); at >= wire.NumberLen {
			var n uint32
			for _, c := range uri[at-wire.NumberLen : at] {
				n = n*10 + uint32(c-'0')
			}
			r.Counts.AcksRepeated++
			r.sendAckOfRefusal(socket, id, n, m.To)
		}
	}
}
