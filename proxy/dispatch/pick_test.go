package dispatch

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

var update = flag.Bool("update", false, "write the golden files anew")

func callID(i int) []byte { return fmt.Appendf(nil, "%08x-call@caller.example", i*2654435761) }

// pick is the next destination of a request that is no call, by its Call-ID.
func pick(s *Set, key []byte, tried *Tried) (*Destination, bool) {
	d, _ := s.Pick(Ask{Key: hash(key)}, tried)
	return d, d != nil
}

// pickFirst is what a new call gets.
func pickFirst(t testing.TB, s *Set, key []byte) *Destination {
	t.Helper()
	var tried Tried
	d, ok := pick(s, key, &tried)
	if !ok {
		t.Fatal("no destination")
	}
	return d
}

// down makes a destination inactive as calls would.
func down(s *Sets, d *Destination) {
	for range d.set.cfg.Probe.FailThreshold {
		s.Report(d, 0, false)
	}
}

// up brings it back as probes would.
func up(d *Destination) {
	for range d.set.cfg.Probe.RecoverThreshold {
		d.probed(Target{}, outcome{ok: true, what: "200"})
	}
}

func TestHashMovesOnlyTheCallsOfTheOneThatGoes(t *testing.T) {
	const calls, n = 20000, 5
	sets := newSets(t, testSet("core", runtime.AlgorithmHashCallID, n, testProbe(3, 2)))
	s, gone := sets.Set(0), sets.Destinations()[2]
	before := make([]*Destination, calls)
	share := map[*Destination]int{}
	for i := range before {
		before[i] = pickFirst(t, s, callID(i))
		share[before[i]]++
	}
	for d, got := range share {
		if got < calls/n*9/10 || got > calls/n*11/10 {
			t.Errorf("%s has %d of %d calls", d.Name(), got, calls)
		}
	}
	down(sets, gone)
	moved := map[*Destination]int{}
	for i := range before {
		now := pickFirst(t, s, callID(i))
		if before[i] != gone && now != before[i] {
			t.Fatalf("call %d moved from %s to %s though only %s is down", i, before[i].Name(), now.Name(), gone.Name())
		}
		if before[i] == gone {
			moved[now]++
		}
	}
	for d, got := range moved {
		if want := share[gone] / (n - 1); got < want*8/10 || got > want*12/10 {
			t.Errorf("%s took %d of the %d calls of %s", d.Name(), got, share[gone], gone.Name())
		}
	}
	up(gone)
	for i := range before {
		if now := pickFirst(t, s, callID(i)); now != before[i] {
			t.Fatalf("call %d is at %s, not back at %s", i, now.Name(), before[i].Name())
		}
	}
}

func TestHashFailsOverWhereTheCallWouldGoAnyway(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmHashCallID, 4, testProbe(3, 2)))
	s := sets.Set(0)
	for i := range 200 {
		var tried Tried
		first, _ := pick(s, callID(i), &tried)
		second, _ := pick(s, callID(i), &tried)
		down(sets, first)
		if got := pickFirst(t, s, callID(i)); got != second {
			t.Fatalf("call %d fails over to %s, but goes to %s with %s down", i, second.Name(), got.Name(), first.Name())
		}
		up(first)
	}
}

// The mapping is a promise: another version or another appliance decides alike.
func TestHashGolden(t *testing.T) {
	s := newSets(t, testSet("core", runtime.AlgorithmHashCallID, 7, nil)).Set(0)
	var b strings.Builder
	for i := range 64 {
		var tried Tried
		fmt.Fprintf(&b, "%s", callID(i))
		for range 3 {
			d, _ := pick(s, callID(i), &tried)
			fmt.Fprintf(&b, " %s", d.Name())
		}
		b.WriteByte('\n')
	}
	const path = "testdata/hash-callid.golden"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the choice of hash-callid changed; calls would move on an upgrade:\n%s", b.String())
	}
}

func TestRoundRobinTakesTurns(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 4, testProbe(3, 2)))
	s := sets.Set(0)
	order := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString(pickFirst(t, s, nil).Name())
		}
		return b.String()
	}
	if got, want := order(8), "d1d2d3d4d1d2d3d4"; got != want {
		t.Errorf("turns %s, want %s", got, want)
	}
	down(sets, sets.Destinations()[1])
	share := map[*Destination]int{}
	for range 300 {
		share[pickFirst(t, s, nil)]++
	}
	for i, d := range sets.Destinations() {
		want := 100
		if i == 1 {
			want = 0
		}
		if share[d] != want {
			t.Errorf("%s got %d of 300 calls, want %d", d.Name(), share[d], want)
		}
	}
}

