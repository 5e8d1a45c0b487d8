package transaction

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

// forkTable is a table whose transactions fork, with the timers of RFC 3261.
func forkTable(t testing.TB, slots int, bytes uint64) *Table {
	t.Helper()
	tab, err := New(Config{Slots: slots, Bytes: bytes, Workers: 1, Forks: true,
		T1: 500 * time.Millisecond, T2: 4 * time.Second, Reply: 5 * time.Second, Invite: 30 * time.Second, Wait: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func eventName(ev Event) string {
	if ev == Branches {
		return "branches"
	}
	return ev.String()
}

func actionName(a Action) string {
	out := []string{}
	if s := (a &^ Ended).String(); s != "" {
		out = append(out, s)
	}
	if a&Ended != 0 {
		out = append(out, "ended")
	}
	return strings.Join(out, "+")
}

// runFork runs a script against one forked transaction. Inputs: "start N" (of them),
// "reply A CODE", "cancel", "close", "cancel-sent A", "cancel-reply A", "end A", "complete
// CODE", "ack", "may" (the attempts that may be cancelled), "live", "state", and "tick":
// everything due until then, with its times.
func runFork(t *testing.T, invite, reliable bool, steps []step) {
	t.Helper()
	tab := forkTable(t, 4, 0)
	tx := tab.Lock(7)
	if !tx.Create(0, invite) || !tx.SetForked() {
		t.Fatal("no forked transaction")
	}
	tx.Upstream.Reliable = reliable
	id := tx.ID(0)
	tx.Unlock()
	last := int64(0)
	for i, st := range steps {
		var got string
		var a, code int
		f := strings.Fields(st.what)
		if len(f) > 1 {
			fmt.Sscan(f[1], &a)
		}
		if len(f) > 2 {
			fmt.Sscan(f[2], &code)
		}
		if f[0] == "tick" {
			var fired []string
			live := tab.Live()
			for now := last; now <= st.at; now += tickMs {
				tab.Advance(now, func(tx Tx, ev Event) {
					if ev&^Branches != 0 {
						fired = append(fired, fmt.Sprintf("%d:%s", now, eventName(ev&^Branches)))
					}
					for {
						n, ev := tx.NextDue(now)
						if ev == 0 {
							break
						}
						fired = append(fired, fmt.Sprintf("%d:%d:%s", now, n, eventName(ev)))
					}
				})
				if tab.Live() < live {
					live = tab.Live()
					fired = append(fired, fmt.Sprintf("%d:done", now))
				}
			}
			last = st.at
			if got = strings.Join(fired, " "); got != st.want {
				t.Fatalf("step %d: tick to %d gave\n  %q, want\n  %q", i, st.at, got, st.want)
			}
			continue
		}
		tx, ok := tab.LockID(id)
		if !ok {
			t.Fatalf("step %d: the transaction is gone", i)
		}
		switch f[0] {
		case "start":
			for range a {
				if _, ok := tx.StartBranch(st.at, Endpoint{Reliable: reliable}, 5000); !ok {
					t.Fatalf("step %d: no attempt left", i)
				}
			}
		case "reply":
			got = actionName(tx.BranchReply(st.at, a, code))
		case "cancel":
			got = fmt.Sprint(tx.CancelFork(st.at))
		case "close":
			tx.CloseFork()
		case "cancel-sent":
			tx.BranchCancelled(st.at, a)
		case "cancel-reply":
			tx.OnCancelReply(a)
		case "end":
			tx.EndBranch(st.at, a)
		case "complete":
			tx.Complete(st.at, a, tab.Timers())
		case "ack":
			got = fmt.Sprint(tx.OnAck(st.at, tab.Timers()))
		case "may":
			var may []string
			for n := range tx.Tried() {
				if tx.MayCancel(n) {
					may = append(may, fmt.Sprint(n))
				}
			}
			got = strings.Join(may, ",")
		case "live":
			got = fmt.Sprint(tx.LiveBranches())
		case "state":
			got = tx.State.String()
		default:
			t.Fatalf("unknown step %q", st.what)
		}
		tx.Unlock()
		if got != st.want {
			t.Fatalf("step %d at %d: %s gave %q, want %q", i, st.at, st.what, got, st.want)
		}
	}
}

func TestFork(t *testing.T) {
	for name, steps := range map[string][]step{
		"one answers, the others are cancelled": {
			{0, "start 3", ""}, {10, "reply 0 100", ""}, {20, "reply 1 180", "relay"}, {30, "reply 2 183", "relay"},
			{40, "reply 1 200", "relay+final"}, {40, "complete 200", ""}, {40, "may", "0,2"},
			{40, "cancel-sent 0", ""}, {40, "cancel-sent 2", ""}, {45, "cancel-reply 0", ""},
			{2000, "tick", "540:2:resend-cancel 1540:2:resend-cancel"}, {2000, "cancel-reply 2", ""},
			{2010, "reply 0 487", "ack"}, {2020, "reply 0 487", "ack"}, {2030, "reply 2 180", ""},
			{30000, "tick", ""}, {30000, "reply 2 487", "ack"}, {30000, "live", "0"}, {40000, "tick", "35000:done"},
		},
		"answered while one has said nothing: it is cancelled once it speaks": {
			{0, "start 2", ""}, {10, "reply 0 180", "relay"}, {20, "reply 0 200", "relay+final"}, {20, "complete 200", ""}, {20, "may", ""},
			{600, "tick", "500:1:resend-request"}, {700, "reply 1 180", "cancel"}, {700, "cancel-sent 1", ""}, {750, "reply 1 180", ""},
			{800, "reply 1 487", "ack"}, {40000, "tick", "5800:done"},
		},
		"answered while one is dead: it is waited for": {
			{0, "start 2", ""}, {20, "reply 0 200", "relay+final"}, {20, "complete 200", ""},
			{40000, "tick", "500:1:resend-request 1500:1:resend-request 3500:1:resend-request 5000:1:no-reply 10000:done"},
		},
		"two answer": {
			{0, "start 2", ""}, {10, "reply 0 180", "relay"}, {10, "reply 1 180", "relay"}, {20, "reply 0 200", "relay+final"}, {20, "complete 200", ""},
			{20, "cancel-sent 1", ""}, {25, "reply 1 200", "relay"}, {30, "cancel-reply 1", ""}, {600, "reply 0 200", "relay"}, {601, "reply 1 200", "relay"},
			{700, "ack", "false"}, {9000, "tick", "5030:done"},
		},
		"all refuse": {
			{0, "start 2", ""}, {10, "reply 0 486", "ack+ended"}, {11, "reply 0 486", "ack"}, {11, "live", "1"}, {20, "reply 1 486", "ack+ended"},
			{20, "live", "0"}, {20, "complete 486", ""}, {30, "ack", "true"}, {9000, "tick", "5030:done"},
		},
		"a 6xx ends the others": {
			{0, "start 2", ""}, {10, "reply 0 180", "relay"}, {20, "reply 1 603", "ack+ended"}, {20, "close", ""}, {20, "may", "0"},
			{20, "cancel-sent 0", ""}, {25, "reply 0 180", "relay"}, {30, "cancel-reply 0", ""}, {40, "reply 0 487", "ack+ended"}, {40, "live", "0"},
		},
		"after a 6xx one never ends": {
			{0, "start 2", ""}, {10, "reply 0 180", "relay"}, {20, "reply 1 603", "ack+ended"}, {20, "close", ""},
			{20, "cancel-sent 0", ""}, {30, "cancel-reply 0", ""}, {29990, "tick", ""}, {33000, "tick", "30000:no-final 32020:0:no-final"},
		},
		"the caller cancels: who replied at once, the other when it does": {
			{0, "start 3", ""}, {10, "reply 0 180", "relay"}, {15, "reply 2 404", "ack+ended"}, {20, "cancel", "true"}, {21, "cancel", "false"}, {21, "may", "0"},
			{21, "cancel-sent 0", ""}, {30, "reply 1 100", "cancel"}, {30, "cancel-sent 1", ""}, {40, "reply 0 487", "ack+ended"},
			{50, "live", "1"}, {60, "reply 1 487", "ack+ended"}, {60, "live", "0"}, {60, "complete 487", ""}, {70, "ack", "true"}, {9000, "tick", "5070:done"},
		},
		"a 200 overtakes the CANCEL, and another one": {
			{0, "start 2", ""}, {10, "reply 0 180", "relay"}, {10, "reply 1 180", "relay"}, {20, "cancel", "true"},
			{20, "cancel-sent 0", ""}, {20, "cancel-sent 1", ""}, {30, "reply 1 200", "relay+final"}, {30, "complete 200", ""},
			{40, "reply 0 200", "relay"}, {50, "state", "accepted"},
		},
		"each branch has timer A of its own": {
			{0, "start 1", ""}, {100, "tick", ""}, {200, "start 1", ""}, {650, "tick", "500:0:resend-request"}, {650, "reply 0 100", ""},
			{3000, "tick", "700:1:resend-request 1700:1:resend-request"},
		},
		"one is silent, one rings on: timer C": {
			{0, "start 2", ""}, {10, "reply 0 180", "relay"},
			{30000, "tick", "500:1:resend-request 1500:1:resend-request 3500:1:resend-request 5000:1:no-reply 30000:no-final"},
			{30000, "end 0", ""}, {30000, "cancel-sent 0", ""}, {30000, "complete 408", ""}, {30010, "cancel-reply 0", ""}, {30020, "ack", "true"},
			{31000, "reply 0 487", "ack"}, {40000, "tick", "36000:done"},
		},
		"given up, then cancelled without an end": {
			{0, "start 1", ""}, {10, "reply 0 100", ""}, {100, "end 0", ""}, {100, "cancel-sent 0", ""}, {100, "cancel-reply 0", ""},
			{200, "start 1", ""}, {210, "reply 1 486", "ack+ended"}, {210, "complete 486", ""}, {220, "ack", "true"}, {40000, "tick", "37100:done"},
		},
		"what was given up answers": {
			{0, "start 1", ""}, {5000, "tick", "500:0:resend-request 1500:0:resend-request 3500:0:resend-request 5000:0:no-reply"}, {5000, "start 2", ""},
			{5010, "reply 1 180", "relay"}, {5020, "reply 0 180", "cancel"}, {5020, "cancel-sent 0", ""}, {5030, "reply 0 200", "relay+final"},
			{5030, "complete 200", ""}, {5030, "may", "1"},
		},
		"unknown attempt": {{0, "start 1", ""}, {1, "reply 1 200", ""}, {1, "cancel-reply 9", ""}, {1, "state", "calling"}},
	} {
		t.Run(name, func(t *testing.T) { runFork(t, true, false, steps) })
	}
}

func TestForkWithoutInvite(t *testing.T) {
	for name, steps := range map[string][]step{
		"the first 2xx is the only one": {
			{0, "start 2", ""}, {10, "reply 0 202", "relay+final"}, {10, "complete 202", ""}, {20, "reply 1 200", ""}, {9000, "tick", "5020:done"},
		},
		"what has not replied is still repeated after the answer": {
			{0, "start 2", ""}, {10, "reply 0 200", "relay+final"}, {10, "complete 200", ""},
			{20000, "tick", "500:1:resend-request 1500:1:resend-request 3500:1:resend-request 5000:1:no-reply 10000:done"},
		},
		"timer F after 100": {
			{0, "start 2", ""}, {10, "reply 0 100", ""}, {20, "reply 1 404", "ended"}, {500, "tick", "500:0:resend-request"},
			{32000, "tick", "4500:0:resend-request 8500:0:resend-request 12500:0:resend-request 16500:0:resend-request 20500:0:resend-request 24500:0:resend-request 28500:0:resend-request 32000:no-final 32000:0:no-final"},
		},
		"cancelled never": {{0, "start 2", ""}, {10, "reply 0 100", ""}, {20, "cancel", "false"}, {20, "may", ""}, {30, "reply 1 200", "relay+final"}, {30, "may", ""}},
	} {
		t.Run(name, func(t *testing.T) { runFork(t, false, false, steps) })
	}
}

func TestForkOverConnections(t *testing.T) {
	runFork(t, true, true, []step{
		{0, "start 2", ""}, {10, "reply 0 180", "relay"}, {20, "reply 1 200", "relay+final"}, {20, "complete 200", ""}, {20, "cancel-sent 0", ""},
		{6000, "tick", ""}, {6000, "reply 0 487", "ack"}, {9000, "tick", "6010:done"},
	})
}

// Which refusal the caller gets (16.7 step 6).
func TestBest(t *testing.T) {
	for _, tt := range []struct {
		codes string // in their order; a * came from nobody
		want  int
	}{
		{"486", 486}, {"486 404", 486}, {"500 486", 486}, {"486 500", 486}, {"503 500", 500}, {"500 503", 500}, {"503 503", 503},
		{"486 302", 302}, {"302 603", 603}, {"603 600", 603}, {"404 407 401", 407}, {"404 484 407", 407}, {"404 484", 484}, {"420 415", 420},
		{"408* 486", 486}, {"486 408*", 486}, {"408* 500", 408}, {"503* 503", 503}, {"408*", 408},
	} {
		tab := forkTable(t, 1, 0)
		tx := tab.Lock(1)
		tx.Create(0, true)
		tx.SetForked()
		for _, c := range strings.Fields(tt.codes) {
			var code int
			fmt.Sscan(c, &code)
			nobody := strings.HasSuffix(c, "*")
			if !tx.Better(code, nobody) {
				continue
			}
			var msg []byte
			if !nobody {
				msg = []byte(c)
			}
			if !tx.SetBest(code, msg) {
				t.Fatal("not stored")
			}
		}
		if tx.BestCode() != tt.want || len(tx.Best()) > 0 && string(tx.Best()) != fmt.Sprint(tt.want) {
			t.Errorf("of %s: %d %q, want %d", tt.codes, tx.BestCode(), tx.Best(), tt.want)
		}
		tx.RespondBest()
		if r := string(tx.Response()); r != "" && r != fmt.Sprint(tt.want) {
			t.Errorf("of %s the response is %q", tt.codes, r)
		}
		tx.Free()
		tx.Unlock()
		if st := tab.Stats(); st.Bytes != 0 {
			t.Errorf("%d bytes left", st.Bytes)
		}
	}
}

func TestBestIsBounded(t *testing.T) {
	tab := forkTable(t, 1, 1000)
	tx := tab.Lock(1)
	tx.Create(0, true)
	tx.SetForked()
	if !tx.SetBest(401, make([]byte, 500)) {
		t.Error("500 of 1000 bytes were not stored")
	}
	if tx.SetBest(401, make([]byte, 700)) || len(tx.Best()) != 500 {
		t.Errorf("beyond the budget the challenge of %d bytes remains, want 500", len(tx.Best()))
	}
	if tx.SetBest(603, make([]byte, 700)) || tx.BestCode() != 603 || tx.Best() != nil {
		t.Errorf("beyond the budget a 603 is known by its code alone, got %d with %d bytes", tx.BestCode(), len(tx.Best()))
	}
	tx.Free()
	tx.Unlock()
	if st := tab.Stats(); st.Bytes != 0 {
		t.Errorf("%d bytes left", st.Bytes)
	}
	if plain := testTable(t, 1, 0, 1); func() bool { tx := plain.Lock(1); defer tx.Unlock(); tx.Create(0, true); return tx.SetForked() }() {
		t.Error("a table that was not made for it forks")
	}
}

// model drives one forked INVITE as a proxy does, and judges what it is told to do.
type model struct {
	t         *testing.T
	tab       *Table
	id        ID
	now       int64
	rng       func(n int) int
	log       []string
	finals    int     // non-2xx sent upstream
	successes int     // 2xx sent upstream
	cancels   [16]int // sent, without repeats
	replied   [16]bool
	answered  [16]bool // with any final reply
	waves     int
}

func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf("%d: ", m.now)+fmt.Sprintf(format, args...))
}

func (m *model) fail(format string, args ...any) {
	m.t.Helper()
	m.t.Fatalf(format+"\n%s", append(args, strings.Join(m.log, "\n"))...)
}

func (m *model) wave(tx *Tx) {
	m.waves++
	for range 1 + m.rng(4) {
		if n, ok := tx.StartBranch(m.now, Endpoint{}, 5000); ok {
			m.note("start %d", n)
		}
	}
}

func (m *model) cancelRest(tx *Tx) {
	for n := range tx.Tried() {
		if tx.MayCancel(n) {
			m.cancelOne(tx, n)
		}
	}
}

func (m *model) cancelOne(tx *Tx, n int) {
	m.note("CANCEL to %d", n)
	if m.cancels[n]++; m.cancels[n] > 1 {
		m.fail("two CANCELs to %d", n)
	}
	if !m.replied[n] {
		m.fail("CANCEL to %d before a provisional reply", n)
	}
	tx.BranchCancelled(m.now, n)
}

func (m *model) over(tx *Tx, code int) {
	if !tx.Pending() || tx.LiveBranches() > 0 {
		return
	}
	if code == 500 && !tx.Closing() && m.waves < 3 && tx.Tried() < MaxAttempts {
		m.wave(tx)
		return
	}
	m.final(tx, code)
}

func (m *model) final(tx *Tx, code int) {
	m.note("final %d upstream", code)
	if m.finals++; m.finals > 1 || m.successes > 0 {
		m.fail("%d refusals and %d answers upstream", m.finals, m.successes)
	}
	tx.Complete(m.now, code, m.tab.Timers())
}

func (m *model) reply(tx *Tx, n, code int) {
	m.note("reply %d from %d", code, n)
	if code < 200 {
		m.replied[n] = true
	} else {
		m.answered[n] = true
	}
	pending := tx.Pending()
	act := tx.BranchReply(m.now, n, code)
	if act&Ack != 0 != (code >= 300) {
		m.fail("ACK %v for a %d", act&Ack != 0, code)
	}
	if code >= 200 && code < 300 && act&Relay == 0 {
		m.fail("a 2xx was not relayed")
	}
	if act&Relay != 0 && code < 200 && (!pending || code == 100) {
		m.fail("a %d was relayed, pending %v", code, pending)
	}
	switch {
	case act&Final != 0:
		if !pending || code >= 300 {
			m.fail("final with a %d, pending %v", code, pending)
		}
		m.successes++
		tx.Complete(m.now, code, m.tab.Timers())
		m.cancelRest(tx)
	case act&Ended != 0:
		if code >= 600 {
			tx.CloseFork()
			m.cancelRest(tx)
		}
		m.over(tx, code)
	case act&Relay != 0 && code >= 200:
		m.successes++
	}
	if act&Cancel != 0 {
		m.cancelOne(tx, n)
	}
}

func (m *model) fire(tx Tx, ev Event) {
	for {
		n, due := tx.NextDue(m.now)
		if due == 0 {
			break
		}
		m.note("%s of %d", eventName(due), n)
		switch due {
		case ResendCancel:
			if m.cancels[n] == 0 || m.answered[n] {
				m.fail("CANCEL to %d repeated", n)
			}
		case ResendRequest:
			if m.replied[n] || m.answered[n] {
				m.fail("INVITE to %d repeated though it replied", n)
			}
		default:
			m.over(&tx, 500)
		}
	}
	if ev&NoFinal != 0 && tx.Pending() {
		m.note("timer C")
		for n := range tx.Tried() {
			may := tx.MayCancel(n)
			if tx.BranchEnded(n) {
				continue
			}
			tx.EndBranch(m.now, n)
			if may {
				m.cancelOne(&tx, n)
			}
		}
		m.final(&tx, 408)
	}
}

// play runs a forked INVITE through whatever choose says, then lets the clock run: in
// the end one refusal or any number of answers, but not both unless an answer came
// late, went upstream; no CANCEL came too early or twice; nothing is left.
func play(t *testing.T, choose func(n int) int, steps int) {
	m := &model{t: t, tab: forkTable(t, 2, 0), rng: choose}
	tx := m.tab.Lock(9)
	tx.Create(0, true)
	tx.SetForked()
	m.id = tx.ID(0)
	m.wave(&tx)
	tx.Unlock()
	advance := func(until, step int64) {
		for m.now < until {
			m.now += step
			m.tab.Advance(m.now, m.fire)
		}
	}
	codes := []int{100, 180, 183, 200, 200, 404, 486, 500, 487, 603}
	for range steps {
		advance(m.now+int64(choose(5))*int64(choose(5))*int64(choose(5))*50, tickMs)
		tx, ok := m.tab.LockID(m.id)
		if !ok {
			break
		}
		switch k := choose(20); {
		case k == 0:
			if tx.CancelFork(m.now) {
				m.note("CANCEL from the caller")
				m.cancelRest(&tx)
			}
		case k == 1:
			m.note("ACK")
			tx.OnAck(m.now, m.tab.Timers())
		case k == 2:
			tx.OnCancelReply(choose(MaxAttempts))
		default:
			if n := choose(MaxAttempts); n < tx.Tried() {
				m.reply(&tx, n, codes[choose(len(codes))])
			}
		}
		tx.Unlock()
	}
	// Twice the longest life: two waves more, timer C, 64*T1 of CANCELs, the wait.
	advance(m.now+300_000, 10*tickMs)
	if m.tab.Live() != 0 {
		m.fail("the transaction is still there at %d ms", m.now)
	}
	if m.finals == 0 && m.successes == 0 {
		m.fail("nothing went upstream")
	}
	if st := m.tab.Stats(); st.Bytes != 0 {
		m.fail("%d bytes left", st.Bytes)
	}
}

func TestForkProperties(t *testing.T) {
	for seed := range uint64(2000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		play(t, rng.IntN, 10+rng.IntN(60))
	}
}

func FuzzFork(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte("\x03\x00\x00\x01\x05\x00\x01\x00\x00\x01\x05\x01\x03\x00\x00\x00\x05\x00\x03"))
	f.Add(slices.Repeat([]byte{3, 7, 250, 13}, 40))
	f.Fuzz(func(t *testing.T, b []byte) {
		i := 0
		play(t, func(n int) int {
			if i == len(b) {
				return 0
			}
			i++
			return int(b[i-1]) % n
		}, len(b)/4)
	})
}

func TestForkAllocatesNothing(t *testing.T) {
	tab := forkTable(t, 100, 1<<20)
	msg := make([]byte, 700)
	run := func() {
		tx := tab.Lock(3)
		tx.Create(0, true)
		tx.SetForked()
		tx.SetRequest(msg)
		for range 8 {
			tx.StartBranch(0, Endpoint{}, 5000)
		}
		for n := range 7 {
			tx.BranchReply(1, n, 180)
			tx.BranchReply(2, n, 486)
			if tx.Better(486, false) {
				tx.SetBest(486, msg)
			}
		}
		tx.BranchReply(3, 7, 200)
		tx.Complete(3, 200, tab.Timers())
		tx.Free()
		tx.Unlock()
	}
	run()
	if n := testing.AllocsPerRun(1000, run); n != 0 {
		t.Errorf("%v allocations per forked transaction", n)
	}
}
