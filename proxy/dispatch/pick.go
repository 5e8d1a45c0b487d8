package dispatch

// MaxTried is how many destinations one call can try.
const MaxTried = 16

// Tried remembers the destinations a call was given, of one set or of several. The
// zero value is a call that was given none. It is a plain value without pointers.
type Tried struct {
	n     uint8
	index [MaxTried]uint16
}

// Count is how many destinations there were.
func (t *Tried) Count() int { return int(t.n) }

// Has reports whether the call was given d.
func (t *Tried) Has(d *Destination) bool {
	for _, i := range t.index[:t.n] {
		if int(i) == d.Index {
			return true
		}
	}
	return false
}

// Ask is what a request that needs a destination brings along.
type Ask struct {
	Key  uint64 // what Key of the set said
	Call bool   // it is a call: it takes a place where it goes, which Leave gives back
	Now  int64  // nanoseconds of a monotonic clock, for max_cps
}

// Pick gives the request's next destination and adds it to tried; nil when no
// destination is left that takes calls, has room and was not tried, or MaxTried
// were. full is a destination the call would have been given had it not been full,
// nil when there was none.
func (s *Set) Pick(a Ask, tried *Tried) (d, full *Destination) {
	if tried.n == MaxTried {
		return nil, nil
	}
	c := choice{set: s, key: a.Key, tried: tried, moved: tried.n > 0}
	m := s.members.Load()
	d = c.choose(m)
	if d != nil && a.Call && !d.take(a.Now) {
		full = d
		d = c.around(m, d, a.Now)
	}
	if d != nil {
		tried.add(d)
	}
	return d, full
}

func (t *Tried) add(d *Destination) {
	t.index[t.n] = uint16(d.Index)
	t.n++
}

// around chooses past full destinations, each of which is looked at once, and takes
// a place.
func (c *choice) around(m *members, d *Destination, now int64) *Destination {
	c.full, c.moved = true, true
	for {
		d.full.Add(1)
		if !c.passed.add(d) {
			return nil
		}
		if d = c.choose(m); d == nil || d.take(now) {
			return d
		}
	}
}

// choose applies the set's algorithm. A call that moves on prefers sound
// destinations to those in doubt.
func (c *choice) choose(m *members) *Destination {
	if c.set.algorithm == weight {
		return c.owned(m)
	}
	if !c.moved {
		return c.among(&m.usable)
	}
	if d := c.among(&m.active); d != nil {
		return d
	}
	return c.among(&m.trying)
}
