package agent

import (
	"bytes"
	"net/netip"
	"time"

	"trunkline/tools/sipload/wire"
)

// toInvite takes a response to INVITE.
func (r *Caller) toInvite(slot int32, now time.Duration, m *wire.Message, raw []byte) {
	k := &r.calls[slot]
	open := k.state == inviting || k.state == proceeding || (k.state == cancelling || k.state == cancelled) && k.flags&inviteRefused == 0
	switch {
	case m.Status < 200:
		r.provisional(slot, now, m, open)
	case m.Status < 300 && open:
		if k.state == cancelling || k.state == cancelled {
			r.Counts.CancelLost++
		}
		r.answered(slot, now, m, raw)
	case m.Status < 300 && (k.state == holding || k.state == leaving):
		if !bytes.Equal(m.To, k.text[:k.toEnd]) { // a second branch answered: not what a single callee does
			r.Odd.add(WrongState, nil, raw)
			return
		}
		r.Counts.Duplicates++
		r.Counts.AcksRepeated++
		r.send(slot, wire.ACK)
	case m.Status >= 300 && open:
		r.refused(slot, now, m)
	case m.Status >= 300 && k.flags&inviteRefused != 0:
		r.Counts.Duplicates++
		r.Counts.AcksRepeated++
		r.sendAckOfRefusal(int(k.socket), k.id(slot), k.number, m.To)
	default:
		r.Odd.add(WrongState, nil, raw)
	}
}

func (r *Caller) provisional(slot int32, now time.Duration, m *wire.Message, open bool) {
	k := &r.calls[slot]
	flag, h := gotTrying, r.Latencies.Trying
	if m.Status > 100 {
		flag, h = gotRinging, r.Latencies.Ringing
	}
	switch {
	case !open, flag == gotTrying && k.flags&gotRinging != 0:
		r.Counts.OutOfOrder++
		return
	case k.flags&flag != 0:
		r.Counts.Duplicates++
		return
	}
	k.flags |= flag
	if k.flags&measured != 0 {
		record(h, now-k.scheduled)
	}
	if k.state == inviting { // timers A and B end (17.1.1.2)
		k.state = proceeding
		k.deadline = now + r.c.AnswerIn
	}
	if k.state == proceeding {
		if flag == gotRinging && k.flags&wantCancel != 0 {
			k.cancelAt = now + r.c.CancelIn
		}
		if k.cancelAt > 0 {
			r.wheel.Set(slot, min(k.cancelAt, k.deadline))
		} else {
			r.wheel.Set(slot, k.deadline)
		}
	}
}

func (r *Caller) answered(slot int32, now time.Duration, m *wire.Message, raw []byte) {
	k := &r.calls[slot]
	if reason, ok := r.dialog(k, m); !ok {
		r.Odd.add(reason, nil, raw)
		r.fail(slot, m.Status)
		return
	}
	r.Counts.Answered++
	if k.flags&gotRinging == 0 {
		r.Counts.Unrung++
	}
	if k.flags&measured != 0 {
		record(r.Latencies.Answer, now-k.scheduled)
	}
	r.send(slot, wire.ACK)
	k.state = holding
	if r.c.Hold <= 0 {
		r.leave(slot, now)
		return
	}
	r.wheel.Set(slot, now+r.c.Hold)
}

