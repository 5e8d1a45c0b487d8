package limit

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestRate(t *testing.T) {
	ms := int64(time.Millisecond)
	tests := []struct {
		name       string
		cps, burst int
		at         []int64 // milliseconds
		want       []bool
	}{
		{"no limit", 0, 0, []int64{0, 0, 0}, []bool{true, true, true}},
		{"one at a time", 10, 1, []int64{0, 1, 99, 100, 101, 200}, []bool{true, false, false, true, false, true}},
		{"burst of three", 10, 3, []int64{0, 0, 0, 0, 100, 100}, []bool{true, true, true, false, true, false}},
		{"idle fills the bucket but not beyond", 10, 2, []int64{0, 5000, 5000, 5000}, []bool{true, true, true, false}},
		{"burst below one", 10, -4, []int64{0, 0}, []bool{true, false}},
		{"a clock that steps back takes nothing twice", 10, 1, []int64{1000, 900, 1100}, []bool{true, false, true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewRate(tt.cps, tt.burst, nil)
			refused := uint64(0)
			for i, at := range tt.at {
				got := r.Allow(at * ms)
				if got != tt.want[i] {
					t.Errorf("call %d at %d ms: allowed = %v, want %v", i, at, got, tt.want[i])
				}
				if !got {
					refused++
				}
			}
			if r.Refused() != refused {
				t.Errorf("refused = %d, want %d", r.Refused(), refused)
			}
		})
	}
}

// Over any span the bucket lets through burst + span*rate, however many ask.
func TestRateShared(t *testing.T) {
	r := NewRate(1000, 50, nil)
	var allowed atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ms := range int64(1000) {
				for range 3 {
					if r.Allow(ms * int64(time.Millisecond)) {
						allowed.Add(1)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := allowed.Load(); got > 1050 || got < 999 {
		t.Errorf("allowed %d calls in one second at 1000/s and burst 50", got)
	}
}

func TestConcurrent(t *testing.T) {
	c := NewConcurrent(3)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if c.Acquire() {
					if n := c.Live(); n < 1 {
						t.Errorf("live = %d while holding a place", n)
					}
					c.Release()
				}
			}
		})
	}
	wg.Wait()
	if c.Live() != 0 {
		t.Errorf("live = %d at the end", c.Live())
	}
	if p := c.Peak(); p < 1 || p > 3 {
		t.Errorf("peak = %d, limit 3", p)
	}
	for i := range 5 {
		if got, want := c.Acquire(), i < 3; got != want {
			t.Errorf("place %d: %v, want %v", i, got, want)
		}
	}
}

func TestUnlimitedStillCounts(t *testing.T) {
	c := NewConcurrent(0)
	for range 10 {
		if !c.Acquire() {
			t.Fatal("refused without a limit")
		}
	}
	if c.Live() != 10 || c.Peak() != 10 || c.Refused() != 0 {
		t.Errorf("live %d, peak %d, refused %d", c.Live(), c.Peak(), c.Refused())
	}
}

func TestNoAllocation(t *testing.T) {
	r, c := NewRate(1000, 10, nil), NewConcurrent(10)
	now := int64(0)
	if n := testing.AllocsPerRun(1000, func() {
		now += 1000
		r.Allow(now)
		if c.Acquire() {
			c.Release()
		}
	}); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

// What no limit may refuse takes a place whether there is one or not, and gives it back.
func TestAcquireAny(t *testing.T) {
	c := NewConcurrent(1)
	for i, want := range []bool{true, false, false} {
		if got := c.AcquireAny(); got != want {
			t.Errorf("place %d was free: %v, want %v", i, got, want)
		}
	}
	if c.Acquire() {
		t.Error("a place was free for others")
	}
	for range 3 {
		c.Release()
	}
	if c.Live() != 0 || c.Peak() != 3 || c.Refused() != 1 || !c.Acquire() {
		t.Errorf("live %d, peak %d, refused %d", c.Live(), c.Peak(), c.Refused())
	}
	if c := NewConcurrent(0); !c.AcquireAny() {
		t.Error("without a limit there was no place")
	}
}
