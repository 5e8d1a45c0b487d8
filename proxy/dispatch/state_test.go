package dispatch

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/appliance/runtime"
)

// Events: P probe answered, p probe failed, C call answered, c call without reply,
// A I D X set by hand to active, inactive, disabled, probing. States: a active,
// t trying, i inactive, d disabled, x probing; one after each event.
func TestStateMachine(t *testing.T) {
	tests := []struct {
		name, start   string
		fail, recover int
		events        string
		states        string
	}{
		{"starts inactive", "inactive", 2, 3, "PPP", "iia"},
		{"starts inactive, a failure in between", "inactive", 2, 2, "PpPP", "iiia"},
		{"starts probing", "probing", 3, 3, "P", "a"},
		{"starts probing, answers late", "probing", 3, 3, "ppPp", "xxat"},
		{"starts probing, never answers", "probing", 3, 2, "pppPP", "xxiia"},
		{"calls say nothing about one that waits", "probing", 1, 1, "cCc", "xxx"},
		{"starts disabled", "disabled", 1, 1, "pPcCA", "dddda"},
		{"disabled from every state", "", 2, 2, "DAcDAccDXD", "datdatidxd"},
		{"enabled with a clean record", "", 3, 1, "ppDAppp", "ttdatti"},
		{"inactive by hand comes back by probes", "", 3, 2, "IPP", "iia"},
		{"probing by hand", "", 1, 5, "pXP", "ixa"},
		{"active by hand from inactive", "", 2, 5, "ppAPp", "tiaat"},
	}
	letter := map[State]byte{Active: 'a', Trying: 't', Inactive: 'i', Disabled: 'd', Probing: 'x'}
	by := map[rune]State{'A': Active, 'I': Inactive, 'D': Disabled, 'X': Probing}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := testSet("core", runtime.AlgorithmRoundRobin, 2, testProbe(tt.fail, tt.recover))
			cfg.Destinations[0].State = tt.start
			sets := newSets(t, cfg)
			d := sets.Destinations()[0]
			if tt.start != "" && d.State().String() != tt.start {
				t.Fatalf("starts %v", d.State())
			}
			var got strings.Builder
			for _, e := range tt.events {
				switch e {
				case 'P':
					d.probed(Target{}, outcome{ok: true, what: "200"})
				case 'p':
					d.probed(Target{}, outcome{what: "503"})
				case 'C', 'c':
					sets.Report(d, 0, e == 'C')
				default:
					if err := sets.SetState("core", "d1", by[e]); err != nil {
						t.Fatal(err)
					}
				}
				got.WriteByte(letter[d.State()])
				want := 1
				if d.State().TakesCalls() {
					want = 2
				}
				if d.set.Usable() != want {
					t.Errorf("%d usable in state %v", d.set.Usable(), d.State())
				}
			}
			if got.String() != tt.states {
				t.Errorf("events %s: states %s, want %s", tt.events, got.String(), tt.states)
			}
		})
	}
}

func TestSetStateRefuses(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 2, testProbe(1, 1)), testSet("bare", runtime.AlgorithmRoundRobin, 12, nil))
	tests := []struct {
		set, dest string
		to        State
		want      string
	}{
		{"cor", "d1", Active, `there is no dispatcher "cor": write one of core, bare`},
		{"core", "fs1", Active, `dispatcher "core" has no destination "fs1": write one of d1, d2`},
		{"bare", "fs1", Active, "d1, d2, d3, d4, d5, d6, d7, d8 and 4 more"},
		{"core", "d1", Trying, `destination "d1" of dispatcher "core": state trying comes of failures and cannot be set: write one of active, inactive, disabled, probing`},
		{"bare", "d1", Inactive, `state inactive waits for probes, and dispatcher "bare" sends none: write disabled, or give it a probe block`},
		{"bare", "d1", Probing, "state probing waits for probes"},
		{"bare", "d1", State(17), "state unknown"},
	}
	for _, tt := range tests {
		if err := sets.SetState(tt.set, tt.dest, tt.to); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s/%s to %v: error %v, want it to contain %q", tt.set, tt.dest, tt.to, err, tt.want)
		}
	}
	for _, d := range sets.Destinations() {
		if d.State() != Active {
			t.Errorf("%s became %v", d.Name(), d.State())
		}
	}
	if err := sets.SetState("bare", "d1", Disabled); err != nil || sets.Set(1).Usable() != 11 {
		t.Errorf("disabling in a set without probes: %v, %d usable", err, sets.Set(1).Usable())
	}
	for _, name := range stateNames {
		if s, err := ParseState(name); err != nil || s.String() != name {
			t.Errorf("state %s is read as %v, %v", name, s, err)
		}
	}
	if State(9).String() != "unknown" {
		t.Error("a state without name has one")
	}
}

// A disabled destination is not probed; one that is to be probed is at once.
func TestProbingByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := testSet("core", runtime.AlgorithmRoundRobin, 1, testProbe(1, 1))
		cfg.Destinations[0].State = "disabled"
		sets := newSets(t, cfg)
		w := &wire{t: t, start: time.Now(), answer: func(int) (int, error) { return 200, nil }}
		var err error
		if w.prober, err = NewProber(sets, []runtime.Listener{coreListener}, w.send, quiet); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.prober.Run(ctx); close(done) }()
		time.Sleep(10 * time.Minute)
		if len(w.sent) != 0 {
			t.Errorf("a disabled destination got %d probes", len(w.sent))
		}
		if err := sets.SetState("core", "d1", Probing); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if d := sets.Destinations()[0]; len(w.sent) != 1 || d.State() != Active {
			t.Errorf("%d probes, state %v", len(w.sent), d.State())
		}
		cancel()
		<-done
	})
}

// Many destinations are not probed at once, and their end makes a bounded number of
// lines.
func TestFiveThousandDestinations(t *testing.T) {
	const n = 5000
	synctest.Test(t, func(t *testing.T) {
		sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, n, testProbe(1, 1)))
		start := time.Now()
		perTenth := map[int64]int{}
		sent := make(chan time.Duration, 4*n)
		send := func(_ string, _ []byte, _ netip.AddrPort) error {
			sent <- time.Since(start)
			return fmt.Errorf("network is unreachable")
		}
		var log bytes.Buffer
		p, err := NewProber(sets, []runtime.Listener{coreListener}, send, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		changes := 0
		p.Observe = func(Change) { changes++ }
		ctx, cancel := context.WithTimeout(t.Context(), 25*time.Second)
		defer cancel()
		p.Run(ctx)
		close(sent)
		total := 0
		for at := range sent {
			perTenth[int64(at/(100*time.Millisecond))]++
			total++
		}
		if total != n {
			t.Errorf("%d probes in 25 s, want one for each of %d", total, n)
		}
		for at, k := range perTenth {
			if k > 110 {
				t.Errorf("%d probes within 100 ms, at %v", k, time.Duration(at)*100*time.Millisecond)
			}
		}
		lines := strings.Count(log.String(), "\n")
		if lines > linesBurst+25*linesRate || !strings.Contains(log.String(), "changes of destinations beyond the log's rate") {
			t.Errorf("%d lines for %d changes", lines, n)
		}
		if uint64(changes)+p.Stats().ChangesLost != n {
			t.Errorf("%d changes observed, %d lost, of %d", changes, p.Stats().ChangesLost, n)
		}
	})
}
