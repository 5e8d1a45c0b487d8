package dispatch

import "time"

const (
	// smoothing is how much of a new measurement goes into the estimate: an eighth,
	// as RFC 6298 2 has it for round trips.
	smoothing = 8
	// explore: one call in so many goes to any destination in turn, so that one that
	// was slow once is measured by calls again.
	explore = 32
	// alike is the difference in which two destinations are as fast as each other,
	// beside an eighth of the faster one's time.
	alike = time.Millisecond
)

// Measured takes a time from a request to the first sign of life of d, or the time
// for which there was none.
func (d *Destination) Measured(took time.Duration) {
	sample := max(int64(took), 1)
	for {
		old := d.health.estimate.Load()
		next := sample
		if old != 0 {
			next = max(old+(sample-old)/smoothing, 1)
		}
		if d.health.estimate.CompareAndSwap(old, next) {
			return
		}
	}
}

// Estimate is the smoothed time d takes to reply, to probes and to calls; 0: not
// known yet.
func (d *Destination) Estimate() time.Duration { return time.Duration(d.health.estimate.Load()) }

// fastest chooses the destination with the lowest estimate; those about as fast
// share the calls in turn. What was never measured counts as fast, until its first
// probe or call has shown: otherwise the first to be measured would get all calls.
func (c *choice) fastest(p *part) *Destination {
	turn := c.turn()
	if !c.moved {
		if turn%explore == explore-1 {
			return c.inTurn(p.dests, turn/explore)
		}
		turn -= turn / explore // without gaps, so that the turns below come out even
	}
	best := int64(0)
	for _, d := range p.dests {
		if e := d.health.estimate.Load(); e != 0 && (best == 0 || e < best) && c.open(d) {
			best = e
		}
	}
	if best == 0 {
		return c.inTurn(p.dests, turn)
	}
	bar := best + max(best/8, int64(alike))
	count := uint64(0)
	for _, d := range p.dests {
		if d.fast(bar) && c.open(d) {
			count++
		}
	}
	if count == 0 { // what was measured meanwhile has changed it all
		return c.inTurn(p.dests, turn)
	}
	skip := turn % count
	var last *Destination
	for _, d := range p.dests {
		if !d.fast(bar) || !c.open(d) {
			continue
		}
		if last = d; skip == 0 {
			break
		}
		skip--
	}
	return last
}

func (d *Destination) fast(bar int64) bool {
	e := d.health.estimate.Load()
	return e <= bar
}
