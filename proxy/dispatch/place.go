package dispatch

// Places at a destination: how many calls it has, and what it is stated to take.
// They bind whatever the algorithm (a gateway over its limit refuses everybody's
// calls), and need neither lock nor clock of their own.

// burst is how many calls above its mean rate a destination may get at once: a
// tenth of a second's, so that no second holds more than 1.1 times max_cps.
func burst(maxCPS int) int { return max(maxCPS/10, 1) }

// take takes a place for a call; false, and nothing is taken, when the destination
// is full or gets calls at its full rate. now is nanoseconds of a monotonic clock.
func (d *Destination) take(now int64) bool {
	if n := d.calls.Add(1); d.cfg.MaxCalls > 0 && n > int64(d.cfg.MaxCalls) {
		d.calls.Add(-1)
		return false
	}
	if d.rate != nil && !d.rate.Allow(now) {
		d.calls.Add(-1)
		return false
	}
	return true
}

// Leave gives back the place that Pick took for a call. It is due exactly once:
// when the call has moved on or ended, however it ended.
func (d *Destination) Leave() { d.calls.Add(-1) }

// Return takes the place of a call that had one before the process began, whether there is
// one or not. Leave gives it back.
func (d *Destination) Return() { d.calls.Add(1) }

// Calls is how many calls have a place at the destination.
func (d *Destination) Calls() int64 { return d.calls.Load() }

// room reports whether max_calls leaves a place.
func (d *Destination) room() bool {
	return d.cfg.MaxCalls == 0 || d.calls.Load() < int64(d.cfg.MaxCalls)
}

// MaxCalls is how many calls it takes at one time; 0: not stated.
func (d *Destination) MaxCalls() int { return d.cfg.MaxCalls }

// MaxCPS is how many new calls it takes in a second; 0: not stated.
func (d *Destination) MaxCPS() int { return d.cfg.MaxCPS }

func (d *Destination) weight() uint64 { return uint64(max(d.cfg.Weight, 1)) }
