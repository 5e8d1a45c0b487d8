package engine

import (
	"fmt"
	"log/slog"
	goruntime "runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/listen"
	"trunkline/proxy/overload"
)

// refuse has all workers refuse a share of new calls.
func (r *rig) refuse(share int) {
	r.t.Helper()
	want := 1 // for the timers
	for _, l := range r.cfg.Listeners {
		want += l.Workers
	}
	await(r.t, "the workers", func() bool { return len(r.e.allWorkers()) >= want })
	for _, w := range r.e.allWorkers() {
		w.gate.Refuse(share)
	}
}

// In overload new calls get 503 with Retry-After and leave nothing; whatever belongs to a
// call in progress goes on.
func TestOverloadRefusesNewCallsAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c, uas, _ := r.answerCall()
	ringing := r.alice.newCall(r.out)
	raw := ringing.invite("")
	inv := uas.request("INVITE")
	uas.respond(inv, 180, "Ringing")
	ringing.reply(180, "INVITE")
	r.refuse(overload.Whole)

	for i := range uint64(3) {
		refused := r.alice.newCall(r.out)
		refused.invite("")
		m := refused.reply(503, "INVITE")
		if m.get("Retry-After") != "7" {
			t.Errorf("Retry-After %q, want 7", m.get("Retry-After"))
		}
		_, refused.toTag, _ = strings.Cut(m.get("To"), ";tag=")
		refused.hop("ACK")
		r.count("refused_overload", i+1)
	}
	message := r.alice.newCall(r.out)
	message.send(r.out, message.build("MESSAGE", message.newBranch(), 1, "", "hello"))
	message.reply(503, "MESSAGE")

	r.alice.send(r.out, raw) // a repeated INVITE gets the last reply again
	ringing.reply(180, "INVITE")
	for _, method := range []string{"INVITE", "INFO"} {
		c.inDialog(method, "", "")
		uas.respond(uas.request(method), 200, "OK")
		c.reply(200, method)
	}
	c.inDialog("ACK", "", "")
	uas.request("ACK")
	ringing.hop("CANCEL")
	ringing.reply(200, "CANCEL")
	uas.respond(uas.request("CANCEL"), 200, "OK")
	uas.respond(inv, 487, "Request Terminated")
	ringing.reply(487, "INVITE")
	ringing.hop("ACK")
	c.inDialog("BYE", "", "")
	uas.respond(uas.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
	r.count("refused_overload", 4)

	r.refuse(0)
	last := r.alice.newCall(r.out)
	last.invite("")
	uas.respond(uas.request("INVITE"), 486, "Busy Here")
	last.reply(486, "INVITE")
	last.hop("ACK")
	r.settle(0)
}

// A share of the calls is refused, and a call that is repeated meets the same answer.
func TestOverloadRefusesAShare(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	r.refuse(overload.Whole / 2)
	refused := uint64(0)
	for range 64 {
		c := r.alice.newCall(r.out)
		raw := c.invite("")
		final := c.expect("a final reply or 100", func(m *sipMsg) bool { return m.get("Call-ID") == c.callID })
		if final.code() != 503 {
			continue
		}
		refused++
		c.send(r.out, raw)
		if again := c.expect("an answer to the repeated INVITE", func(m *sipMsg) bool { return m.get("Call-ID") == c.callID }); again.code() != 503 {
			t.Fatalf("refused with 503, then %d", again.code())
		}
	}
	r.count("refused_overload", 2*refused)
	// One in 2^64 runs refuses none of 64 by chance, and as many all.
	if refused == 0 || refused == 64 {
		t.Errorf("%d of 64 calls were refused, with a share of one half", refused)
	}
}

// The call table has a high-water mark too.
func TestHighWaterOfCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.State.Calls, a.State.HighWater = 4, 0.5 })
	for range 2 {
		r.answerCall()
	}
	c := r.alice.newCall(r.out)
	c.invite("")
	c.reply(503, "INVITE")
	r.count("refused_high_water", 1)
	c.send(r.out, c.build("MESSAGE", c.newBranch(), 1, "", "hello")) // it takes no call slot
	r.uas[0].respond(r.uas[0].request("MESSAGE"), 200, "OK")
	c.reply(200, "MESSAGE")
}

