package agent

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trunkline/tools/sipload/wire"
)

const (
	ms    = time.Millisecond
	whole = "> INVITE, < 180 INVITE, < 200 INVITE, > ACK, > BYE, < 200 BYE"
)

// One call each, with one thing that goes wrong: what is sent, and every counter
// that is not zero.
func TestOneCall(t *testing.T) {
	for _, c := range []struct {
		name   string
		caller CallerConfig
		callee CalleeConfig
		via    func(packet) []packet
		script string
		up     CallerCounts
		down   CalleeCounts
		failed string
	}{
		{
			name: "call", caller: CallerConfig{Hold: 100 * ms}, callee: CalleeConfig{Ring: 20 * ms}, script: whole,
			up: CallerCounts{Answered: 1, Completed: 1}, down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1},
		}, {
			name: "back to back, no hold", script: whole,
			up: CallerCounts{Answered: 1, Completed: 1}, down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1},
		}, {
			name: "INVITE lost", via: nth("INVITE", 1, lost), script: "> INVITE, " + whole,
			up:   CallerCounts{Answered: 1, Completed: 1, Retransmissions: PerMethod{INVITE: 1}},
			down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1},
		}, {
			name: "every INVITE lost", via: nth("INVITE", 0, lost), script: strings.Repeat("> INVITE, ", 6) + "> INVITE",
			up: CallerCounts{Failed: 1, Retransmissions: PerMethod{INVITE: 6}, Timeouts: PerMethod{INVITE: 1}},
		}, {
			name: "180 lost", callee: CalleeConfig{Ring: 900 * ms}, via: nth("180 INVITE", 1, lost),
			script: "> INVITE, < 180 INVITE, > INVITE, < 180 INVITE, < 200 INVITE, > ACK, > BYE, < 200 BYE",
			up:     CallerCounts{Answered: 1, Completed: 1, Retransmissions: PerMethod{INVITE: 1}},
			down:   CalleeCounts{Invites: 1, Answered: 1, Completed: 1, Duplicates: 1},
		}, {
			name: "200 lost", via: nth("200 INVITE", 1, lost),
			script: "> INVITE, < 180 INVITE, < 200 INVITE, < 200 INVITE, > ACK, > BYE, < 200 BYE",
			up:     CallerCounts{Answered: 1, Completed: 1}, down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1, Retransmissions: 1},
		}, {
			name: "every 200 lost", via: nth("200 INVITE", 0, lost),
			script: "> INVITE, < 180 INVITE" + strings.Repeat(", < 200 INVITE", 11), // at 0, .5, 1.5, 3.5, 7.5 s, then every 4 s
			up:     CallerCounts{Failed: 1, Timeouts: PerMethod{INVITE: 1}},
			down:   CalleeCounts{Invites: 1, Answered: 1, Retransmissions: 10, AckTimeouts: 1},
		}, {
			name: "ACK lost", caller: CallerConfig{Hold: time.Second}, via: nth("ACK", 1, lost),
			script: "> INVITE, < 180 INVITE, < 200 INVITE, > ACK, < 200 INVITE, > ACK, > BYE, < 200 BYE",
			up:     CallerCounts{Answered: 1, Completed: 1, Duplicates: 1, AcksRepeated: 1},
			down:   CalleeCounts{Invites: 1, Answered: 1, Completed: 1, Retransmissions: 1},
		}, {
			name: "ACK lost, no hold", via: nth("ACK", 1, lost), script: whole,
			up:   CallerCounts{Answered: 1, Completed: 1},
			down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1, ByeBeforeAck: 1},
		}, {
			name: "BYE overtakes ACK", via: nth("ACK", 1, late(ms)), script: whole,
			up:   CallerCounts{Answered: 1, Completed: 1},
			down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1, ByeBeforeAck: 1, OutOfOrder: 1},
		}, {
			name: "BYE lost", via: nth("BYE", 1, lost), script: strings.Replace(whole, "> BYE", "> BYE, > BYE", 1),
			up:   CallerCounts{Answered: 1, Completed: 1, Retransmissions: PerMethod{BYE: 1}},
			down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1},
		}, {
			name: "every BYE lost", via: nth("BYE", 0, lost), script: strings.TrimSuffix(whole, ", < 200 BYE") + strings.Repeat(", > BYE", 10),
			up:   CallerCounts{Answered: 1, Failed: 1, Retransmissions: PerMethod{BYE: 10}, Timeouts: PerMethod{BYE: 1}},
			down: CalleeCounts{Invites: 1, Answered: 1}, // and stays up: see TestAbandonedCalls
		}, {
			name: "200 of BYE lost", via: nth("200 BYE", 1, lost), script: whole + ", > BYE, < 200 BYE",
			up:   CallerCounts{Answered: 1, Completed: 1, Retransmissions: PerMethod{BYE: 1}},
			down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1, Duplicates: 1},
		}, {
			name: "everything twice", via: twice, caller: CallerConfig{Hold: 50 * ms}, callee: CalleeConfig{Ring: 50 * ms},
			script: "> INVITE, < 180 INVITE, < 180 INVITE, < 200 INVITE, > ACK, > ACK, > BYE, < 200 BYE, < 200 BYE",
			// 180 four times, 200 twice, 200 of BYE four times
			up:   CallerCounts{Answered: 1, Completed: 1, Duplicates: 3 + 1 + 3, AcksRepeated: 1},
			down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1, Duplicates: 1 + 3 + 1},
		}, {
			name: "180 after 200", via: nth("180 INVITE", 1, late(1500*time.Microsecond)), script: whole, caller: CallerConfig{Hold: 10 * ms},
			up: CallerCounts{Answered: 1, Completed: 1, OutOfOrder: 1, Unrung: 1}, down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1},
		}, {
			name: "180 after the call", via: nth("180 INVITE", 1, late(time.Second)), script: whole,
			up: CallerCounts{Answered: 1, Completed: 1, OutOfOrder: 1, Unrung: 1}, down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1},
		}, {
			name: "refused as wanted", caller: CallerConfig{RejectAs: 486}, callee: CalleeConfig{RejectAs: 486, Reject: 1},
			script: "> INVITE, < 486 INVITE, > ACK", up: CallerCounts{Rejected: 1}, down: CalleeCounts{Invites: 1, Rejected: 1},
		}, {
			name: "refused with another code", caller: CallerConfig{RejectAs: 486}, callee: CalleeConfig{RejectAs: 503, Reject: 1},
			script: "> INVITE, < 503 INVITE, > ACK", up: CallerCounts{Failed: 1}, down: CalleeCounts{Invites: 1, Rejected: 1}, failed: "map[503:1]",
		}, {
			name: "refusal lost", caller: CallerConfig{RejectAs: 486}, callee: CalleeConfig{RejectAs: 486, Reject: 1}, via: nth("486 INVITE", 1, lost),
			script: "> INVITE, < 486 INVITE, > INVITE, < 486 INVITE, < 486 INVITE, > ACK, > ACK", // timers A and G, 1 ms apart
			up:     CallerCounts{Rejected: 1, Retransmissions: PerMethod{INVITE: 1}, Duplicates: 1, AcksRepeated: 1},
			down:   CalleeCounts{Invites: 1, Rejected: 1, Retransmissions: 1, Duplicates: 2},
		}, {
			name: "ACK of refusal lost", caller: CallerConfig{RejectAs: 486}, callee: CalleeConfig{RejectAs: 486, Reject: 1}, via: nth("ACK", 1, lost),
			script: "> INVITE, < 486 INVITE, > ACK, < 486 INVITE, > ACK",
			up:     CallerCounts{Rejected: 1, Duplicates: 1, AcksRepeated: 1}, down: CalleeCounts{Invites: 1, Rejected: 1, Retransmissions: 1},
		}, {
			name: "cancelled", caller: CallerConfig{Cancel: 1, CancelIn: 30 * ms}, callee: CalleeConfig{Ring: time.Second},
			script: "> INVITE, < 180 INVITE, > CANCEL, < 200 CANCEL, < 487 INVITE, > ACK",
			up:     CallerCounts{Cancelled: 1}, down: CalleeCounts{Invites: 1, Cancelled: 1},
		}, {
			name: "CANCEL lost", caller: CallerConfig{Cancel: 1}, callee: CalleeConfig{Ring: time.Second}, via: nth("CANCEL", 1, lost),
			script: "> INVITE, < 180 INVITE, > CANCEL, > CANCEL, < 200 CANCEL, < 487 INVITE, > ACK",
			up:     CallerCounts{Cancelled: 1, Retransmissions: PerMethod{CANCEL: 1}}, down: CalleeCounts{Invites: 1, Cancelled: 1},
		}, {
			name: "487 before the 200 of CANCEL", caller: CallerConfig{Cancel: 1}, callee: CalleeConfig{Ring: time.Second}, via: nth("200 CANCEL", 1, late(5*ms)),
			script: "> INVITE, < 180 INVITE, > CANCEL, < 200 CANCEL, < 487 INVITE, > ACK",
			up:     CallerCounts{Cancelled: 1}, down: CalleeCounts{Invites: 1, Cancelled: 1},
		}, {
			name: "answered before the CANCEL arrives", caller: CallerConfig{Cancel: 1, CancelIn: 10 * ms, Hold: 100 * ms}, callee: CalleeConfig{Ring: 12 * ms},
			script: "> INVITE, < 180 INVITE, > CANCEL, < 200 INVITE, < 200 CANCEL, > ACK, > BYE, < 200 BYE",
			up:     CallerCounts{Answered: 1, Completed: 1, CancelLost: 1}, down: CalleeCounts{Invites: 1, Answered: 1, Completed: 1},
		}, {
			name: "every CANCEL lost, and the 200", caller: CallerConfig{Cancel: 1}, callee: CalleeConfig{Ring: 90 * time.Second}, via: nth("CANCEL", 0, lost),
			script: "> INVITE, < 180 INVITE" + strings.Repeat(", > CANCEL", 11) + strings.Repeat(", < 200 INVITE", 11),
			up:     CallerCounts{Failed: 1, Retransmissions: PerMethod{CANCEL: 10}, Timeouts: PerMethod{CANCEL: 1}, Duplicates: 11},
			down:   CalleeCounts{Invites: 1, Answered: 1, Retransmissions: 10, AckTimeouts: 1},
		}, {
			name: "rings for ever", callee: CalleeConfig{Ring: time.Hour}, script: "> INVITE, < 180 INVITE",
			up: CallerCounts{Failed: 1, Timeouts: PerMethod{INVITE: 1}}, down: CalleeCounts{Invites: 1},
		}, {
			name: "OPTIONS", caller: CallerConfig{Options: true}, script: "> OPTIONS, < 200 OPTIONS",
			up: CallerCounts{Completed: 1}, down: CalleeCounts{Options: 1},
		}, {
			name: "OPTIONS lost", caller: CallerConfig{Options: true}, via: nth("OPTIONS", 1, lost), script: "> OPTIONS, > OPTIONS, < 200 OPTIONS",
			up: CallerCounts{Completed: 1, Retransmissions: PerMethod{OPTIONS: 1}}, down: CalleeCounts{Options: 1},
		}, {
			name: "every OPTIONS lost", caller: CallerConfig{Options: true}, via: nth("OPTIONS", 0, lost), script: strings.Repeat("> OPTIONS, ", 10) + "> OPTIONS",
			up: CallerCounts{Failed: 1, Retransmissions: PerMethod{OPTIONS: 10}, Timeouts: PerMethod{OPTIONS: 1}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.caller, c.callee)
			w.via = c.via
			w.run(1, 0, 3*time.Minute)
			w.nothingOdd()
			if got := w.script(); got != c.script {
				t.Errorf("sent:\n%s\nwant:\n%s", got, c.script)
			}
			c.up.Started = 1
			if w.caller.Counts != c.up {
				t.Errorf("caller:\n%+v\nwant:\n%+v", w.caller.Counts, c.up)
			}
			if w.callee.Counts != c.down {
				t.Errorf("callee:\n%+v\nwant:\n%+v", w.callee.Counts, c.down)
			}
			if c.failed == "" {
				c.failed = "map[]"
			}
			if got := fmt.Sprint(w.caller.Failures.Map()); got != c.failed {
				t.Errorf("failures %s, want %s", got, c.failed)
			}
		})
	}
}

