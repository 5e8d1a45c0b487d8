//go:build !race

package dispatch

import "testing"

// The next target is found without allocating, however many there are.
func TestNextAllocatesNothing(t *testing.T) {
	priorities := make([]int, 32)
	for i := range priorities {
		priorities[i] = i / 4
	}
	sets, _ := resolved(t, zone(t, srv(priorities...)...), named(nil))
	d := sets.Destinations()[0]
	if n := testing.AllocsPerRun(200, func() {
		tried := uint32(0)
		for range 32 {
			if _, ok := d.Next(&tried); !ok {
				t.Fatal("a target is missing")
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations for 32 targets", n)
	}
}
