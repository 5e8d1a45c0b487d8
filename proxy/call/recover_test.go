package call

import (
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/proxy/shm"
)

// A table whose process ended is found with the calls that lived, each with its places, and
// they end like any others.
func TestRecover(t *testing.T) {
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 11))
		a, err := shm.Create(shm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		cfg := Config{Calls: 1500, Places: 3, Lifetime: time.Hour, Arena: a}
		tab := newTable(t, cfg)
		if err := a.Serve(); err != nil {
			t.Fatal(err)
		}
		type known struct {
			key      uint64
			places   []int32
			answered bool
			began    int64
		}
		all := map[ID]*known{}
		var order []ID // by age
		now := int64(0)
		for range 300 + rng.IntN(4000) {
			now += int64(rng.IntN(3))
			if len(order) > 0 && rng.IntN(3) == 0 {
				n := rng.IntN(len(order))
				if !tab.Release(order[n], Bye) {
					t.Fatal("a live call could not be ended")
				}
				delete(all, order[n])
				order = slices.Delete(order, n, n+1)
				continue
			}
			key := rng.Uint64N(900) * 0x9e3779b97f4a7c15
			id, ok := tab.Register(key, now, key^1)
			if !ok {
				continue
			}
			k := &known{key: key, began: now}
			for range rng.IntN(3) {
				d := int32(rng.IntN(4))
				tab.Join(id, d)
				k.places = append(k.places, d)
			}
			if k.answered = rng.IntN(2) == 0; k.answered {
				tab.Answer(id, now)
			}
			all[id] = k
			order = append(order, id)
		}
		// One that was not registered whole, as its process ended first.
		torn := &tab.shards[0]
		if made := torn.made.Load(); torn.free == none && int(made) < len(torn.slots) {
			torn.made.Store(made + 1)
			torn.slots[made].key, torn.slots[made].answered = 64, 1
		}

		fd, err := unix.Dup(int(a.File().Fd()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		h := &held{}
		cfg.Arena, cfg.Release = b, h.release
		next := newTable(t, cfg)
		if n := next.Recover(); n != len(all) || next.Live() != int64(n) {
			t.Fatalf("seed %d: %d calls, %d live, want %d", seed, n, next.Live(), len(all))
		}
		next.Each(func(id ID, got Holds) {
			k := all[id]
			if k == nil {
				t.Fatalf("seed %d: call %x is not one of those that lived", seed, id)
			}
			var places []int32
			for _, d := range got.Destinations {
				if d != NoDestination {
					places = append(places, d)
					h.dest[d].Add(1)
				}
			}
			if got.Limits != k.key^1 {
				t.Fatalf("seed %d: call %x has %x of the limits, want %x", seed, id, got.Limits, k.key^1)
			}
			if !slices.Equal(places, k.places) || got.Answered != 0 != k.answered || got.ID != id || got.Began != k.began {
				t.Fatalf("seed %d: call %x at %v, answered %v, began %d; want %v, %v, %d", seed, id, places, got.Answered, got.Began, k.places, k.answered, k.began)
			}
			h.concurrent.Add(1)
		})
		// The youngest of a key is named first, as before.
		for _, k := range all {
			id, ok := next.Ending(k.key)
			if !ok || all[id] == nil || all[id].key != k.key {
				t.Fatalf("seed %d: a key does not find a call of its own", seed)
			}
		}
		// A new call does not get the ID of an old one.
		if id, ok := next.Register(1, now, 0); ok {
			if all[id] != nil {
				t.Errorf("seed %d: ID %x is given out twice", seed, id)
			}
			h.concurrent.Add(1)
			next.Release(id, Bye)
		}
		// They expire in the order of their age.
		if n := next.Expire(now + int64(time.Hour)); n != len(all) {
			t.Errorf("seed %d: %d calls expired, want %d", seed, n, len(all))
		}
		h.zero(t, next)
	}
}
