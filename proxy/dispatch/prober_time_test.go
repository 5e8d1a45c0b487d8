package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emiago/sipgo/sip"

	"trunkline/appliance/runtime"
)

var coreListener = runtime.Listener{Name: "core", Transport: "udp", Address: netip.MustParseAddrPort("127.0.0.1:5060")}

// wire stands for the network in tests on a fake clock: it notes what is sent and
// answers as the test says.
type wire struct {
	t      *testing.T
	prober *Prober
	start  time.Time
	sent   []time.Duration // when, since the start
	pkts   [][]byte
	// answer gives the code for packet n, 0 for none, or the error of sending it.
	answer func(n int) (int, error)
}

func (w *wire) send(listener string, pkt []byte, to netip.AddrPort) error {
	n := len(w.sent)
	w.sent = append(w.sent, time.Since(w.start))
	w.pkts = append(w.pkts, bytes.Clone(pkt))
	code, err := w.answer(n)
	if err != nil || code == 0 {
		return err
	}
	if !w.prober.Deliver(listener, replyTo(w.t, pkt, code), to) {
		w.t.Error("a reply was not taken")
	}
	return nil
}

// replyTo is a destination's reply to a request, made by sipgo.
func replyTo(t testing.TB, pkt []byte, code int) []byte {
	t.Helper()
	msg, err := sip.NewParser().ParseSIP(pkt)
	if err != nil {
		t.Fatalf("a destination could not parse\n%s\n%v", pkt, err)
	}
	return []byte(sip.NewResponseFromRequest(msg.(*sip.Request), code, "Because", nil).String())
}

// onFakeClock runs a prober for one destination for a time of the fake clock.
func onFakeClock(t *testing.T, probe *runtime.Probe, runFor time.Duration, answer func(int) (int, error), check func(*wire, *Destination)) {
	synctest.Test(t, func(t *testing.T) {
		sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 1, probe))
		w := &wire{t: t, answer: answer, start: time.Now()}
		var err error
		if w.prober, err = NewProber(sets, []runtime.Listener{coreListener}, w.send, quiet); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), runFor)
		defer cancel()
		w.prober.Run(ctx)
		check(w, sets.Destinations()[0])
	})
}

func TestIntervals(t *testing.T) {
	onFakeClock(t, testProbe(5, 5), time.Hour, func(int) (int, error) { return 200, nil }, func(w *wire, d *Destination) {
		if w.sent[0] > firstWithin {
			t.Errorf("first probe after %v", w.sent[0])
		}
		if n := len(w.sent); n < 109 || n > 134 {
			t.Errorf("%d probes in an hour, one each 30 s wanted", n)
		}
		varied := false
		for i := 1; i < len(w.sent); i++ {
			gap := w.sent[i] - w.sent[i-1]
			if gap < 27*time.Second || gap > 33*time.Second {
				t.Errorf("probe %d came %v after the one before", i, gap)
			}
			varied = varied || gap != 30*time.Second
		}
		if !varied {
			t.Error("the interval never varies")
		}
		if st := d.Stats(); st.Probes != uint64(len(w.sent)) || st.ProbesFailed != 0 || st.Changes != 0 {
			t.Errorf("stats %+v after %d probes", st, len(w.sent))
		}
	})
}