// Latencies count from the schedule, in a network that takes a millisecond.
func TestLatencies(t *testing.T) {
	w := newWorld(t, CallerConfig{Hold: 100 * ms}, CalleeConfig{Ring: 20 * ms})
	w.now = 5 * ms // the call is scheduled for 0 and can only be sent now
	w.caller.Start(0, w.now, true)
	w.run(0, 0, time.Second)
	l := w.caller.Latencies
	for what, h := range map[string]struct{ got, want int64 }{
		"lag": {l.Lag.Max(), 5000}, "ringing": {l.Ringing.Max(), 7000}, "answer": {l.Answer.Max(), 27000}, "BYE": {l.Bye.Max(), 2000},
	} {
		if h.got < h.want*999/1000 || h.got > h.want*1001/1000+250 {
			t.Errorf("%s: %d us, want %d", what, h.got, h.want)
		}
	}
	w.caller.Start(w.now, w.now, false)
	w.run(0, 0, 2*time.Second)
	if n := l.Answer.TotalCount() + l.Bye.TotalCount() + l.Lag.TotalCount() + l.Ringing.TotalCount(); n != 4 {
		t.Errorf("a call that is not measured was recorded: %d values", n)
	}
}

// In a network that loses every nth packet, and one that overtakes, every call
// still comes to its end.
func TestManyCalls(t *testing.T) {
	const n = 300
	for _, every := range []int{5, 7, 20} {
		w := newWorld(t, CallerConfig{Hold: 700 * ms, Cancel: 0.2, CancelIn: 10 * ms, RejectAs: 486}, CalleeConfig{Ring: 100 * ms, RejectAs: 486, Reject: 0.1})
		packets, dropped := 0, uint64(0)
		w.via = func(p packet) []packet {
			if packets++; packets%every == 0 {
				dropped++
				return nil
			}
			return []packet{p}
		}
		w.run(n, 3*ms, 5*time.Minute)
		w.nothingOdd()
		c, e := w.caller.Counts, w.callee.Counts
		if c.Started != n || c.Completed+c.Cancelled+c.Rejected != n || c.Completed == 0 || c.Cancelled == 0 || c.Rejected == 0 || w.caller.Live() != 0 {
			t.Errorf("1 of %d lost: %+v, failures %v", every, c, w.caller.Failures.Map())
		}
		if e.Invites != n || w.callee.Live() != 0 {
			t.Errorf("1 of %d lost: %d calls up, %+v", every, w.callee.Live(), e)
		}
		// What was lost was made good by a retransmission, or needed none: a 180 or
		// an ACK that a BYE followed.
		if made := c.Retransmissions.Sum() + c.AcksRepeated + e.Retransmissions; made == 0 || made > 2*dropped+n {
			t.Errorf("1 of %d lost: %d packets lost, %d sent again", every, dropped, made)
		}
	}
	w := newWorld(t, CallerConfig{}, CalleeConfig{})
	w.via = nth("180 INVITE", 0, late(1500*time.Microsecond))
	w.run(n, 3*ms, time.Minute)
	if w.nothingOdd(); w.caller.Counts.OutOfOrder != n || w.caller.Counts.Completed != n {
		t.Errorf("%d calls with the 180 after the 200: %+v", n, w.caller.Counts)
	}
}

