package agent

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/tools/sipload/wire"
)

var (
	callerAt = netip.MustParseAddrPort("127.0.40.10:5060")
	calleeAt = netip.MustParseAddrPort("127.0.40.21:5060")
)

// packet is a datagram under way.
type packet struct {
	at       time.Duration
	from, to netip.AddrPort
	b        []byte
}

// is reports whether the packet is a request with the method, or a response with
// the code to it: "INVITE", "200 INVITE".
func (p packet) is(what string) bool {
	line, _, _ := bytes.Cut(p.b, []byte("\r\n"))
	if rest, ok := bytes.CutPrefix(line, []byte("SIP/2.0 ")); ok {
		_, cseq, _ := bytes.Cut(p.b, []byte("\r\nCSeq: "))
		cseq, _, _ = bytes.Cut(cseq, []byte("\r\n"))
		return what == string(rest[:3])+" "+string(cseq[2:])
	}
	return strings.HasPrefix(string(line), what+" ")
}

// world joins a caller and a callee with a network whose every packet takes a
// millisecond, on a clock of its own.
type world struct {
	t      testing.TB
	now    time.Duration
	queue  []packet
	caller *Caller
	callee *Callee
	sent   []packet
	// via sees every packet; what it returns arrives.
	via func(packet) []packet
}

// end is one side's Network.
type end struct {
	w     *world
	local netip.AddrPort
}

func (e end) Send(_ int, to netip.AddrPort, b []byte) {
	w := e.w
	p := packet{at: w.now + time.Millisecond, from: e.local, to: to, b: bytes.Clone(b)}
	w.sent = append(w.sent, p)
	arriving := []packet{p}
	if w.via != nil {
		arriving = w.via(p)
	}
	for _, p := range arriving {
		i, _ := slices.BinarySearchFunc(w.queue, p.at+1, func(q packet, at time.Duration) int { return int(q.at - at) })
		w.queue = slices.Insert(w.queue, i, p)
	}
}

func anywhere(netip.Addr) bool { return true }

func newWorld(t testing.TB, c CallerConfig, e CalleeConfig) *world {
	w := &world{t: t}
	c.Target, c.Locals, c.Run, c.AnswerIn, c.Timers, c.Permitted = calleeAt, []netip.AddrPort{callerAt}, 0xc0ffee, time.Minute, DefaultTimers, anywhere
	e.Locals, e.Run, e.Timers, e.Lifetime, e.Ended, e.Permitted = []netip.AddrPort{calleeAt}, 0xbeef, DefaultTimers, time.Hour, 1000, anywhere
	c.Texts, e.Texts = DefaultTexts, DefaultTexts
	if c.Slots == 0 {
		c.Slots = 1000
	}
	if e.Slots == 0 {
		e.Slots = 1000
	}
	w.caller, w.callee = NewCaller(c, end{w, callerAt}), NewCallee(e, end{w, calleeAt})
	return w
}

// run starts n calls, one every interval, and goes on until nothing is left to
// happen before the end.
func (w *world) run(n int, every, until time.Duration) {
	w.t.Helper()
	started := 0
	for {
		next := until
		for _, f := range []func() (time.Duration, bool){w.caller.Next, w.callee.Next} {
			if at, ok := f(); ok {
				next = min(next, at)
			}
		}
		if len(w.queue) > 0 {
			next = min(next, w.queue[0].at)
		}
		if started < n {
			next = min(next, time.Duration(started)*every)
		}
		w.now = max(w.now, next)
		if started < n && time.Duration(started)*every <= w.now {
			w.caller.Start(time.Duration(started)*every, w.now, true)
			started++
		}
		w.caller.Advance(w.now)
		w.callee.Advance(w.now)
		for len(w.queue) > 0 && w.queue[0].at <= w.now {
			p := w.queue[0]
			w.queue = w.queue[1:]
			w.deliver(p)
		}
		if w.now >= until {
			break
		}
	}
	c := w.caller.Counts
	if up := uint64(w.caller.Live()); c.Started != c.Completed+c.Rejected+c.Cancelled+c.Failed+up {
		w.t.Errorf("the outcomes do not add up: %+v, %d calls up", c, up)
	}
}

func (w *world) deliver(p packet) {
	w.t.Helper()
	var m wire.Message
	if err := m.Parse(p.b); err != nil {
		w.t.Errorf("%v:\n%s", err, p.b)
		return
	}
	switch {
	case p.to == callerAt && m.Status > 0:
		w.caller.Receive(w.now, 0, &m, p.b)
	case p.to == calleeAt && m.Status == 0:
		w.callee.Receive(w.now, 0, p.from, &m, p.b)
	default:
		w.t.Errorf("a message went from %v to %v:\n%s", p.from, p.to, p.b)
	}
}

// nothingOdd fails the test when anything unexpected came.
func (w *world) nothingOdd() {
	w.t.Helper()
	for _, o := range []*Odd{&w.caller.Odd, &w.callee.Odd} {
		if o.Sum() > 0 {
			w.t.Errorf("unexpected: %v\n%s", o.Map(), strings.Join(o.Samples, "\n---\n"))
		}
	}
}

// script lists what was sent.
func (w *world) script() string {
	var out []string
	for _, p := range w.sent {
		for _, what := range []string{"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS"} {
			if p.is(what) {
				out = append(out, "> "+what)
			}
		}
		for code := 100; code < 700; code++ {
			for _, m := range []string{"INVITE", "BYE", "CANCEL", "OPTIONS"} {
				if what := fmt.Sprint(code, " ", m); p.is(what) {
					out = append(out, "< "+what)
				}
			}
		}
	}
	return strings.Join(out, ", ")
}

// nth does something to the nth packet that is what, 1 being the first; 0 all.
func nth(what string, n int, do func(packet) []packet) func(packet) []packet {
	seen := 0
	return func(p packet) []packet {
		if p.is(what) {
			if seen++; seen == n || n == 0 {
				return do(p)
			}
		}
		return []packet{p}
	}
}

func lost(packet) []packet { return nil }

func late(by time.Duration) func(packet) []packet {
	return func(p packet) []packet { p.at += by; return []packet{p} }
}

func twice(p packet) []packet { return []packet{p, p} }
