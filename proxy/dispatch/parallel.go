package dispatch

// MaxParallel is how many destinations a set with algorithm parallel has at most: each
// call is that many calls.
const MaxParallel = 8

// Parallel reports whether the set gives each call to all its destinations at once.
func (s *Set) Parallel() bool { return s.algorithm == parallel }

// Full are the destinations that had no place for a call.
type Full struct {
	Count int
	Last  *Destination // nil: none was full
}

// PickAll gives all destinations of the set that take calls, have room and were not
// tried, in the order of the configuration, up to MaxParallel and MaxTried, and adds
// them to tried. A call has a place at each of them. It returns how many there are in
// into.
func (s *Set) PickAll(a Ask, tried *Tried, into *[MaxParallel]*Destination) (n int, full Full) {
	for _, d := range s.members.Load().usable.dests {
		if n == MaxParallel || tried.n == MaxTried {
			break
		}
		if tried.Has(d) {
			continue
		}
		if a.Call && !d.take(a.Now) {
			d.full.Add(1)
			full.Count++
			full.Last = d
			continue
		}
		tried.add(d)
		into[n] = d
		n++
	}
	return n, full
}
