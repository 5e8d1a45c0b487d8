package call

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// held counts what calls hold, as the engine does.
type held struct {
	concurrent atomic.Int64
	dest       [4]atomic.Int64
	ended      atomic.Int64
}

func (h *held) release(x Holds, _ Cause) {
	h.concurrent.Add(-1)
	for _, d := range x.Destinations {
		if d == NoDestination {
			continue
		}
		h.dest[d].Add(-1)
	}
	h.ended.Add(1)
}

func (h *held) move(t *Table, id ID, dest int32) {
	before, ok := t.SetDestination(id, dest)
	if !ok {
		return
	}
	if before != NoDestination {
		h.dest[before].Add(-1)
	}
	h.dest[dest].Add(1)
}

func (h *held) zero(t *testing.T, tab *Table) {
	t.Helper()
	if n := h.concurrent.Load(); n != 0 {
		t.Errorf("concurrency count %d, want 0", n)
	}
	for i := range h.dest {
		if n := h.dest[i].Load(); n != 0 {
			t.Errorf("destination %d holds %d, want 0", i, n)
		}
	}
	if tab.Live() != 0 {
		t.Errorf("%d calls live, want 0", tab.Live())
	}
	for i := range tab.shards {
		s := &tab.shards[i]
		if keys := s.byKey.Len(); keys != 0 || s.live != 0 || s.oldest != none || s.newest != none {
			t.Errorf("shard %d is not empty: %d keys, %d live", i, keys, s.live)
		}
		free := 0
		for j := s.free; j != none; j = s.slots[j].same {
			free++
		}
		if made := int(s.made.Load()); free != made {
			t.Errorf("shard %d: %d of %d slots free", i, free, made)
		}
	}
}

// Every way a call can end, thousands of times in random order, some of them
// twice and from both sides: all counts are back to zero.
func TestEveryPathReleases(t *testing.T) {
	h := &held{}
	tab := newTable(t, Config{Calls: 5000, Lifetime: time.Hour, Release: h.release})
	rng := rand.New(rand.NewPCG(1, 2))
	type live struct {
		id  ID
		key uint64
	}
	var calls []live
	begun := int64(0)
	now := int64(0)
	ends := map[string]func(c live){
		"bye": func(c live) {
			if id, ok := tab.Ending(c.key); ok {
				tab.Release(id, Bye)
			}
		},
		"bye twice": func(c live) { tab.Release(c.id, Bye); tab.Release(c.id, ByeLost) },
		"bye lost":  func(c live) { tab.Release(c.id, ByeLost) },
		"reject":    func(c live) { tab.Release(c.id, Rejected) },
		"cancel and a racing reject": func(c live) {
			tab.Release(c.id, Cancelled)
			tab.Release(c.id, Rejected)
		},
		"timeout":   func(c live) { tab.Release(c.id, Timeout) },
		"exhausted": func(c live) { tab.Release(c.id, Exhausted) },
		"refused":   func(c live) { tab.Release(c.id, Refused) },
		"nothing: the lifetime ends it": func(c live) {
		},
	}
	var names []string
	for n := range ends {
		names = append(names, n)
	}
	slices.Sort(names)
	for step := range 60000 {
		now += int64(time.Second)
		if rng.IntN(2) == 0 {
			key := uint64(rng.IntN(2000)) * 0x9E3779B97F4A7C15 // some calls share a key
			h.concurrent.Add(1)
			id, ok := tab.Register(key, now, 0)
			if !ok {
				h.concurrent.Add(-1)
				continue
			}
			begun++
			for range rng.IntN(4) { // failover moves the call
				h.move(tab, id, int32(rng.IntN(4)))
			}
			if rng.IntN(2) == 0 {
				tab.Answer(id, now)
			}
			calls = append(calls, live{id, key})
		} else if len(calls) > 0 {
			i := rng.IntN(len(calls))
			c := calls[i]
			calls[i] = calls[len(calls)-1]
			calls = calls[:len(calls)-1]
			ends[names[rng.IntN(len(names))]](c)
		}
		if step%1000 == 0 {
			tab.Expire(now)
		}
	}
	tab.ReleaseAll()
	h.zero(t, tab)
	if h.ended.Load() != begun {
		t.Errorf("%d calls began, %d ended", begun, h.ended.Load())
	}
	var sum uint64
	for _, n := range tab.Stats().Ended {
		sum += n
	}
	if sum != uint64(begun) {
		t.Errorf("causes add up to %d, want %d", sum, begun)
	}
}

