package overload

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

const t1 = 500 * time.Millisecond

func TestControl(t *testing.T) {
	type look struct {
		wait time.Duration
		lost bool
		want int
	}
	ms := time.Millisecond
	tests := map[string][]look{
		"nothing":                  {{0, false, 0}, {49 * ms, false, 0}, {249 * ms, false, 0}},
		"a pause is no overload":   {{2 * t1, false, 0}, {0, false, 0}, {2 * t1, true, 0}, {0, false, 0}},
		"a quarter at a time":      {{250 * ms, false, 0}, {250 * ms, false, 64}, {250 * ms, false, 112}, {300 * ms, false, 148}},
		"between the marks":        {{250 * ms, false, 0}, {250 * ms, false, 64}, {249 * ms, false, 64}, {51 * ms, false, 64}},
		"back a sixteenth":         {{t1, false, 0}, {t1, false, 256}, {50 * ms, false, 240}, {0, false, 224}},
		"all from T1 on":           {{t1, false, 0}, {t1, false, 256}, {t1, false, 256}},
		"all when packets go lost": {{0, true, 0}, {0, true, 256}},
		"it takes two in a row":    {{t1, false, 0}, {100 * ms, false, 0}, {t1, false, 0}, {t1, false, 256}},
	}
	for name, looks := range tests {
		t.Run(name, func(t *testing.T) {
			c := NewControl(MarksOf(t1))
			for i, l := range looks {
				if got := c.Look(l.wait, l.lost); got != l.want {
					t.Errorf("look %d: share %d, want %d", i, got, l.want)
				}
			}
		})
	}
	c := NewControl(MarksOf(t1))
	for range 100 {
		c.Look(t1/2, false)
	}
	if c.share != Whole {
		t.Errorf("a wait that stays over the mark refuses %d, want all", c.share)
	}
	for range 100 {
		c.Look(0, false)
	}
	if c.share != 0 {
		t.Errorf("%d still refused without any wait", c.share)
	}
}

func TestQueue(t *testing.T) {
	tests := []struct {
		name    string
		samples []Sample
		wait    time.Duration
		lost    bool
	}{
		{"idle", []Sample{{}, {}}, 0, false},
		{"keeps up", []Sample{{Handled: 10, Empty: 1}, {Handled: 900, Empty: 2, Waiting: 300}}, 0, false},
		{"empty at the moment", []Sample{{Handled: 10}, {Handled: 900}}, 0, false},
		{"behind", []Sample{{}, {Handled: 1000, Waiting: 500}}, 50 * time.Millisecond, false},
		{"no longer than it was behind", []Sample{{Empty: 7}, {Handled: 100, Empty: 7, Waiting: 500}, {Handled: 200, Empty: 7, Waiting: 500}}, 200 * time.Millisecond, false},
		{"a worker that stands still", []Sample{{Empty: 1}, {Empty: 1, Waiting: 1}, {Empty: 1, Waiting: 9}, {Empty: 1, Waiting: 9}}, 300 * time.Millisecond, false},
		{"losses", []Sample{{Drops: 3}, {Handled: 1000, Waiting: 100, Drops: 4}}, 10 * time.Millisecond, true},
		{"a burst too large, and over", []Sample{{Drops: 3}, {Handled: 1000, Empty: 1, Waiting: 100, Drops: 4}}, 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := &Queue{last: tt.samples[0]}
			var wait time.Duration
			var lost bool
			for _, s := range tt.samples[1:] {
				wait, lost = q.Look(s, Period)
			}
			if wait != tt.wait || lost != tt.lost {
				t.Errorf("wait %v, lost %v; want %v, %v", wait, lost, tt.wait, tt.lost)
			}
		})
	}
}

func TestGate(t *testing.T) {
	var g Gate
	refused := func() (busy, drained int) {
		for k := range uint64(Whole) {
			switch g.Judge(k | k<<40) {
			case Busy:
				busy++
			case Draining:
				drained++
			}
		}
		return busy, drained
	}
	for _, tt := range []struct {
		do            func()
		busy, drained int
	}{
		{func() {}, 0, 0},
		{func() { g.Refuse(64) }, 64, 0},
		{func() { g.Drain(true) }, 0, Whole},
		{func() { g.Refuse(Whole + 5) }, 0, Whole},
		{func() { g.Drain(false) }, Whole, 0},
		{func() { g.Drain(false); g.Refuse(-1) }, 0, 0},
	} {
		tt.do()
		if b, d := refused(); b != tt.busy || d != tt.drained || g.Draining() != (tt.drained > 0) {
			t.Errorf("%d busy, %d draining; want %d, %d", b, d, tt.busy, tt.drained)
		}
	}
	if n := testing.AllocsPerRun(100, func() { g.Judge(3) }); n != 0 {
		t.Errorf("a verdict costs %v allocations", n)
	}
}

