package engine

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// lines collects log lines.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) all(t *testing.T) []map[string]any {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []map[string]any
	for _, s := range strings.Split(strings.TrimSpace(l.b.String()), "\n") {
		m := map[string]any{}
		if s == "" {
			continue
		}
		if err := json.Unmarshal([]byte(s), &m); err != nil {
			t.Fatalf("%v in %s", err, s)
		}
		out = append(out, m)
	}
	return out
}

// wait waits for n lines.
func (l *lines) wait(t *testing.T, n int) []map[string]any {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if got := l.all(t); len(got) >= n || time.Now().After(until) {
			if len(got) != n {
				t.Fatalf("%d lines, want %d: %v", len(got), n, got)
			}
			return got
		}
	}
}

func (l *lines) logger(level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: level}))
}

// The log names the destination that failed, why, and the one tried instead.
func TestFailoversAreLogged(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		level slog.Level
		fail  func(r *rig, uas *agent, inv *sipMsg)
		cause string
	}{
		"code":     {slog.LevelInfo, func(_ *rig, uas *agent, inv *sipMsg) { uas.respond(inv, 503, "No") }, "503"},
		"silence":  {slog.LevelInfo, func(*rig, *agent, *sipMsg) {}, "no reply within 1s"},
		"only 100": {slog.LevelInfo, func(_ *rig, uas *agent, inv *sipMsg) { uas.respond(inv, 100, "Trying") }, "only 100 within 2s"},
		"choices":  {slog.LevelDebug, func(_ *rig, uas *agent, inv *sipMsg) { uas.respond(inv, 500, "No") }, "500"},
	} {
		t.Run(name, func(t *testing.T) {
			var log lines
			r := newLoggedRig(t, 2, func(a *runtime.Appliance) {
				a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(time.Second), duration(2*time.Second)
			}, log.logger(tt.level))
			c := r.alice.newCall(r.out)
			c.invite("")
			first, inv := r.anyUAS("INVITE")
			tt.fail(r, first, inv)
			second := r.uas[0]
			if first == second {
				second = r.uas[1]
			}
			second.respond(second.request("INVITE"), 200, "OK")
			c.established(c.reply(200, "INVITE"))
			want := 1
			if tt.level == slog.LevelDebug {
				want = 2
			}
			got := log.wait(t, want)
			if want == 2 {
				if m := got[0]; m["msg"] != "destination chosen" || m["next_address"] != first.addr.String() || m["call_id"] != c.callID {
					t.Errorf("choice: %v", m)
				}
			}
			m := got[want-1]
			if m["level"] != "WARN" || m["msg"] != "request moved to another destination" || m["method"] != "INVITE" || m["call_id"] != c.callID ||
				m["failed_address"] != first.addr.String() || m["next_address"] != second.addr.String() || m["failed_set"] != "core" ||
				m["failed"] == m["next"] || m["cause"] != tt.cause || m["attempts"] != 2.0 {
				t.Errorf("failover: %v", m)
			}
			if n := r.e.Stats().Counters["log_events_lost"]; n != 0 {
				t.Errorf("%d events lost", n)
			}
		})
	}
}

func TestExhaustionIsLogged(t *testing.T) {
	t.Parallel()
	var log lines
	r := newLoggedRig(t, 1, func(a *runtime.Appliance) { a.Routes[0].To = []string{"core"} }, log.logger(slog.LevelInfo))
	c := r.alice.newCall(r.out)
	c.invite("")
	r.uas[0].respond(r.uas[0].request("INVITE"), 500, "No")
	c.reply(503, "INVITE")
	m := log.wait(t, 1)[0]
	if m["msg"] != "destinations exhausted" || m["failed"] != "core1" || m["cause"] != "500" || m["next"] != nil || m["attempts"] != 1.0 {
		t.Errorf("%v", m)
	}
}

// A storm of failovers makes a bounded number of lines and says how many it left
// out; a full ring loses events, counted, and the worker goes on.
func TestLogIsBounded(t *testing.T) {
	var log lines
	p := newPath(t)
	p.e.log = log.logger(slog.LevelInfo)
	var v message.View
	if err := v.Parse(p.invite.fill(1)); err != nil {
		t.Fatal(err)
	}
	failed := failure{dest: 0, reason: reasonCode, code: 503}
	const rounds = 10
	for range rounds {
		for range ringSize + 5 {
			p.w.note(failed, hop{}, 1, &v)
		}
		p.e.teller.look()
	}
	if n := sum([]*worker{p.w})["log_events_lost"]; n != 5*rounds {
		t.Errorf("%d events lost, want %d", n, 5*rounds)
	}
	got := log.all(t)
	if n := len(got); n < linesBurst || n > linesBurst+linesRate {
		t.Errorf("%d lines of %d events", n, rounds*ringSize)
	}
	said, unsaid := 0, 0.0
	p.e.teller.rate = newTeller(p.e).rate // as after a pause
	p.e.teller.look()
	for _, m := range log.all(t) {
		if n, ok := m["count"].(float64); ok {
			unsaid += n
		} else {
			said++
		}
	}
	if total := fmt.Sprint(float64(said) + unsaid); total != fmt.Sprint(rounds*ringSize) {
		t.Errorf("%d lines and %v left out are not %d events", said, unsaid, rounds*ringSize)
	}
	if n := testing.AllocsPerRun(100, func() { p.w.note(failed, hop{}, 1, &v) }); n != 0 {
		t.Errorf("leaving an event allocates %v times", n)
	}
}

// One worker and the teller at the same time lose nothing that was published.
func TestRing(t *testing.T) {
	var r ring
	const total = 20000
	done := make(chan int)
	go func() {
		seen, last := 0, -1
		for seen < total {
			r.drain(func(ev *event) {
				if n := int(ev.next) | int(ev.tried)<<16; n != last+1 {
					t.Errorf("event %d after %d", n, last)
				} else {
					last = n
				}
				seen++
			})
			time.Sleep(10 * time.Microsecond)
		}
		done <- seen
	}()
	for i := 0; i < total; {
		ev := r.next()
		if ev == nil {
			time.Sleep(10 * time.Microsecond)
			continue
		}
		ev.next, ev.tried = uint16(i), uint8(i>>16)
		r.publish()
		i++
	}
	<-done
}