func TestWorkersShareTheTable(t *testing.T) {
	h := &held{}
	tab := newTable(t, Config{Calls: 3000, Lifetime: 50, Release: h.release})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(7, uint64(w)))
			var mine []ID
			for i := range 5000 {
				h.concurrent.Add(1)
				id, ok := tab.Register(rng.Uint64(), int64(i), 0)
				if !ok {
					h.concurrent.Add(-1)
				} else {
					h.move(tab, id, int32(w))
					mine = append(mine, id)
				}
				if len(mine) > 40 {
					tab.Release(mine[0], Bye)
					mine = mine[1:]
				}
				if i%100 == 0 {
					tab.Expire(int64(i))
				}
			}
		})
	}
	wg.Wait()
	tab.ReleaseAll()
	h.zero(t, tab)
}

func TestLookups(t *testing.T) {
	h := &held{}
	tab := newTable(t, Config{Calls: 2, Lifetime: 10, Release: h.release})
	a, ok := tab.Register(42, 0, 0)
	if !ok {
		t.Fatal("an empty table refused a call")
	}
	b, ok := tab.Register(42, 5, 0)
	if !ok || b == a {
		t.Fatalf("a second call of one key: %v %v", b, ok)
	}
	for i, want := range []ID{b, a, b} {
		if id, ok := tab.Ending(42); !ok || id != want {
			t.Errorf("BYE %d names call %x, want %x", i, id, want)
		}
	}
	if _, ok := tab.Ending(43); ok {
		t.Error("a BYE for no call names one")
	}
	if _, ok := tab.Register(43, 6, 0); ok {
		t.Error("a full table took a call")
	}
	tab.Answer(a, 7)
	if !tab.Answered(a) || tab.Answered(b) {
		t.Error("Answer marked the wrong call")
	}
	if n := tab.Expire(10); n != 1 {
		t.Errorf("Expire ended %d calls, want 1", n)
	}
	if tab.Answered(a) || tab.Release(a, Bye) {
		t.Error("an ended call still answers")
	}
	c, ok := tab.Register(42, 11, 0)
	if !ok {
		t.Fatal("a freed slot was not reused")
	}
	if c == a {
		t.Error("a reused slot has the same ID")
	}
	if tab.Release(0, Bye) || tab.Release(^ID(0), Bye) {
		t.Error("an ID that names no call ended one")
	}
	if n := tab.ReleaseAll(); n != 2 {
		t.Errorf("ReleaseAll ended %d calls, want 2", n)
	}
}

// What a call gives back says whose it was and when it was what; an answer repeated changes
// nothing.
func TestHolds(t *testing.T) {
	var got []Holds
	tab := newTable(t, Config{Calls: 4, Lifetime: time.Hour, Release: func(h Holds, _ Cause) {
		h.Destinations = nil
		got = append(got, h)
	}})
	a, _ := tab.Register(7, 100, 3)
	b, _ := tab.Register(7, 200, 4)
	if tab.Row(a) == tab.Row(b) || max(tab.Row(a), tab.Row(b)) >= tab.Capacity() {
		t.Errorf("rows %d and %d of %d", tab.Row(a), tab.Row(b), tab.Capacity())
	}
	tab.Answer(b, 250)
	tab.Answer(b, 300)
	tab.Release(a, Rejected)
	tab.Release(b, Bye)
	want := []Holds{{Limits: 3, ID: a, Began: 100}, {Limits: 4, ID: b, Began: 200, Answered: 250}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("released %+v, want %+v", got, want)
	}
}

func TestNoAllocation(t *testing.T) {
	tab := newTable(t, Config{Calls: 1000, Lifetime: time.Hour})
	key := uint64(0)
	if n := testing.AllocsPerRun(2000, func() {
		key += 0x9E3779B97F4A7C15
		id, _ := tab.Register(key, 1, 0)
		tab.SetDestination(id, 1)
		tab.Answer(id, 2)
		tab.Release(id, Bye)
	}); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

func BenchmarkCall(b *testing.B) {
	tab := newTable(b, Config{Calls: 60000, Lifetime: time.Hour})
	b.ReportAllocs()
	key := uint64(0)
	for b.Loop() {
		key += 0x9E3779B97F4A7C15
		id, _ := tab.Register(key, 1, 0)
		tab.SetDestination(id, 1)
		tab.Answer(id, 2)
		tab.Release(id, Bye)
	}
}

func newTable(t testing.TB, cfg Config) *Table {
	t.Helper()
	tab, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}
