package call

import (
	"math/rand/v2"
	"testing"
	"time"
)

// A call at several destinations gives each place back exactly once, whichever way it
// leaves them.
func TestPlaces(t *testing.T) {
	h := &held{}
	tab := newTable(t, Config{Calls: 64, Places: 3, Lifetime: time.Hour, Release: h.release})
	join := func(id ID, d int32) bool {
		ok := tab.Join(id, d)
		if ok {
			h.dest[d].Add(1)
		}
		return ok
	}
	part := func(id ID, d int32) bool {
		ok := tab.Part(id, d)
		if ok {
			h.dest[d].Add(-1)
		}
		return ok
	}
	id, _ := tab.Register(5, 0, 0)
	h.concurrent.Add(1)
	for d := range int32(3) {
		if !join(id, d) {
			t.Fatalf("no place at %d", d)
		}
	}
	if join(id, 3) {
		t.Error("four places of three")
	}
	if !part(id, 1) || part(id, 1) || part(id, 3) {
		t.Error("a place is left once, and one that was not taken never")
	}
	if !join(id, 3) {
		t.Error("a place that was left cannot be taken again")
	}
	tab.Release(id, Bye)
	if join(id, 0) || part(id, 0) {
		t.Error("a call that has ended takes or leaves a place")
	}
	h.zero(t, tab)

	rng := rand.New(rand.NewPCG(1, 2))
	var ids []ID
	for range 20000 {
		switch k := rng.IntN(8); {
		case k == 0:
			if id, ok := tab.Register(rng.Uint64N(20), 0, 0); ok {
				h.concurrent.Add(1)
				ids = append(ids, id)
			}
		case len(ids) == 0:
		case k == 1:
			tab.Release(ids[rng.IntN(len(ids))], Cancelled)
		case k < 5:
			join(ids[rng.IntN(len(ids))], rng.Int32N(4))
		default:
			part(ids[rng.IntN(len(ids))], rng.Int32N(4))
		}
	}
	tab.ReleaseAll()
	h.zero(t, tab)
}
