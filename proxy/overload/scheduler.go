package overload

import (
	"math"
	"runtime/metrics"
	"time"
)

// schedLatencies is how long goroutines waited for a processor once they could run.
const schedLatencies = "/sched/latencies:seconds"

// quantile of those waits that counts as the wait of the process.
const quantile = 0.9

// Scheduler follows how long goroutines wait for a processor. It is for one goroutine.
type Scheduler struct {
	sample []metrics.Sample
	last   []uint64
}

// NewScheduler begins to follow; the first Look is about the time since.
func NewScheduler() *Scheduler {
	s := &Scheduler{sample: []metrics.Sample{{Name: schedLatencies}}}
	s.Look()
	return s
}

// Look gives the wait since the last look.
func (s *Scheduler) Look() time.Duration {
	metrics.Read(s.sample)
	if s.sample[0].Value.Kind() != metrics.KindFloat64Histogram {
		return 0 // a later runtime without this metric: receive queues are followed all the same
	}
	h := s.sample[0].Value.Float64Histogram()
	if len(s.last) != len(h.Counts) {
		s.last = make([]uint64, len(h.Counts))
	}
	wait := since(h.Counts, s.last, h.Buckets)
	copy(s.last, h.Counts)
	return wait
}

// since is the quantile of what was counted between two readings: the lower bound of the
// bucket it lies in, 0 when nothing was counted. buckets has one bound more than counts.
func since(now, last []uint64, buckets []float64) time.Duration {
	var n uint64
	for i := range now {
		n += now[i] - last[i]
	}
	rank, sum := uint64(math.Ceil(float64(n)*quantile)), uint64(0)
	if n == 0 {
		return 0
	}
	for i := range now {
		if sum += now[i] - last[i]; sum >= rank {
			return time.Duration(max(buckets[i], 0) * float64(time.Second)) // the first bound is -Inf
		}
	}
	return 0
}
