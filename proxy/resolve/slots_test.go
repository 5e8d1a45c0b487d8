package resolve

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func target(n int) Target {
	return Target{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(n >> 8), byte(n)}), 5060), Transport: UDP}
}

// TestSlots has a name lead to other targets all the time: no two share a number,
// and one keeps its number while it stays.
func TestSlots(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var s slots
	last := map[int]int{} // target to number, of the round before
	now := time.Unix(0, 0)
	for range 2000 {
		now = now.Add(time.Second)
		var which []int
		var targets []Target
		for _, n := range rng.Perm(200)[:rng.IntN(MaxTargets+1)] {
			which, targets = append(which, n), append(targets, target(n))
		}
		s.assign(targets, now)
		taken, here := map[int]bool{}, map[int]int{}
		for i, x := range targets {
			if x.Slot < 0 || x.Slot >= MaxTargets || taken[x.Slot] {
				t.Fatalf("number %d is none, or given twice", x.Slot)
			}
			if before, was := last[which[i]]; was && before != x.Slot {
				t.Fatalf("target %d had number %d and now has %d", which[i], before, x.Slot)
			}
			taken[x.Slot], here[which[i]] = true, x.Slot
		}
		last = here
	}
}

// TestSlotFreeLongest gives a new target no number that was another's a moment ago.
func TestSlotFreeLongest(t *testing.T) {
	var s slots
	seen := map[int]bool{}
	for n := range MaxTargets {
		one := []Target{target(n)}
		s.assign(one, time.Unix(int64(n), 0))
		if seen[one[0].Slot] {
			t.Fatalf("number %d is given again after %d targets", one[0].Slot, n)
		}
		seen[one[0].Slot] = true
	}
	// One that comes back before its number was needed has it again.
	again := []Target{target(5)}
	s.assign(again, time.Unix(100, 0))
	before := again[0].Slot
	next := []Target{target(1000)}
	s.assign(next, time.Unix(101, 0))
	s.assign(again, time.Unix(102, 0))
	if again[0].Slot != before || next[0].Slot == before {
		t.Errorf("number %d, then %d; the one between had %d", before, again[0].Slot, next[0].Slot)
	}
}
