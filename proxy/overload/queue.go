package overload

import "time"

// Sample is what is known of a receive queue at one moment. Counters never fall.
type Sample struct {
	Handled uint64 // packets, ever
	Empty   uint64 // times its worker found it empty, ever
	Drops   uint64 // packets the kernel had no room for, ever
	Waiting int    // packets in the queue now
}

// Queue follows one receive queue from look to look. It is for one goroutine.
type Queue struct {
	last  Sample
	since time.Duration // the worker has not found it empty for so long
}

// Look takes a sample that is period younger than the last, and gives how long a packet
// waits there and whether packets were lost.
func (q *Queue) Look(s Sample, period time.Duration) (wait time.Duration, lost bool) {
	last := q.last
	q.last = s
	handled := s.Handled - last.Handled
	if s.Empty != last.Empty || s.Waiting == 0 {
		q.since = 0
		return 0, false
	}
	q.since += period
	wait = q.since
	// In floating point: a queue that nobody looked at for long must not overflow.
	if by := float64(s.Waiting) / float64(handled) * float64(period); handled > 0 && by < float64(wait) {
		wait = time.Duration(by)
	}
	return wait, s.Drops != last.Drops
}
