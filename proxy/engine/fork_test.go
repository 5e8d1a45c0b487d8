package engine

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// newForkRig is a rig whose first set calls its n destinations at once.
func newForkRig(t testing.TB, n int, change func(*runtime.Appliance)) *rig {
	t.Helper()
	return newRig(t, n, func(a *runtime.Appliance) {
		a.Dispatchers[0].Algorithm = "parallel"
		a.Dispatchers[0].Failover.Never = []int{486, 603}
		a.Transaction.ReplyTimeout = duration(patience)
		a.Transaction.InviteTimeout = duration(2 * patience)
		if change != nil {
			change(a)
		}
	})
}

// forkedCall sends an INVITE and returns what each of the first set's destinations got.
func (r *rig) forkedCall(n int) (*caller, []*sipMsg) {
	r.t.Helper()
	c := r.alice.newCall(r.out)
	c.invite("")
	var inv []*sipMsg
	branches := map[string]bool{}
	for _, a := range r.uas[:n] {
		inv = append(inv, a.request("INVITE"))
		branches[inv[len(inv)-1].get("Via")] = true
	}
	if len(branches) != n {
		r.t.Fatalf("%d INVITEs have %d branches", n, len(branches))
	}
	return c, inv
}

// cancelled plays a destination that is cancelled.
func (r *rig) cancelled(a *agent, inv *sipMsg) {
	r.t.Helper()
	cancel := a.request("CANCEL")
	if cancel.get("Via") != inv.get("Via") {
		r.t.Errorf("CANCEL has Via %q, its INVITE %q", cancel.get("Via"), inv.get("Via"))
	}
	a.respond(cancel, 200, "OK")
	a.respond(inv, 487, "Request Terminated")
	ack := a.request("ACK")
	if ack.get("Via") != inv.get("Via") {
		r.t.Errorf("ACK has Via %q, its INVITE %q", ack.get("Via"), inv.get("Via"))
	}
}

func (r *rig) refuses(a *agent, inv *sipMsg, code int, extra string) {
	r.t.Helper()
	a.send(inv.from, a.answer(inv, code, "No", extra))
	a.request("ACK")
}

func isFinal(m *sipMsg) bool { return m.code() >= 200 && strings.HasSuffix(m.get("CSeq"), " INVITE") }

func (r *rig) callsAt(i int) int64 { return r.e.Stats().Destinations[i].Calls }

// hangUp ends the dialog of a 200 from its caller's side.
func (r *rig) hangUp(c *caller, ok *sipMsg, a *agent) {
	r.t.Helper()
	c.established(ok)
	c.inDialog("ACK", "", "")
	a.request("ACK")
	c.inDialog("BYE", "", "")
	a.respond(a.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
}

func TestForkOneAnswers(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 3, nil)
	c, inv := r.forkedCall(3)
	for i, a := range r.uas[:3] {
		if got := r.callsAt(i); got != 1 {
			t.Errorf("destination %d has %d calls, want 1", i, got)
		}
		a.respond(inv[i], 180+i, "Progress")
		c.reply(180+i, "INVITE") // each one at once
	}
	r.uas[1].respond(inv[1], 200, "OK")
	ok := c.reply(200, "INVITE")
	for _, i := range []int{0, 2} {
		r.cancelled(r.uas[i], inv[i])
	}
	r.hangUp(c, ok, r.uas[1])
	r.settle(0)
	r.alice.quiet(20*time.Millisecond, "another final reply", isFinal)
	r.count("answered", 1)
	r.count("failovers", 0)
	if st := r.e.Stats(); st.Calls.Ended["bye"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}

// While the call lasts it has a place where it was answered and nowhere else.
func TestForkPlaces(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, nil)
	c, inv := r.forkedCall(2)
	r.uas[0].respond(inv[0], 180, "Ringing")
	r.uas[1].respond(inv[1], 200, "OK")
	ok := c.reply(200, "INVITE")
	r.cancelled(r.uas[0], inv[0])
	r.settle(1)
	if a, b := r.callsAt(0), r.callsAt(1); a != 0 || b != 1 {
		t.Errorf("calls at the destinations: %d and %d, want 0 and 1", a, b)
	}
	r.hangUp(c, ok, r.uas[1])
	r.settle(0)
}

