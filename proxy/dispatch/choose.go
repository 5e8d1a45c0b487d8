package dispatch

import "math/bits"

// choice is one look for a destination of a set.
type choice struct {
	set    *Set
	key    uint64
	tried  *Tried
	moved  bool // the call was elsewhere before, or met a full destination
	full   bool // it met one
	passed passed
}

// passed are the destinations of a set that were full when a call looked, by their
// place in the set.
type passed [1024 / 64]uint64

// add reports false when there is no room to remember d.
func (p *passed) add(d *Destination) bool {
	if d.place >= len(p)*64 {
		return false
	}
	p[d.place/64] |= 1 << (d.place % 64)
	return true
}

func (p *passed) has(d *Destination) bool {
	return d.place < len(p)*64 && p[d.place/64]&(1<<(d.place%64)) != 0
}

// open reports whether d may be given.
func (c *choice) open(d *Destination) bool {
	return !c.tried.Has(d) && (!c.full || !c.passed.has(d) && d.room())
}

// turn draws the next turn. Calls that move on have one of their own: they come in
// step with the calls of the one that failed and would all meet the same successor.
func (c *choice) turn() uint64 {
	t := &c.set.turn
	if c.moved {
		t = &c.set.again
	}
	return t.Add(1) - 1
}

// among chooses one of p, nil when none is open.
func (c *choice) among(p *part) *Destination {
	if len(p.dests) == 0 {
		return nil
	}
	switch c.set.algorithm {
	case roundRobin:
		return c.inTurn(p.dests, c.turn())
	case random:
		return c.inTurn(p.dests, mix(c.set.seed+(c.turn()+1)*golden))
	case relativeWeight:
		return c.weighted(p)
	case priority:
		return c.lowest(p.dests)
	case callLoad:
		return c.leastLoaded(p.dests)
	case latency:
		return c.fastest(p)
	case first, parallel:
		return c.inTurn(p.dests, 0)
	}
	return c.rendezvous(p.dests)
}

// inTurn returns destination number turn, counted around those that are open.
func (c *choice) inTurn(from []*Destination, turn uint64) *Destination {
	if !c.moved {
		return from[turn%uint64(len(from))]
	}
	left := uint64(0)
	for _, d := range from {
		if c.open(d) {
			left++
		}
	}
	if left == 0 {
		return nil
	}
	skip := turn % left
	var last *Destination
	for _, d := range from {
		if !c.open(d) {
			continue
		}
		// A call that ends meanwhile opens one more: last is right in any case.
		if last = d; skip == 0 {
			break
		}
		skip--
	}
	return last
}

// rendezvous returns the destination with the highest score for a key (Thaler and
// Ravishankar's highest random weight).
func (c *choice) rendezvous(from []*Destination) *Destination {
	var best *Destination
	var high uint64
	for _, d := range from {
		if c.moved && !c.open(d) {
			continue
		}
		if score := mix(c.key ^ d.seed); best == nil || score > high {
			best, high = d, score
		}
	}
	return best
}

// golden is 2^64 divided by the golden ratio: the multiples of it fill the circle of
// 64-bit numbers as evenly as can be, whichever number of them is looked at (Knuth,
// The Art of Computer Programming 6.4).
const golden = 0x9e3779b97f4a7c15

// point is where turn falls on a line of the length total.
func point(turn, total uint64) uint64 {
	hi, _ := bits.Mul64(turn*golden, total)
	return hi
}

// weighted gives each its part of those that are open.
func (c *choice) weighted(p *part) *Destination {
	turn := c.turn()
	if !c.moved {
		return p.dests[p.at(point(turn, p.total()))]
	}
	left := uint64(0)
	for _, d := range p.dests {
		if c.open(d) {
			left += d.weight()
		}
	}
	if left == 0 {
		return nil
	}
	at := point(turn, left)
	var last *Destination
	for _, d := range p.dests {
		if !c.open(d) {
			continue
		}
		if last = d; at < d.weight() {
			break
		}
		at -= d.weight()
	}
	return last
}

// owned gives each its part of all; the calls of one that takes none, or has had the
// call, are its successor's. Of two that are open the sound one is preferred by a
// call that moves on.
func (c *choice) owned(m *members) *Destination {
	p := &m.owners
	if p.total() == 0 {
		return nil
	}
	turn := &c.set.turn
	if c.moved {
		turn = &c.set.again
	}
	start := p.at(point(turn.Add(1)-1, p.total()))
	var doubtful *Destination
	for i := range p.dests {
		d := p.dests[(start+i)%len(p.dests)]
		state := d.State()
		if !state.TakesCalls() || !c.open(d) {
			continue
		}
		if state == Active || !c.moved {
			return d
		}
		if doubtful == nil {
			doubtful = d
		}
	}
	return doubtful
}

// lowest takes turns among those of the lowest priority that are open; from is
// sorted by it.
func (c *choice) lowest(from []*Destination) *Destination {
	for i := 0; i < len(from); {
		end := i + 1
		for end < len(from) && from[end].cfg.Priority == from[i].cfg.Priority {
			end++
		}
		if d := c.inTurn(from[i:end], c.turn()); d != nil {
			return d
		}
		i = end
	}
	return nil
}

// leastLoaded returns the one with the fewest calls against max_calls; those alike
// come in turn.
func (c *choice) leastLoaded(from []*Destination) *Destination {
	start := int(c.turn() % uint64(len(from)))
	var best *Destination
	var calls, of uint64
	for i := range from {
		d := from[(start+i)%len(from)]
		if c.moved && !c.open(d) {
			continue
		}
		// calls/max below the best's, without a division; neither exceeds 2^31.
		n, limit := uint64(max(d.calls.Load(), 0)), uint64(max(d.cfg.MaxCalls, 1))
		if best == nil || n*of < calls*limit {
			best, calls, of = d, n, limit
		}
	}
	return best
}