// backlogged is a group whose receive queues say what a test wants.
type backlogged struct {
	group
	now []listen.Backlog
}

func (g *backlogged) Name() string { return "out" }

func (g *backlogged) backlogs(dst []listen.Backlog) []listen.Backlog { return append(dst, g.now...) }

// One worker that does not keep up refuses what comes to it; of a steered listener all do.
func TestWatcher(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		steered bool
		want    [2]overload.Verdict
	}{
		{false, [2]overload.Verdict{overload.Busy, overload.Take}},
		{true, [2]overload.Verdict{overload.Busy, overload.Busy}},
	} {
		t.Run(fmt.Sprintf("steered %v", tt.steered), func(t *testing.T) {
			var log strings.Builder
			r := newRig(t, 1, func(a *runtime.Appliance) { a.Transaction.T1 = duration(time.Hour) }) // no machine is that slow
			r.e.log = slog.New(slog.NewTextHandler(&log, nil))
			wa := newWatcher(r.e)
			g := &backlogged{now: make([]listen.Backlog, 2)}
			workers := []*worker{newWorker(r.e), newWorker(r.e)}
			wa.add(g, workers, tt.steered)
			look := func(n int) {
				for range n {
					g.now[1].Empty++ // the second keeps up
					wa.look(time.Hour)
				}
			}
			look(3)
			if st := wa.stats(0); st.Refused != 0 {
				t.Errorf("idle: %+v", st)
			}
			g.now[0].Waiting = 100
			look(2)
			for i, w := range workers {
				if got := w.gate.Judge(0); got != tt.want[i] {
					t.Errorf("worker %d: verdict %d, want %d", i, got, tt.want[i])
				}
			}
			if st := wa.stats(0); st.Refused != 1 || st.Wait != 2*time.Hour {
				t.Errorf("a worker stands still: %+v", st)
			}
			g.now[0].Waiting = 0
			look(overload.Whole)
			if st := wa.stats(0); st.Refused != 0 || workers[0].gate.Judge(0) != overload.Take {
				t.Errorf("it goes on: %+v", st)
			}
			if s := log.String(); strings.Count(s, "refused in part") != 1 || strings.Count(s, "overload over") != 1 {
				t.Errorf("the log:\n%s", s)
			}
		})
	}
}

// More than a worker can bear over a real socket: calls are refused by load, and once it
// ends all are taken again.
func TestOverloadOverTheWire(t *testing.T) {
	t.Parallel()
	var e *Engine
	r := newRig(t, 1, nil)
	cfg := *r.cfg
	cfg.Listeners = append([]runtime.Listener(nil), r.cfg.Listeners...)
	for i := range cfg.Listeners {
		cfg.Listeners[i].Address = freePort(t, cfg.Listeners[i].Address.Addr().String())
		cfg.Listeners[i].Workers, cfg.Listeners[i].RecvBuffer = 1, 1<<18
	}
	e, err := tryEngine(&cfg, quiet) // with a watcher
	if err != nil {
		t.Fatal(err)
	}
	startEngine(t, e)
	r.e, r.out = e, cfg.Listeners[0].Address
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for range 4 * goruntime.GOMAXPROCS(0) { // so that the worker is one of many
		flood := newAgent(t, "127.0.11.2")
		c := flood.newCall(r.out)
		pkt := []byte(c.build("INVITE", "z9hG4bK-flood-000000000", 1, "", "x"))
		at := strings.Index(string(pkt), "000000000")
		senders.Go(func() {
			for i := range 1_000_000 { // bounded, whatever happens
				select {
				case <-stop:
					return
				default:
				}
				copy(pkt[at:], fmt.Sprintf("%09d", i))
				_, _ = flood.conn.WriteToUDPAddrPort(pkt, r.out)
			}
		})
	}
	r.atLeast("refused_overload", 100)
	close(stop)
	senders.Wait()
	await(t, "all calls to be taken again", func() bool { return e.Stats().Listeners[0].Overload.Refused == 0 })
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(4 * patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