func TestForkTwoAnswer(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, nil)
	c, inv := r.forkedCall(2)
	for i, a := range r.uas[:2] {
		a.respond(inv[i], 180, "Ringing")
		c.reply(180, "INVITE")
	}
	r.uas[0].respond(inv[0], 200, "OK")
	first := c.reply(200, "INVITE")
	cancel := r.uas[1].request("CANCEL")
	r.uas[1].respond(inv[1], 200, "OK") // before the CANCEL came
	r.uas[1].respond(cancel, 481, "Call/Transaction Does Not Exist")
	second := c.reply(200, "INVITE")
	if first.get("To") == second.get("To") {
		t.Fatal("both 200 are of one dialog")
	}
	r.uas[1].respond(inv[1], 200, "OK") // its ACK was lost
	second = c.reply(200, "INVITE")
	r.settle(2)
	if a, b := r.callsAt(0), r.callsAt(1); a != 1 || b != 1 {
		t.Errorf("calls at the destinations: %d and %d, want 1 and 1", a, b)
	}
	// The caller keeps the first and ends the second (13.2.2.4).
	other := *c
	r.hangUp(&other, second, r.uas[1])
	r.settle(1)
	r.hangUp(c, first, r.uas[0])
	r.settle(0)
	r.count("answered", 2)
}

// All refuse: the caller gets the best refusal, once, when the last one has ended.
func TestForkRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		codes []int
		want  int
	}{
		{"all 486", []int{486, 486, 486}, 486},
		{"the lowest class", []int{486, 302, 404}, 302},
		{"what failover names is no refusal", []int{500, 503, 404}, 404},
		{"a 6xx that failover names is none either", []int{600, 486, 500}, 486},
		{"a hint before others", []int{404, 484, 486}, 484},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newForkRig(t, 3, nil)
			c, inv := r.forkedCall(3)
			for i, code := range tt.codes {
				if i == 2 {
					r.alice.quiet(20*time.Millisecond, "a final reply before the last one ended", isFinal)
				}
				r.refuses(r.uas[i], inv[i], code, "")
			}
			c.reply(tt.want, "INVITE")
			c.hop("ACK")
			r.settle(0)
			r.alice.quiet(20*time.Millisecond, "a second final reply", isFinal)
			r.count("exhausted", 0)
			if st := r.e.Stats(); st.Calls.Ended["rejected"] != 1 {
				t.Errorf("calls ended: %v", st.Calls.Ended)
			}
		})
	}
}

// A lost refusal is repeated by timer G, from the copy that was kept as the best.
func TestForkRefusalIsRepeated(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, nil)
	c, inv := r.forkedCall(2)
	r.refuses(r.uas[0], inv[0], 486, "X-Who: first\r\n")
	r.refuses(r.uas[1], inv[1], 486, "X-Who: second\r\n")
	first, again := c.reply(486, "INVITE"), c.reply(486, "INVITE")
	if first.get("X-Who") != "first" || first.raw != again.raw {
		t.Errorf("the refusals are\n%s\nand\n%s", first.raw, again.raw)
	}
	c.hop("ACK")
	r.settle(0)
}

// 486 and 603: the 603 is the one that counts, once the third has been cancelled.
func TestForkDeclined(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 3, nil)
	c, inv := r.forkedCall(3)
	r.refuses(r.uas[0], inv[0], 486, "")
	r.uas[2].respond(inv[2], 180, "Ringing")
	c.reply(180, "INVITE")
	r.refuses(r.uas[1], inv[1], 603, "")
	cancel := r.uas[2].request("CANCEL")
	r.uas[2].respond(cancel, 200, "OK")
	r.alice.quiet(20*time.Millisecond, "a final reply before the last one ended", isFinal)
	r.uas[2].respond(inv[2], 487, "Request Terminated")
	r.uas[2].request("ACK")
	c.reply(603, "INVITE")
	c.hop("ACK")
	r.settle(0)
}

