package spec

import "time"

// maxDatagram is the most a UDP datagram carries in its length field; IP takes
// some of it again, so nothing larger can arrive.
const maxDatagram = 65535

func (d *decoder) limits(root *section, s *Spec) {
	s.Limits = Limits{RetryAfter: 5 * time.Second, MessageSize: maxDatagram, Refusal: Refusal{Code: 503}}
	sec := root.one("limits")
	if sec == nil {
		return
	}
	l := Limits{
		CPS:             sec.integer("cps", 1, maxInt, 0),
		Burst:           sec.integer("burst", 1, maxInt, 0),
		ConcurrentCalls: sec.integer("concurrent_calls", 1, maxInt, 0),
		RetryAfter:      sec.duration("retry_after", time.Second, time.Hour, 5*time.Second),
		MessageSize:     int(sec.size("message_size", 1500, 64<<10, maxDatagram)),
		Range:           sec.def,
		CPSRange:        sec.rng("cps"),
		ConcurrentRange: sec.rng("concurrent_calls"),
	}
	l.MessageSize = min(l.MessageSize, maxDatagram) // "64KiB" is what people write for it
	if l.RetryAfter%time.Second != 0 {
		sec.wrong("retry_after", "Retry-After counts whole seconds (RFC 3261 section 20.33).")
	}
	if !d.burstWithoutCPS(sec) && !sec.stated("burst") {
		l.Burst = l.CPS
	}
	if sec.stated("cps") && !sec.stated("concurrent_calls") && !sec.typos["concurrent_calls"] {
		d.warnf(sec.rng("cps"), "Calls in progress are not limited", "cps limits how fast calls arrive, not how many stay: calls that last longer than planned fill the memory all the same. Add concurrent_calls.")
	}
	if sec.stated("concurrent_calls") && !sec.stated("cps") && !sec.typos["cps"] {
		d.warnf(sec.rng("concurrent_calls"), "New calls are not limited", "concurrent_calls limits how many calls stay, not how fast they arrive: a flood of short calls takes the CPU all the same. Add cps.")
	}
	l.Refusal = Refusal{Code: 503}
	if r := refusal(sec); r != nil {
		l.Refusal = *r
	}
	l.Emergency = d.emergency(sec)
	d.scopedLimits(sec, &l)
	s.Limits = l
}

func (d *decoder) transaction(root *section, s *Spec) {
	t := Transaction{
		ReplyTimeout:  5 * time.Second,
		InviteTimeout: 30 * time.Second,
		Wait:          5 * time.Second,
		CallLifetime:  30 * time.Minute,
		DrainTimeout:  30 * time.Second,
	}
	invite, lifetime := s.Workload.RingRange, s.Workload.DurationRange
	if sec := root.one("transaction"); sec != nil {
		// Below T1 (500 ms) the first retransmission has not left; beyond 64 x T1
		// RFC 3261 has ended the transaction (timers B and F).
		t.ReplyTimeout = sec.duration("reply_timeout", 500*time.Millisecond, 32*time.Second, t.ReplyTimeout)
		t.InviteTimeout = sec.duration("invite_timeout", time.Second, 10*time.Minute, t.InviteTimeout)
		t.Wait = sec.duration("wait", 500*time.Millisecond, 32*time.Second, t.Wait)
		t.CallLifetime = sec.duration("call_lifetime", time.Minute, 24*time.Hour, t.CallLifetime)
		t.DrainTimeout = sec.duration("drain_timeout", 0, time.Hour, t.DrainTimeout)
		t.Range = sec.def
		t.InviteRange, t.ReplyRange, t.LifetimeRange = sec.rng("invite_timeout"), sec.rng("reply_timeout"), sec.rng("call_lifetime")
		invite, lifetime = t.InviteRange, t.LifetimeRange
		if t.ReplyTimeout >= t.InviteTimeout {
			d.errorf(sec.rng("reply_timeout"), "Reply timeout too long", "After %s without a final reply the call is given up (invite_timeout), so a destination that is silent for %s is never left for the next. Write a reply_timeout below the invite_timeout.", shortDuration(t.InviteTimeout), shortDuration(t.ReplyTimeout))
		}
	}
	s.Transaction = t
	if s.Workload.Range.Filename == "" {
		return
	}
	if ring := s.Workload.RingTime; ring >= t.InviteTimeout {
		d.errorf(invite, "INVITE timeout below the ring time", "Calls ring for %s on average (workload, ring_time) and would be ended after %s. Write a longer invite_timeout in the transaction block, or correct the ring_time.", shortDuration(ring), shortDuration(t.InviteTimeout))
	}
	if dur := s.Workload.CallDuration; dur >= t.CallLifetime {
		d.errorf(lifetime, "Call lifetime below the call duration", "Calls last %s on average (workload, call_duration), and their accounting would end after %s. Write a longer call_lifetime in the transaction block, or correct the call_duration.", shortDuration(dur), shortDuration(t.CallLifetime))
	}
}

func (d *decoder) firewall(root *section, s *Spec) {
	s.Firewall = Firewall{Enabled: true}
	sec := root.one("firewall")
	if sec == nil {
		return
	}
	s.Firewall = Firewall{
		Enabled:     sec.boolean("enabled", true),
		SourceRate:  sec.integerOrAuto("source_rate", 1, maxInt),
		SourceBurst: sec.integerOrAuto("source_burst", 1, maxInt),
		Range:       sec.def,
	}
}