func TestShares(t *testing.T) {
	w := newWorld(t, CallerConfig{RejectAs: 603}, CalleeConfig{RejectAs: 603, Reject: 0.3})
	w.run(200, ms, time.Minute)
	if c, e := w.caller.Counts, w.callee.Counts; c.Rejected != 60 || e.Rejected != 60 || c.Completed != 140 {
		t.Errorf("%+v\n%+v", c, e)
	}
	w = newWorld(t, CallerConfig{Cancel: 0.25}, CalleeConfig{Ring: time.Second})
	w.run(200, ms, time.Minute)
	if c, e := w.caller.Counts, w.callee.Counts; c.Cancelled != 50 || e.Cancelled != 50 || c.Completed != 150 {
		t.Errorf("%+v\n%+v", c, e)
	}
}

func TestSlotsRunOut(t *testing.T) {
	w := newWorld(t, CallerConfig{Slots: 3, Hold: time.Minute}, CalleeConfig{Slots: 2})
	w.run(5, ms, 2*time.Minute)
	w.nothingOdd()
	if c := w.caller.Counts; c.NotStarted != 2 || c.Started != 3 || c.Completed != 2 || c.Failed != 1 || w.caller.Failures[503] != 1 || w.callee.Counts.NoSlot != 1 {
		t.Errorf("%+v\n%+v", c, w.callee.Counts)
	}
	w.now += time.Second
	if !w.caller.Start(w.now, w.now, true) {
		t.Error("a slot did not come back")
	}
}