// The caller learns of every challenge at once (16.7 step 7).
func TestForkChallenges(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 3, nil)
	c, inv := r.forkedCall(3)
	r.refuses(r.uas[0], inv[0], 407, "Proxy-Authenticate: Digest realm=\"a\", nonce=\"1\"\r\n")
	r.refuses(r.uas[1], inv[1], 404, "")
	r.refuses(r.uas[2], inv[2], 401, "WWW-Authenticate: Digest realm=\"b\", nonce=\"2\"\r\n")
	m := c.reply(407, "INVITE")
	if a, b := m.get("Proxy-Authenticate"), m.get("WWW-Authenticate"); a != `Digest realm="a", nonce="1"` || b != `Digest realm="b", nonce="2"` {
		t.Errorf("challenges %q and %q in\n%s", a, b, m.raw)
	}
	c.hop("ACK")
	r.settle(0)
}

// A whole set that fails hands the call to the next one.
func TestForkFailsOver(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, func(a *runtime.Appliance) { a.Transaction.ReplyTimeout = duration(time.Second) })
	c, inv := r.forkedCall(2)
	r.refuses(r.uas[0], inv[0], 503, "")
	// The second says nothing; then the call is at the third, of the next set.
	next := r.uas[2].request("INVITE")
	if a, b, o := r.callsAt(0), r.callsAt(1), r.callsAt(2); a != 0 || b != 0 || o != 1 {
		t.Errorf("calls at the destinations: %d, %d and %d, want 0, 0 and 1", a, b, o)
	}
	r.uas[2].respond(next, 180, "Ringing")
	c.reply(180, "INVITE")
	// What was silent wakes up and is cancelled.
	r.uas[1].respond(inv[1], 180, "Ringing")
	r.cancelled(r.uas[1], inv[1])
	r.uas[2].respond(next, 200, "OK")
	r.hangUp(c, c.reply(200, "INVITE"), r.uas[2])
	r.settle(0)
	r.count("failovers", 1)
	st := r.e.Stats().Destinations
	for i, want := range []uint64{1, 1, 0} {
		if st[i].Failed != want || st[i].Attempts != 1 {
			t.Errorf("destination %d: %d attempts, %d failed; want 1 and %d", i, st[i].Attempts, st[i].Failed, want)
		}
	}
}

// A set that forks may follow one that does not, and one may follow another.
func TestForkAfterOthers(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 1, func(a *runtime.Appliance) {
		a.Dispatchers[0].Algorithm = "first"
		a.Dispatchers[1].Algorithm = "parallel"
		a.Dispatchers[1].Destinations = append(a.Dispatchers[1].Destinations, a.Dispatchers[0].Destinations[0])
		a.Dispatchers[1].Destinations[1].Name = "again"
	})
	c := r.alice.newCall(r.out)
	c.invite("")
	r.refuses(r.uas[0], r.uas[0].request("INVITE"), 500, "")
	inv, again := r.uas[1].request("INVITE"), r.uas[0].request("INVITE")
	r.refuses(r.uas[1], inv, 486, "")
	r.uas[0].respond(again, 200, "OK")
	r.hangUp(c, c.reply(200, "INVITE"), r.uas[0])
	r.settle(0)
}

func TestForkExhausted(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, nil)
	c, inv := r.forkedCall(2)
	r.refuses(r.uas[0], inv[0], 500, "")
	r.refuses(r.uas[1], inv[1], 503, "")
	r.refuses(r.uas[2], r.uas[2].request("INVITE"), 500, "")
	if m := c.reply(503, "INVITE"); m.get("Retry-After") != "7" {
		t.Errorf("503 without Retry-After: %s", m.raw)
	}
	c.hop("ACK")
	r.settle(0)
	r.count("exhausted", 1)
}

// One is silent: the refusal of the other is sent once that is known. Where silence
// does not fail over it counts as a 408 (16.8).
func TestForkOneSilent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		onTimeout  bool
		code, want int
	}{{true, 486, 486}, {false, 486, 486}, {false, 500, 408}} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			r := newForkRig(t, 2, func(a *runtime.Appliance) {
				a.Transaction.ReplyTimeout = duration(time.Second)
				a.Dispatchers[0].Failover.OnTimeout = tt.onTimeout
			})
			c, inv := r.forkedCall(2)
			r.refuses(r.uas[0], inv[0], tt.code, "")
			c.reply(tt.want, "INVITE")
			c.hop("ACK")
			r.settle(0)
			r.count("local_timeouts", 1)
		})
	}
}

