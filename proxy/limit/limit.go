// Package limit decides whether one more call may enter: a rate of new calls per
// second and a number of calls at one time. Both decisions cost one atomic
// operation, allocate nothing and never wait, so every worker may share them.
//
// Rates are calls per second, times are nanoseconds of any monotonic clock that
// all callers share. A limit of zero means no limit. Nothing here returns an
// error: a refusal is an answer, and the caller counts it.
package limit

import (
	"sync/atomic"
	"time"
)

// Rate is a token bucket in its virtual-scheduling form (the generic cell rate
// algorithm of ITU-T I.371): one number, the time at which the bucket would be
// full again, holds the whole state.
type Rate struct {
	interval int64 // nanoseconds one call takes out of the bucket
	depth    int64 // nanoseconds the bucket may run ahead: (burst-1) * interval
	*Bucket
	refused atomic.Uint64
}

// Bucket is the state of a Rate, which may lie in memory that outlives the process.
type Bucket struct{ full atomic.Int64 }

// NewRate allows cps calls per second on average and burst calls at once. cps of
// zero or less never refuses; a burst below one counts as one. The
// state is in b; nil: in memory of its own.
func NewRate(cps, burst int, b *Bucket) *Rate {
	if b == nil {
		b = new(Bucket)
	}
	if cps <= 0 {
		return &Rate{Bucket: b}
	}
	if burst < 1 {
		burst = 1
	}
	interval := max(int64(time.Second)/int64(cps), 1)
	return &Rate{interval: interval, depth: int64(burst-1) * interval, Bucket: b}
}

// Allow takes one call out of the bucket at the time now. It reports false, and
// takes nothing, when the bucket is empty.
func (r *Rate) Allow(now int64) bool {
	if r.interval == 0 || r.Bucket.take(now, r.interval, r.depth) {
		return true
	}
	r.refused.Add(1)
	return false
}

func (b *Bucket) take(now, interval, depth int64) bool {
	for {
		full := b.full.Load()
		start := max(full, now)
		if start-now > depth {
			return false
		}
		if b.full.CompareAndSwap(full, start+interval) {
			return true
		}
	}
}

// Refused is the number of calls Allow turned away.
func (r *Rate) Refused() uint64 { return r.refused.Load() }

// Concurrent bounds how many calls exist at one time.
type Concurrent struct {
	max     int64
	live    atomic.Int64
	peak    atomic.Int64
	refused atomic.Uint64
}

// NewConcurrent allows limit calls at one time; zero or less counts without
// refusing.
func NewConcurrent(limit int) *Concurrent {
	return &Concurrent{max: int64(max(limit, 0))}
}

// Acquire takes one place. It reports false, and takes nothing, when all places
// are taken.
func (c *Concurrent) Acquire() bool {
	live := c.live.Add(1)
	if c.max > 0 && live > c.max {
		c.live.Add(-1)
		c.refused.Add(1)
		return false
	}
	c.rise(live)
	return true
}

// AcquireAny takes one place whether there is one or not, for what no limit may refuse.
// It reports whether there was one. Release gives it back.
func (c *Concurrent) AcquireAny() bool {
	live := c.live.Add(1)
	c.rise(live)
	return c.max == 0 || live <= c.max
}

func (c *Concurrent) rise(live int64) {
	for {
		peak := c.peak.Load()
		if live <= peak || c.peak.CompareAndSwap(peak, live) {
			return
		}
	}
}

// Release gives one place back.
func (c *Concurrent) Release() { c.live.Add(-1) }

// Live is the number of places taken.
func (c *Concurrent) Live() int64 { return c.live.Load() }

// Peak is the largest number of places ever taken at one time.
func (c *Concurrent) Peak() int64 { return c.peak.Load() }

// Refused is the number of calls Acquire turned away.
func (c *Concurrent) Refused() uint64 { return c.refused.Load() }