func TestAbandonedCalls(t *testing.T) {
	w := newWorld(t, CallerConfig{}, CalleeConfig{})
	w.via = nth("BYE", 0, lost)
	w.run(1, 0, 2*time.Hour)
	if e := w.callee.Counts; e.Abandoned != 1 || w.callee.Live() != 0 {
		t.Errorf("%+v", e)
	}
}

// The memory of ended calls is bounded by number and by time.
func TestEndedCallsAreForgotten(t *testing.T) {
	w := newWorld(t, CallerConfig{}, CalleeConfig{})
	w.run(1500, ms/4, 700*ms)
	if n := len(w.callee.legs); n != 1000 {
		t.Errorf("%d ended calls kept, want 1000", n)
	}
	w.callee.Advance(time.Minute)
	if n := len(w.callee.legs); n != 0 {
		t.Errorf("%d ended calls kept after a minute", n)
	}
}

func TestMessagesHaveTheUsualSize(t *testing.T) {
	for _, size := range []int{0, 300, 1000, 1001, 1003, 1005, 1007, 2500} {
		w := newWorld(t, CallerConfig{}, CalleeConfig{})
		texts := Texts{FromUser: "a", ToUser: "+49", BodySize: size, Headers: []string{"X-One: 1", "X-Two: 2"}}
		w.caller.texts[0], w.callee.texts[0] = newCallerTexts(texts, callerAt, calleeAt, "00c0ffee"), newCalleeTexts(texts, calleeAt)
		w.run(1, 0, time.Second)
		w.nothingOdd()
		var m wire.Message
		if err := m.Parse(w.sent[0].b); err != nil || !strings.Contains(string(w.sent[0].b), "\r\nX-One: 1\r\nX-Two: 2\r\n") {
			t.Errorf("%v\n%s", err, w.sent[0].b)
		}
		if n := len(m.Body); size > 300 && (n < size-6 || n > size) {
			t.Errorf("body of %d bytes, asked for %d", n, size)
		}
	}
	w := newWorld(t, CallerConfig{}, CalleeConfig{})
	w.run(1, 0, time.Second)
	for i, want := range []int{850, 400, 680, 450, 450, 350} {
		if n := len(w.sent[i].b); n < want-100 || n > want+100 {
			t.Errorf("%d bytes, not about %d:\n%s", n, want, w.sent[i].b)
		}
	}
}