// dialog keeps what the requests of the dialog need: the To value, the remote
// target and the route set, which is Record-Route backwards (12.1.2).
func (r *Caller) dialog(k *call, m *wire.Message) (Reason, bool) {
	target := wire.AddressURI(m.Contact)
	if len(target) == 0 {
		return NoContact, false
	}
	var routes [wire.MaxLines][]byte
	n := 0
	for i := range m.RecordRt.N {
		for value, rest := wire.NextValue(m.RecordRt.Value[i]); ; value, rest = wire.NextValue(rest) {
			if n == len(routes) {
				return TooLong, false
			}
			routes[n] = value
			n++
			if rest == nil {
				break
			}
		}
	}
	to, uri := target, target
	first, last := n-1, []byte(nil)
	if n > 0 {
		to = wire.AddressURI(routes[first])
		if _, loose := wire.Param(to, "lr"); !loose { // a strict router (12.2.1.1)
			uri, last = to, target
			first--
		}
	}
	hop, ok := wire.HostPort(to)
	if !ok || !r.c.Permitted(hop.Addr()) {
		return Unroutable, false
	}
	b := append(k.text[:0], m.To...)
	k.toEnd = uint16(len(b))
	b = append(b, uri...)
	k.uriEnd = uint16(min(len(b), slotText))
	for i := first; i >= 0; i-- {
		b = append(b, "Route: "...)
		b = append(b, routes[i]...)
		b = append(b, "\r\n"...)
	}
	if last != nil {
		b = append(b, "Route: <"...)
		b = append(b, last...)
		b = append(b, ">\r\n"...)
	}
	if len(b) > slotText {
		return TooLong, false
	}
	k.textEnd, k.hop = uint16(len(b)), endpointOf(netip.AddrPortFrom(hop.Addr(), hop.Port()))
	return 0, true
}

func (r *Caller) refused(slot int32, now time.Duration, m *wire.Message) {
	k := &r.calls[slot]
	if k.flags&measured != 0 {
		record(r.Latencies.Refusal, now-k.scheduled)
	}
	r.sendAckOfRefusal(int(k.socket), k.id(slot), k.number, m.To)
	k.code = uint16(m.Status)
	if k.state == cancelling { // the response to CANCEL is still to come
		k.flags |= inviteRefused
		return
	}
	r.endRefused(slot, k.state == cancelled)
}

func (r *Caller) endRefused(slot int32, wasCancelled bool) {
	switch code := int(r.calls[slot].code); {
	case wasCancelled && code == 487:
		r.Counts.Cancelled++
		r.end(slot)
	case code == r.c.RejectAs:
		r.Counts.Rejected++
		r.end(slot)
	default:
		r.fail(slot, code)
	}
}

// toCancel takes a response to CANCEL.
func (r *Caller) toCancel(slot int32, now time.Duration, m *wire.Message, raw []byte) {
	k := &r.calls[slot]
	switch {
	case k.cancelAt == 0 || now < k.cancelAt:
		r.Odd.add(WrongState, nil, raw)
	case m.Status < 200:
	case k.state != cancelling: // repeated, or the call was answered first
		if k.state == cancelled {
			r.Counts.Duplicates++
		}
	default:
		if m.Status >= 300 {
			r.Odd.add(CancelRefused, nil, raw)
		}
		if k.flags&inviteRefused != 0 {
			r.endRefused(slot, true)
			return
		}
		k.state = cancelled
		k.deadline = now + r.c.Timers.giveUp() // 9.1
		r.wheel.Set(slot, k.deadline)
	}
}

// toBye takes a response to BYE.
func (r *Caller) toBye(slot int32, now time.Duration, m *wire.Message, raw []byte) {
	k := &r.calls[slot]
	switch {
	case k.state != leaving:
		r.Odd.add(WrongState, nil, raw)
	case m.Status < 200: // timer E goes on, at its longest (17.1.2.2)
		k.interval = r.c.Timers.T2
	case m.Status >= 300:
		r.Odd.add(ByeRefused, nil, raw)
		r.fail(slot, m.Status)
	default:
		if k.flags&measured != 0 {
			record(r.Latencies.Bye, now-k.byeAt)
		}
		r.Counts.Completed++
		r.end(slot)
	}
}

// toOptions takes a response to OPTIONS.
func (r *Caller) toOptions(slot int32, now time.Duration, m *wire.Message, raw []byte) {
	k := &r.calls[slot]
	switch {
	case k.state != asking:
		r.Odd.add(WrongState, nil, raw)
	case m.Status < 200:
		k.interval = r.c.Timers.T2
	default:
		if k.flags&measured != 0 {
			record(r.Latencies.Options, now-k.scheduled)
		}
		if m.Status >= 300 && m.Status != r.c.RejectAs {
			r.fail(slot, m.Status)
			return
		}
		if m.Status >= 300 {
			r.Counts.Rejected++
		} else {
			r.Counts.Completed++
		}
		r.end(slot)
	}
}
