package dispatch

import "trunkline/appliance/runtime"

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

// members is an unchanging picture of a set: who takes calls.
type members struct {
	usable []*Destination // active and trying
	active []*Destination
	trying []*Destination
}

// refresh makes the picture anew. The caller holds s.mu or is New.
func (s *Set) refresh() {
	m := &members{}
	for _, d := range s.dests {
		switch d.State() {
		case Active:
			m.active = append(m.active, d)
		case Trying:
			m.trying = append(m.trying, d)
		default:
			continue
		}
		m.usable = append(m.usable, d)
	}
	s.members.Store(m)
}

// Pick gives the call's next destination and adds it to tried. key is the Call-ID.
// It reports false when no destination is left that takes calls and was not tried,
// or MaxTried were.
func (s *Set) Pick(key []byte, tried *Tried) (*Destination, bool) {
	if tried.n == MaxTried {
		return nil, false
	}
	m := s.members.Load()
	var d *Destination
	if tried.n == 0 {
		d = s.choose(m.usable, key, tried)
	} else if d = s.choose(m.active, key, tried); d == nil {
		d = s.choose(m.trying, key, tried)
	}
	if d == nil {
		return nil, false
	}
	tried.index[tried.n] = uint16(d.Index)
	tried.n++
	return d, true
}

// Usable is how many destinations of the set take calls now.
func (s *Set) Usable() int { return len(s.members.Load().usable) }

func (s *Set) choose(from []*Destination, key []byte, tried *Tried) *Destination {
	if s.cfg.Algorithm == runtime.AlgorithmHashCallID {
		return rendezvous(from, hash(key), tried)
	}
	// Calls that move on have a turn of their own: they come in step with the calls
	// of the one that failed and would all meet the same successor.
	turn := &s.turn
	if tried.n > 0 {
		turn = &s.again
	}
	return inTurn(from, turn.Add(1)-1, tried)
}

// inTurn returns destination number turn, counted around those not tried.
func inTurn(from []*Destination, turn uint64, tried *Tried) *Destination {
	left := uint64(0)
	for _, d := range from {
		if !tried.Has(d) {
			left++
		}
	}
	if left == 0 {
		return nil
	}
	skip := turn % left
	for _, d := range from {
		if tried.Has(d) {
			continue
		}
		if skip == 0 {
			return d
		}
		skip--
	}
	return nil
}

// rendezvous returns the destination with the highest score for a key (Thaler and
// Ravishankar's highest random weight).
func rendezvous(from []*Destination, key uint64, tried *Tried) *Destination {
	var best *Destination
	var high uint64
	for _, d := range from {
		if tried.Has(d) {
			continue
		}
		if score := mix(key ^ d.seed); best == nil || score > high {
			best, high = d, score
		}
	}
	return best
}

// hash is 64-bit FNV-1a, which is fixed for all time.
func hash(b []byte) uint64 {
	h := uint64(14695981039346656037)
	for _, c := range b {
		h = (h ^ uint64(c)) * 1099511628211
	}
	return h
}

// mix is the finaliser of SplitMix64: each bit of x changes about half of the
// result's.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