func TestTextsCheck(t *testing.T) {
	for _, c := range []struct {
		change func(*Texts)
		says   string
	}{
		{func(*Texts) {}, ""},
		{func(x *Texts) { x.ToUser = "" }, ""},
		{func(x *Texts) { x.Headers = []string{"no colon"} }, "Name: value"},
		{func(x *Texts) { x.Headers = []string{"a b: c"} }, "Name: value"},
		{func(x *Texts) { x.Headers = []string{"A: b\r\nC: d"} }, "Name: value"},
		{func(x *Texts) { x.FromUser = "a@b" }, "letters"},
		{func(x *Texts) { x.FromUser = "" }, "no user part"},
		{func(x *Texts) { x.BodySize = 9000 }, "smaller body"},
	} {
		x := DefaultTexts
		c.change(&x)
		if err := x.Check(); (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: %v, want %q", x, err, c.says)
		}
	}
}

// Neither side allocates per call.
func TestCallsAllocateNothing(t *testing.T) {
	direct := &joined{}
	c := CallerConfig{Target: calleeAt, Locals: []netipAddrPort{callerAt}, Slots: 100, Timers: DefaultTimers, Texts: DefaultTexts, Permitted: anywhere, AnswerIn: time.Minute, RejectAs: 486}
	e := CalleeConfig{Locals: []netipAddrPort{calleeAt}, Slots: 100, Ended: 100, Timers: DefaultTimers, Texts: DefaultTexts, Permitted: anywhere, Lifetime: time.Hour, RejectAs: 486, Reject: 0.2}
	direct.caller, direct.callee = NewCaller(c, side{direct, true}), NewCallee(e, side{direct, false})
	const calls = 500
	if n := testing.AllocsPerRun(5, func() {
		for range calls {
			direct.now += ms
			direct.caller.Start(direct.now, direct.now, true)
			direct.settle()
			direct.caller.Advance(direct.now)
			direct.callee.Advance(direct.now)
		}
	}); n > calls/100 { // the map of calls may rearrange itself now and then
		t.Errorf("%v allocations in %d calls", n, calls)
	}
	if k := direct.caller.Counts; k.Completed+k.Rejected != 6*calls || direct.caller.Odd.Sum()+direct.callee.Odd.Sum() != 0 {
		t.Errorf("%+v", k)
	}
}

func BenchmarkCall(b *testing.B) {
	direct := &joined{}
	direct.caller = NewCaller(CallerConfig{Target: calleeAt, Locals: []netipAddrPort{callerAt}, Slots: 100, Timers: DefaultTimers, Texts: DefaultTexts, Permitted: anywhere, AnswerIn: time.Minute}, side{direct, true})
	direct.callee = NewCallee(CalleeConfig{Locals: []netipAddrPort{calleeAt}, Slots: 100, Ended: 20000, Timers: DefaultTimers, Texts: DefaultTexts, Permitted: anywhere, Lifetime: time.Hour}, side{direct, false})
	b.ReportAllocs()
	for b.Loop() {
		direct.now += ms
		direct.caller.Start(direct.now, direct.now, true)
		direct.settle()
		direct.caller.Advance(direct.now)
		direct.callee.Advance(direct.now)
	}
}
