package resolve

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// made is a result with servers of the weights given, each with so many addresses,
// one list for each priority.
func made(addresses int, priorities ...[]uint16) *Result {
	r := &Result{}
	n := 0
	for _, weights := range priorities {
		r.newGroup()
		for _, w := range weights {
			var ts []Target
			for range addresses {
				n++
				ts = append(ts, Target{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), 5060), Transport: UDP})
			}
			r.add(w, ts)
		}
	}
	return r
}

// TestOrderOnce has every target come once, and no priority before an earlier one.
func TestOrderOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, r := range []*Result{
		{}, made(1, []uint16{0}), made(3, []uint16{0}), made(2, []uint16{1, 0, 7}, []uint16{0, 0}, []uint16{65535, 65535}),
		made(1, make([]uint16, MaxTargets)),
	} {
		groupOf := map[int]int{}
		for g, x := range r.groups {
			for _, s := range x.servers {
				for i := range s.n {
					groupOf[s.first+i] = g
				}
			}
		}
		if len(groupOf) != len(r.Targets) {
			t.Fatalf("%d of %d targets are in groups", len(groupOf), len(r.Targets))
		}
		for range 200 {
			seen := map[int]bool{}
			last := 0
			for _, i := range r.Order(nil, rng.Uint32N) {
				if seen[i] || groupOf[i] < last {
					t.Fatalf("target %d comes twice, or after a later priority", i)
				}
				seen[i], last = true, groupOf[i]
			}
			if len(seen) != len(r.Targets) {
				t.Fatalf("%d of %d targets come", len(seen), len(r.Targets))
			}
		}
	}
}

// TestOrderShares compares how often each server comes first with what RFC 2782
// gives it: of draws from 0 to the sum, those that its weight holds; the zero draw
// goes to the first in line, one without weight if there is any.
func TestOrderShares(t *testing.T) {
	tests := []struct {
		weights []uint16
		want    []float64
	}{
		{[]uint16{1, 1}, []float64{2. / 3, 1. / 3}}, // the zero draw, see RFC 2782
		{[]uint16{70, 30}, []float64{71. / 101, 30. / 101}},
		{[]uint16{0, 9}, []float64{.1, .9}},
		{[]uint16{9, 0}, []float64{.9, .1}},
		{[]uint16{0, 0, 0, 0}, []float64{.25, .25, .25, .25}},
		{[]uint16{65535, 65535, 1}, []float64{.5, .5, 0}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.weights), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			r := made(1, tt.weights)
			const rounds = 100_000
			got := make([]float64, len(tt.weights))
			for range rounds {
				got[r.Order(nil, rng.Uint32N)[0]] += 1. / rounds
			}
			for i := range got {
				if math.Abs(got[i]-tt.want[i]) > .01 {
					t.Errorf("shares %.3f, want %.3f", got, tt.want)
					break
				}
			}
		})
	}
}

// TestOrderAddresses has the addresses of one server take turns in coming first.
func TestOrderAddresses(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	r := made(4, []uint16{5})
	first := map[int]int{}
	for range 4000 {
		first[r.Order(nil, rng.Uint32N)[0]]++
	}
	for i := range 4 {
		if first[i] < 800 {
			t.Errorf("address %d came first %d times of 4000", i, first[i])
		}
	}
}

func TestOrderAllocatesNothing(t *testing.T) {
	r := made(2, []uint16{1, 0, 7, 9}, []uint16{0, 0})
	var room [MaxTargets]int
	if n := testing.AllocsPerRun(100, func() { r.Order(room[:0], rand.Uint32N) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkOrder(b *testing.B) {
	r := made(1, []uint16{10, 20, 30}, []uint16{0, 0})
	var room [MaxTargets]int
	b.ReportAllocs()
	for b.Loop() {
		r.Order(room[:0], rand.Uint32N)
	}
}