func TestForkCancelled(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 3, func(a *runtime.Appliance) { a.Transaction.ReplyTimeout = duration(time.Second) })
	c, inv := r.forkedCall(3)
	r.uas[0].respond(inv[0], 180, "Ringing")
	c.reply(180, "INVITE")
	c.hop("CANCEL")
	c.reply(200, "CANCEL")
	r.cancelled(r.uas[0], inv[0])
	// The second speaks only now, the third never.
	r.uas[1].quiet(20*time.Millisecond, "a CANCEL before its time", func(m *sipMsg) bool { return m.method() == "CANCEL" })
	r.uas[1].respond(inv[1], 100, "Trying")
	r.cancelled(r.uas[1], inv[1])
	c.reply(487, "INVITE")
	c.hop("ACK")
	r.settle(0)
	r.count("failovers", 0)
	if st := r.e.Stats(); st.Calls.Ended["cancelled"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}

// A 200 that overtakes the CANCEL is the caller's, and so is a second one.
func TestForkCancelLosesTheRace(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, nil)
	c, inv := r.forkedCall(2)
	for i, a := range r.uas[:2] {
		a.respond(inv[i], 180, "Ringing")
		c.reply(180, "INVITE")
	}
	c.hop("CANCEL")
	for i, a := range r.uas[:2] {
		cancel := a.request("CANCEL")
		a.respond(inv[i], 200, "OK")
		a.respond(cancel, 200, "OK")
		ok := c.reply(200, "INVITE")
		dialog := *c
		r.hangUp(&dialog, ok, a)
	}
	r.settle(0)
	r.alice.quiet(20*time.Millisecond, "a refusal", func(m *sipMsg) bool { return m.code() >= 300 })
}

// Nobody picks up until invite_timeout: all are cancelled, and the caller is told. With
// no callee alerted the next set gets the call.
func TestForkTimerC(t *testing.T) {
	t.Parallel()
	for _, alerted := range []bool{true, false} {
		t.Run(fmt.Sprint("alerted ", alerted), func(t *testing.T) {
			r := newForkRig(t, 2, func(a *runtime.Appliance) { a.Transaction.InviteTimeout = duration(2 * time.Second) })
			c, inv := r.forkedCall(2)
			r.uas[0].respond(inv[0], 100, "Trying")
			code := 100
			if alerted {
				code = 183
			}
			r.uas[1].respond(inv[1], code, "Progress")
			for i, a := range r.uas[:2] {
				r.cancelled(a, inv[i])
			}
			if alerted {
				c.reply(408, "INVITE")
				c.hop("ACK")
			} else {
				next := r.uas[2].request("INVITE")
				r.uas[2].respond(next, 200, "OK")
				r.hangUp(c, c.reply(200, "INVITE"), r.uas[2])
			}
			r.settle(0)
		})
	}
}

// A request other than INVITE goes to all and gets one final reply.
func TestForkWithoutInvite(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.send(r.out, c.build("MESSAGE", c.newBranch(), 1, "", "hello"))
	one, two := r.uas[0].request("MESSAGE"), r.uas[1].request("MESSAGE")
	r.uas[0].respond(one, 404, "Not Found")
	r.uas[1].respond(two, 202, "Accepted")
	c.reply(202, "MESSAGE")
	r.settle(0)
	r.alice.quiet(20*time.Millisecond, "a second final reply", func(m *sipMsg) bool { return m.code() >= 300 })
}

// A full destination is passed over; with all full the call goes on to the next set.
func TestForkFull(t *testing.T) {
	t.Parallel()
	r := newForkRig(t, 2, func(a *runtime.Appliance) {
		a.Dispatchers[0].Destinations[0].MaxCalls = 1
		a.Dispatchers[0].Destinations[1].MaxCalls = 2
	})
	for i, want := range []int{1, 1, 2} { // the destination that shows where the call went
		c := r.alice.newCall(r.out)
		c.invite("")
		r.uas[want].expect("the INVITE of call "+fmt.Sprint(i), func(m *sipMsg) bool { return m.method() == "INVITE" && m.get("Call-ID") == c.callID })
	}
	if a, b, o := r.callsAt(0), r.callsAt(1), r.callsAt(2); a != 1 || b != 2 || o != 1 {
		t.Errorf("calls at the destinations: %d, %d and %d, want 1, 2 and 1", a, b, o)
	}
	r.count("destination_full", 3)
	if got := r.e.Stats().Counters["exhausted"]; got != 0 {
		t.Errorf("%d calls found no destination", got)
	}
}

