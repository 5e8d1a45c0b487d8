package call

import (
	"math/rand/v2"
	"testing"
)

// One sender may register any number of calls with one key: whichever of them
// ends, the others stay what they were, youngest first.
func TestCallsOfOneKey(t *testing.T) {
	tab := newTable(t, Config{Calls: 300})
	rng := rand.New(rand.NewPCG(3, 4))
	var live []ID // oldest first
	for step := range 5000 {
		if len(live) == 0 || len(live) < 200 && rng.IntN(2) == 0 {
			id, ok := tab.Register(7, 0, 0)
			if !ok {
				t.Fatalf("step %d: refused with %d calls", step, len(live))
			}
			live = append(live, id)
		} else {
			k := rng.IntN(len(live))
			if !tab.Release(live[k], Bye) {
				t.Fatalf("step %d: a live call was not found", step)
			}
			live = append(live[:k], live[k+1:]...)
		}
		s := &tab.shards[7&tab.mask]
		i, ok := s.byKey.Find(7)
		if !ok {
			i = none
		}
		for k := len(live) - 1; k >= 0; k-- {
			if i == none || makeID(7&uint32(tab.mask), i, s.slots[i].gen) != live[k] {
				t.Fatalf("step %d: call %d of %d is out of line", step, k, len(live))
			}
			i = s.slots[i].same
		}
		if i != none {
			t.Fatalf("step %d: an ended call is still in line", step)
		}
	}
}

// Ending names the first calls of a key once each, and always one.
func TestEndingIsBounded(t *testing.T) {
	tab := newTable(t, Config{Calls: 200})
	seen := map[ID]int{}
	for range 100 {
		if _, ok := tab.Register(7, 0, 0); !ok {
			t.Fatal("refused")
		}
	}
	for n := range endingLook + 1 {
		id, ok := tab.Ending(7)
		if seen[id]++; !ok || seen[id] > 1 {
			t.Fatalf("look %d: call %#x %v, named %d times", n, id, ok, seen[id])
		}
	}
	if _, ok := tab.Ending(7); !ok {
		t.Error("no call named although 100 live")
	}
}

// Keys that come and go leave nothing behind in the table.
func TestNoAllocationOverManyKeys(t *testing.T) {
	tab := newTable(t, Config{Calls: 4096})
	rng := rand.New(rand.NewPCG(5, 6))
	live := make([]ID, 0, 2048)
	run := func() {
		for range 2000 {
			if len(live) == cap(live) {
				k := rng.IntN(len(live))
				tab.Release(live[k], Bye)
				live[k] = live[len(live)-1]
				live = live[:len(live)-1]
			}
			if id, ok := tab.Register(rng.Uint64(), 0, 0); ok {
				live = append(live, id)
			}
		}
	}
	for range 20 {
		run()
	}
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%v allocations per 2,000 calls", n)
	}
}

// BenchmarkEndOldestOfOneKey is the worst end of a call: of very many with one key.
func BenchmarkEndOldestOfOneKey(b *testing.B) {
	const calls = 1 << 16
	tab := newTable(b, Config{Calls: 64 * calls})
	ids := make([]ID, 0, calls)
	for range calls {
		id, _ := tab.Register(7, 0, 0)
		ids = append(ids, id)
	}
	at := 0
	for b.Loop() {
		tab.Release(ids[at], Bye)
		ids[at], _ = tab.Register(7, 0, 0)
		at = (at + 1) % calls
	}
}