func TestSince(t *testing.T) {
	buckets := []float64{math.Inf(-1), 0, 0.001, 0.1, 1, math.Inf(1)}
	for _, tt := range []struct {
		now, last []uint64
		want      time.Duration
	}{
		{[]uint64{0, 5, 5, 0, 0}, []uint64{0, 5, 5, 0, 0}, 0},
		{[]uint64{0, 95, 0, 5, 0}, make([]uint64, 5), 0},
		{[]uint64{0, 50, 40, 10, 0}, make([]uint64, 5), time.Millisecond},
		{[]uint64{0, 95, 0, 5, 0}, []uint64{0, 95, 0, 0, 0}, 100 * time.Millisecond},
		{[]uint64{0, 0, 0, 0, 1}, make([]uint64, 5), time.Second},
		{[]uint64{1, 0, 0, 0, 0}, make([]uint64, 5), 0},
	} {
		if got := since(tt.now, tt.last, buckets); got != tt.want {
			t.Errorf("%v since %v: %v, want %v", tt.now, tt.last, got, tt.want)
		}
	}
}

// The runtime has the metric that is asked for, and it moves.
func TestScheduler(t *testing.T) {
	s := NewScheduler()
	count := func() (n uint64) {
		for _, c := range s.last {
			n += c
		}
		return n
	}
	before, done := count(), make(chan struct{})
	for range 1000 {
		go func() { done <- struct{}{} }()
	}
	for range 1000 {
		<-done
	}
	if wait := s.Look(); wait < 0 || count() == before {
		t.Errorf("1,000 goroutines ran: wait %v, %d counted before, %d after", wait, before, count())
	}
}

// worker is a queue and who works it off, in steps of one look. A call that is taken
// costs 12 messages, one that is refused 2; what waits longer than T1 has been sent again.
type worker struct {
	capacity, queue float64 // messages per look, messages
	buffer          float64 // messages the queue holds
	s               Sample
}

func (w *worker) step(calls, share float64) (taken float64) {
	taken = calls * (1 - share)
	messages := taken*12 + (calls-taken)*2
	if w.queue > w.capacity*float64(t1/Period) {
		messages *= 2
	}
	w.queue += messages
	handled := min(w.queue, w.capacity)
	w.queue -= handled
	if w.queue == 0 {
		w.s.Empty++
	}
	if w.queue > w.buffer {
		w.s.Drops += uint64(w.queue - w.buffer)
		w.queue = w.buffer
	}
	w.s.Handled += uint64(handled)
	w.s.Waiting = int(w.queue)
	return taken
}

// A worker offered more than it can bear keeps its queue short and takes most of the
// calls it could; when the load falls, it takes all again.
func TestControlAgainstQueue(t *testing.T) {
	for _, times := range []float64{0.5, 0.95, 1.2, 2, 2.5} {
		r := rand.New(rand.NewPCG(1, uint64(times*100)))
		w := &worker{capacity: 1200, buffer: 24000}
		var q Queue
		c := NewControl(MarksOf(t1))
		share, taken, most := 0, 0.0, time.Duration(0)
		const settle, looks = 50, 600
		for i := range looks {
			calls := 100 * times * (0.9 + 0.2*r.Float64())
			n := w.step(calls, float64(share)/Whole)
			wait, lost := q.Look(w.s, Period)
			share = c.Look(wait, lost)
			if i >= settle {
				taken += n
				most = max(most, wait)
			}
		}
		taken /= looks - settle
		// A refusal costs a sixth of a call: this many fit.
		fit := min(100*times, (1200-2*100*times)/10)
		t.Logf("%.2f of what it can bear: %.1f calls taken of %.1f that fit, longest wait %v", times, taken, fit, most)
		if taken < 0.8*fit {
			t.Errorf("%.2f of what it can bear: %.1f calls taken, %.1f would fit", times, taken, fit)
		}
		if most > t1 {
			t.Errorf("%.2f of what it can bear: messages wait %v", times, most)
		}
		for range 40 {
			w.step(30, float64(share)/Whole)
			wait, lost := q.Look(w.s, Period)
			share = c.Look(wait, lost)
		}
		if share != 0 {
			t.Errorf("%d of %d refused after 4 s of little load", share, Whole)
		}
	}
}