// Calls of one that fails at once come in step with the turns; they must not all
// meet its neighbour.
func TestRoundRobinSpreadsFailedCalls(t *testing.T) {
	s := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 4, nil)).Set(0)
	bad := s.Destinations()[0]
	second := map[*Destination]int{}
	for range 1200 {
		var tried Tried
		if d, _ := pick(s, nil, &tried); d == bad {
			d, _ = pick(s, nil, &tried)
			second[d]++
		}
	}
	for _, d := range s.Destinations()[1:] {
		if second[d] != 100 {
			t.Errorf("%s got %d of the 300 calls of %s, want 100", d.Name(), second[d], bad.Name())
		}
	}
}

func TestPickGivesEachOnceThenNone(t *testing.T) {
	for _, algorithm := range names {
		for _, n := range []int{0, 1, 3, MaxTried, MaxTried + 4} {
			if algorithm == "parallel" && n > MaxParallel {
				continue
			}
			t.Run(fmt.Sprintf("%s %d", algorithm, n), func(t *testing.T) {
				s := newSets(t, weighedSet(algorithm, n)).Set(0)
				var tried Tried
				seen := map[*Destination]bool{}
				for {
					d, ok := pick(s, callID(1), &tried)
					if !ok {
						break
					}
					if seen[d] {
						t.Fatalf("%s given twice", d.Name())
					}
					if seen[d] = true; !tried.Has(d) {
						t.Errorf("%s is not remembered", d.Name())
					}
				}
				if want := min(n, MaxTried); len(seen) != want || tried.Count() != want {
					t.Errorf("%d given, %d remembered, want %d", len(seen), tried.Count(), want)
				}
			})
		}
	}
}

func TestTriedHoldsAcrossSets(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 2, nil), testSet("overflow", runtime.AlgorithmRoundRobin, 2, nil))
	var tried Tried
	for i := range sets.Len() {
		for {
			if _, ok := pick(sets.Set(i), nil, &tried); !ok {
				break
			}
		}
	}
	if tried.Count() != 4 {
		t.Errorf("%d destinations tried over both sets, want 4", tried.Count())
	}
}

// A destination in doubt keeps its calls; a call that failed once is not sent into
// doubt while a sound destination is left.
func TestDoubtfulDestinations(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmHashCallID, 3, testProbe(5, 5)))
	s := sets.Set(0)
	doubtful := sets.Destinations()[0]
	var before []*Destination
	for i := range 300 {
		before = append(before, pickFirst(t, s, callID(i)))
	}
	sets.Report(doubtful, 0, false)
	if doubtful.State() != Trying {
		t.Fatalf("state %v after one failure", doubtful.State())
	}
	for i := range before {
		if now := pickFirst(t, s, callID(i)); now != before[i] {
			t.Fatalf("one failure moved call %d", i)
		}
		if before[i] == doubtful {
			continue
		}
		var tried Tried
		for n, wantDoubt := range []bool{false, false, true} {
			d, ok := pick(s, callID(i), &tried)
			if !ok || (d == doubtful) != wantDoubt {
				t.Fatalf("call %d, choice %d is %v", i, n, d)
			}
		}
	}
}

func TestPickAndReportAllocateNothing(t *testing.T) {
	for _, algorithm := range names {
		cfg := weighedSet(algorithm, 8)
		cfg.Probe = testProbe(5, 5)
		cfg.Destinations[0].MaxCPS = 1 // so that calls pass it over
		sets := newSets(t, cfg)
		s, now := sets.Set(0), int64(0)
		var v message.View
		if err := v.Parse([]byte(invite("a", "b", "+49", "c"))); err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() {
			var tried Tried
			for range 3 {
				d, _ := s.Pick(Ask{Key: s.Key(&v), Call: true, Now: now}, &tried)
				sets.Report(d, 0, true)
				d.Measured(1000)
				d.Leave()
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per call", algorithm, n)
		}
	}
}

// Run with -race: choosing goes on while states change.
func TestPickDuringChanges(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 4, testProbe(1, 1)))
	s, flapping := sets.Set(0), sets.Destinations()[3]
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 2000 {
				var tried Tried
				for k := 0; ; k++ {
					d, ok := pick(s, callID(i), &tried)
					if !ok {
						if k < 3 {
							t.Errorf("only %d destinations given, three are well", k)
						}
						break
					}
					sets.Report(d, 0, d != flapping || w > 0)
				}
			}
		})
	}
	wg.Go(func() {
		for range 2000 {
			flapping.probed(Target{}, outcome{ok: true, what: "200"})
			_ = flapping.Stats()
		}
	})
	wg.Wait()
}

func BenchmarkPick(b *testing.B) {
	var v message.View
	if err := v.Parse([]byte(invite("a", "b", "+49", "c"))); err != nil {
		b.Fatal(err)
	}
	for _, algorithm := range names {
		b.Run(algorithm, func(b *testing.B) {
			s := newSets(b, weighedSet(algorithm, 16)).Set(0)
			for b.Loop() {
				var tried Tried
				d, _ := s.Pick(Ask{Key: s.Key(&v), Call: true}, &tried)
				d.Leave()
			}
		})
	}
}
