package resolve

import "time"

// slots give every target of a name a number that stays its own for as long as the
// name leads there, whatever else changes about the name.
type slots [MaxTargets]struct {
	target Target // as in Target, without Server and Slot
	taken  bool
	left   time.Time // when the name last led there
}

// assign numbers targets. A target that is new gets the number that has been free
// the longest, so that a call that has tried the former one does not take the new
// one for it. It writes nothing to targets that have their numbers already.
func (s *slots) assign(targets []Target, now time.Time) {
	for i := range s {
		s[i].taken = false
	}
	var fresh []int
	for i, t := range targets {
		n := s.find(t)
		if n < 0 {
			fresh = append(fresh, i)
			continue
		}
		s[n].taken, s[n].left = true, now
		if targets[i].Slot != n {
			targets[i].Slot = n
		}
	}
	for _, i := range fresh {
		n := s.free()
		s[n].target, s[n].taken, s[n].left = bare(targets[i]), true, now
		targets[i].Slot = n
	}
}

func bare(t Target) Target { return Target{Addr: t.Addr, Transport: t.Transport} }

func (s *slots) find(t Target) int {
	for i := range s {
		if s[i].target == bare(t) {
			return i
		}
	}
	return -1
}

// free is the number that has been free the longest. There always is one: a result
// has no more targets than there are numbers.
func (s *slots) free() int {
	best := -1
	for i := range s {
		if !s[i].taken && (best < 0 || s[i].left.Before(s[best].left)) {
			best = i
		}
	}
	return best
}
