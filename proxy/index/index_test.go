package index

import (
	"math/rand/v2"
	"testing"
)

type row struct {
	_   uint32
	key uint64
	_   [3]byte
}

func keyOf(r *row) *uint64 { return &r.key }

// An index says the same as a map, with crowded homes, rows replaced, and keys whose low bits
// are alike.
func TestAgainstMap(t *testing.T) {
	for _, shift := range []uint8{0, 8} {
		rng := rand.New(rand.NewPCG(3, uint64(shift)))
		const n = 200
		rows := make([]row, n)
		x := New(make([]uint32, Cells(n)), rows, keyOf, shift)
		want := map[uint64]uint32{}
		check := func(key uint64, i uint32) {
			t.Helper()
			if got, ok := x.Find(key); !ok || got != i {
				t.Fatalf("key %#x: found %d %v, want %d", key, got, ok, i)
			}
		}
		for range 20000 {
			i := uint32(rng.IntN(n))
			other := uint32(rng.IntN(n))
			switch old := rows[i].key; {
			case old != 0 && rows[other].key == 0 && rng.IntN(3) == 0:
				rows[other].key = old
				x.Replace(i, other)
				rows[i].key = 0
				want[old] = other
			case old != 0:
				x.Remove(i)
				x.Remove(i) // it is out
				delete(want, old)
				rows[i].key = 0
			default:
				key := (uint64(rng.IntN(64))<<20|uint64(rng.IntN(1<<16))|1<<40)<<shift | 5
				if _, ok := want[key]; ok {
					if _, ok := x.Find(key); !ok {
						t.Fatalf("key %#x is gone", key)
					}
					continue
				}
				if _, ok := x.Find(key); ok {
					t.Fatalf("key %#x is found, and was never put in or taken out", key)
				}
				rows[i].key = key
				x.Insert(i)
				want[key] = i
			}
			if x.Len() != len(want) {
				t.Fatalf("%d rows are in, want %d", x.Len(), len(want))
			}
			for key, i := range want {
				check(key, i)
				break
			}
		}
		for key, i := range want {
			check(key, i)
		}
		x.Clear()
		for key := range want {
			if _, ok := x.Find(key); ok {
				t.Fatalf("key %#x is found in an index that was cleared", key)
			}
		}
	}
}

// A table may be full, and of one row, or none.
func TestFull(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 257} {
		rows := make([]row, n)
		x := New(make([]uint32, Cells(n)), rows, keyOf, 0)
		for i := range rows {
			rows[i].key = 77 << 32 // all at one home
			rows[i].key += uint64(i)
			x.Insert(uint32(i))
		}
		for i := range rows {
			if got, ok := x.Find(rows[i].key); !ok || int(got) != i {
				t.Fatalf("%d rows: row %d is found as %d, %v", n, i, got, ok)
			}
		}
		if _, ok := x.Find(1); ok {
			t.Errorf("%d rows: a key that is not there is found", n)
		}
	}
}