// The log tells of each destination that failed, and whether others go on.
func TestForkIsLogged(t *testing.T) {
	t.Parallel()
	var log lines
	r := newLoggedRig(t, 2, func(a *runtime.Appliance) {
		a.Dispatchers[0].Algorithm = "parallel"
		a.Transaction.ReplyTimeout = duration(patience)
	}, log.logger(slog.LevelInfo))
	c, inv := r.forkedCall(2)
	r.refuses(r.uas[0], inv[0], 503, "")
	r.refuses(r.uas[1], inv[1], 500, "")
	r.refuses(r.uas[2], r.uas[2].request("INVITE"), 404, "")
	c.reply(404, "INVITE")
	c.hop("ACK")
	r.settle(0)
	got := log.wait(t, 2)
	// Two workers may have handled them, and each keeps lines of its own.
	slices.SortFunc(got, func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["failed"]), fmt.Sprint(b["failed"]))
	})
	if got[0]["msg"] != "destination failed, the others go on" || got[0]["failed"] != "core1" || got[0]["cause"] != "503" || got[0]["next"] != nil {
		t.Errorf("the first failure: %v", got[0])
	}
	if got[1]["msg"] != "request moved to another destination" || got[1]["failed"] != "core2" || got[1]["next"] != "overflow1" {
		t.Errorf("the second: %v", got[1])
	}
}

// Under load that ends in every way at once nothing is left, and no destination ever
// has more calls than it takes.
func TestForkUnderLoad(t *testing.T) {
	t.Parallel()
	const most = 6
	r := newForkRig(t, 4, func(a *runtime.Appliance) {
		for i := range a.Dispatchers[0].Destinations {
			a.Dispatchers[0].Destinations[i].MaxCalls = most
		}
		a.Transaction.T1, a.Transaction.T2 = duration(10*time.Millisecond), duration(80*time.Millisecond)
		a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(60*time.Millisecond), duration(300*time.Millisecond)
		a.Transaction.Wait, a.Transaction.CallLifetime = duration(50*time.Millisecond), duration(time.Second)
	})
	rng := rand.New(rand.NewPCG(5, 6))
	for range 40 {
		var calls []*caller
		for range 6 {
			c := r.alice.newCall(r.out)
			c.invite("")
			calls = append(calls, c)
		}
		for range 12 {
			for _, a := range r.uas {
				m := a.next(time.Millisecond)
				switch {
				case m == nil:
				case m.method() == "CANCEL" && rng.IntN(3) > 0:
					a.respond(m, 200, "OK")
				case m.method() == "INVITE":
					code := []int{100, 180, 183, 200, 404, 486, 500, 603, 0}[rng.IntN(9)]
					if code > 0 {
						a.respond(m, code, "Whatever")
					}
					if code < 200 && rng.IntN(2) == 0 {
						a.respond(m, []int{200, 487, 486}[rng.IntN(3)], "Whatever")
					}
				}
			}
		}
		for _, c := range calls {
			if rng.IntN(4) == 0 {
				c.hop("CANCEL")
			}
		}
		for _, d := range r.e.Stats().Destinations {
			if d.Calls > most && d.Set == "core" || d.Calls < 0 {
				t.Fatalf("%s has %d calls, it takes %d", d.Name, d.Calls, most)
			}
		}
		r.alice.forget()
	}
	r.settle(0)
	st := r.e.Stats()
	var ended uint64
	for _, n := range st.Calls.Ended {
		ended += n
	}
	if ended != st.Counters["calls"] {
		t.Errorf("%d calls began, %d ended: %v", st.Counters["calls"], ended, st.Calls.Ended)
	}
	for _, name := range []string{"destination_full", "answered", "cancelled", "local_timeouts"} {
		if st.Counters[name] == 0 {
			t.Errorf("%s is 0, so nothing was tested; all: %v", name, nonZero(st.Counters))
		}
	}
}
