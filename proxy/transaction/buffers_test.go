package transaction

import (
	"math/rand/v2"
	"testing"
)

// Every class but the last cuts a slab without waste, and a slab's places fit its
// bits.
func TestClasses(t *testing.T) {
	for k, size := range classSizes[:bigClass] {
		if slabBytes%size != 0 || slabBytes/size > 128 {
			t.Errorf("class %d: %d bytes do not divide a slab of %d", k, size, slabBytes)
		}
	}
}

// Waves of messages, each of another size, find their memory in what the wave
// before gave back: what is taken in all stays at the budget.
func TestMemoryFollowsSizes(t *testing.T) {
	const limit = 4 << 20
	tab := testTable(t, 2048, limit, 2)
	ceiling := int64(limit + len(tab.shards)*slackSlabs*slabBytes)
	var key uint64
	for _, size := range []int{200, 500, 60000, 1500, 20000, 3000, 60000, 700, 8000, 250} {
		var ids []ID
		for {
			key += 1<<32 + 1 // shards take turns
			tx := tab.Lock(key)
			created := tx.Create(0, true)
			stored := created && tx.SetRequest(make([]byte, size))
			if created && !stored {
				tx.Free()
			} else if created {
				ids = append(ids, tx.ID(0))
			}
			tx.Unlock()
			if !stored {
				break
			}
		}
		st := tab.Stats()
		if st.BytesReserved > ceiling || st.Bytes > st.BytesReserved {
			t.Fatalf("after %d messages of %d bytes: %d bytes in use, %d taken, at most %d allowed", len(ids), size, st.Bytes, st.BytesReserved, ceiling)
		}
		if want := min(2048, limit/int64(sizeClass(size))*9/10); int64(len(ids)) < want {
			t.Errorf("%d messages of %d bytes fit, want %d", len(ids), size, want)
		}
		for _, id := range ids {
			tx, _ := tab.LockID(id)
			tx.Free()
			tx.Unlock()
		}
		if n := tab.Bytes(); n != 0 {
			t.Fatalf("%d bytes in use with no transaction", n)
		}
	}
}

func sizeClass(n int) uint32 {
	for _, s := range classSizes {
		if int(s) >= n {
			return s
		}
	}
	return 0
}

// Buffers never overlap, and the accounts agree with what is held.
func TestStoreAtRandom(t *testing.T) {
	b, err := newMemory(nil, 2<<20, 1)
	if err != nil {
		t.Fatal(err)
	}
	ceiling := int64(len(b.bytes))
	s := newStore(b, 0)
	rng := rand.New(rand.NewPCG(1, 2))
	type held struct {
		r    bufRef
		mark byte
	}
	var live []held
	var used int64
	for step := range 40000 {
		if len(live) > 0 && rng.IntN(5) < 2 {
			k := rng.IntN(len(live))
			h := live[k]
			buf := s.bytes(h.r)
			for _, at := range []int{0, len(buf) / 2, len(buf) - 1} {
				if buf[at] != h.mark {
					t.Fatalf("step %d: a buffer was written by another's holder", step)
				}
			}
			used -= int64(len(buf))
			s.give(h.r)
			live[k] = live[len(live)-1]
			live = live[:len(live)-1]
		} else {
			n := 1 + rng.IntN(1<<(4+rng.IntN(13)))
			r := s.take(n)
			if r == 0 {
				continue
			}
			buf := s.bytes(r)
			if len(buf) < n {
				t.Fatalf("a buffer of %d bytes for %d", len(buf), n)
			}
			mark := byte(step)
			for i := range buf {
				buf[i] = mark
			}
			used += int64(len(buf))
			live = append(live, held{r, mark})
		}
		if b.used.Load() != used || b.used.Load() > b.limit || b.reserved.Load() > ceiling || b.reserved.Load() < used {
			t.Fatalf("step %d: %d bytes held, counted %d of %d, taken %d of %d", step, used, b.used.Load(), b.limit, b.reserved.Load(), ceiling)
		}
	}
	for _, h := range live {
		s.give(h.r)
	}
	if b.used.Load() != 0 {
		t.Errorf("%d bytes left", b.used.Load())
	}
	if b.refused.Load() == 0 {
		t.Error("the budget was never spent: the test is too small")
	}
}