// RFC 3261 17.1.2.2: after T1, then each time twice as long, 500 ms and 4 s at most.
func TestRetransmissions(t *testing.T) {
	onFakeClock(t, testProbe(5, 5), 20*time.Second, func(int) (int, error) { return 0, nil }, func(w *wire, d *Destination) {
		var at []time.Duration
		for i := range w.sent {
			if !bytes.Equal(w.pkts[i], w.pkts[0]) {
				t.Errorf("packet %d differs from the first:\n%s", i, w.pkts[i])
			}
			at = append(at, w.sent[i]-w.sent[0])
		}
		if got, want := fmt.Sprint(at), "[0s 500ms 1.5s 3.5s]"; got != want {
			t.Errorf("sent at %s, want %s", got, want)
		}
		if st := d.Stats(); st.Probes != 1 || st.ProbesFailed != 1 || st.State != "trying" || st.LastProbe != "no final reply within 4s" || st.RoundTrip != 0 {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestOneLostPacketIsNotALostProbe(t *testing.T) {
	// Every probe loses its first packet.
	onFakeClock(t, testProbe(1, 1), 10*time.Minute, func(n int) (int, error) {
		if n%2 == 0 {
			return 0, nil
		}
		return 200, nil
	}, func(w *wire, d *Destination) {
		if st := d.Stats(); st.Probes < 15 || st.ProbesFailed != 0 || st.Changes != 0 || st.RoundTrip != 500*time.Millisecond {
			t.Errorf("stats %+v", st)
		}
	})
}

func TestDeadAndBack(t *testing.T) {
	// Silent from its third probe on, for five probes of four packets each.
	var changes []string
	synctest.Test(t, func(t *testing.T) {
		sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 1, testProbe(3, 2)))
		w := &wire{t: t, start: time.Now(), answer: func(n int) (int, error) {
			if n >= 2 && n < 2+5*4 {
				return 0, nil
			}
			return 200, nil
		}}
		var log bytes.Buffer
		var err error
		w.prober, err = NewProber(sets, []runtime.Listener{coreListener}, w.send, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		w.prober.Observe = func(c Change) {
			changes = append(changes, fmt.Sprintf("%v>%v after %d probes: %s", c.From, c.To, c.Destination.Stats().Probes, c.Cause))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
		defer cancel()
		w.prober.Run(ctx)
		for _, want := range []string{
			`level=WARN msg="destination inactive" set=core destination=d1 address=127.0.0.1:6001 listener=core was=trying cause="probe: no final reply within 4s" failures=3 usable=0`,
			`level=INFO msg="destination active" set=core destination=d1 address=127.0.0.1:6001 listener=core was=inactive cause="probe: 200" failures=0 usable=1`,
		} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks\n%s\nit is\n%s", want, log.String())
			}
		}
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("%d lines in the log, want 2:\n%s", n, log.String())
		}
	})
	want := []string{
		"active>trying after 3 probes: probe: no final reply within 4s",
		"trying>inactive after 5 probes: probe: no final reply within 4s",
		"inactive>active after 9 probes: probe: 200",
	}
	if fmt.Sprint(changes) != fmt.Sprint(want) {
		t.Errorf("changes\n%s, want\n%s", strings.Join(changes, "\n"), strings.Join(want, "\n"))
	}
}

func TestOutcomes(t *testing.T) {
	tests := []struct {
		name   string
		answer func(int) (int, error)
		ok     bool
		what   string
	}{
		{"200", func(int) (int, error) { return 200, nil }, true, "200"},
		{"accepted class", func(int) (int, error) { return 202, nil }, true, "202"},
		{"accepted code", func(int) (int, error) { return 404, nil }, true, "404"},
		{"other 4xx", func(int) (int, error) { return 405, nil }, false, "405"},
		{"503", func(int) (int, error) { return 503, nil }, false, "503"},
		{"provisional only", func(int) (int, error) { return 100, nil }, false, "no final reply within 4s"},
		{"cannot be sent", func(int) (int, error) { return 0, errors.New("network is unreachable") }, false, "cannot be sent: network is unreachable"},
		{"retransmission cannot be sent", func(n int) (int, error) {
			if n > 0 {
				return 0, errors.New("connection refused")
			}
			return 0, nil
		}, false, "cannot be sent: connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onFakeClock(t, testProbe(5, 5), 10*time.Second, tt.answer, func(_ *wire, d *Destination) {
				st := d.Stats()
				if st.Probes != 1 || (st.ProbesFailed == 0) != tt.ok || st.LastProbe != tt.what {
					t.Errorf("stats %+v, want ok %v, %q", st, tt.ok, tt.what)
				}
			})
		})
	}
}

// A probe under way when the proxy stops says nothing about the destination.
func TestStopSaysNothing(t *testing.T) {
	onFakeClock(t, testProbe(1, 1), 3*time.Second, func(int) (int, error) { return 0, nil }, func(w *wire, d *Destination) {
		if st := d.Stats(); len(w.sent) == 0 || st.Probes != 0 || st.State != "active" {
			t.Errorf("%d packets, stats %+v", len(w.sent), st)
		}
		if n := len(w.prober.pending.byKey); n != 0 {
			t.Errorf("%d exchanges left behind", n)
		}
	})
}
