package dispatch

import (
	"slices"
	"sort"
)

// members is an unchanging picture of a set: who takes calls. One is made with
// every change of state and put in place as a whole.
type members struct {
	usable part // active and trying
	active part
	trying part
	// owners are all but the disabled ones, with algorithm weight: each keeps its
	// part also while it is down, for the next to take.
	owners part
}

// part is some destinations of a set, in the order of the configuration, or with
// algorithm priority by priority.
type part struct {
	dests []*Destination
	sums  []uint64 // with algorithms that weigh: weights up to and with each
}

func (p *part) add(d *Destination) { p.dests = append(p.dests, d) }

// total is the sum of all weights.
func (p *part) total() uint64 {
	if len(p.sums) == 0 {
		return 0
	}
	return p.sums[len(p.sums)-1]
}

// at is the place of the destination whose weights hold a point below total.
func (p *part) at(point uint64) int {
	return sort.Search(len(p.sums), func(i int) bool { return point < p.sums[i] })
}

func (p *part) finish(a algorithm) {
	if a == priority {
		slices.SortStableFunc(p.dests, func(x, y *Destination) int { return x.cfg.Priority - y.cfg.Priority })
	}
	if !a.weighs() {
		return
	}
	sum := uint64(0)
	p.sums = make([]uint64, len(p.dests))
	for i, d := range p.dests {
		sum += d.weight()
		p.sums[i] = sum
	}
}

// refresh makes the picture anew. The caller holds s.mu or is New.
func (s *Set) refresh() {
	m := &members{}
	for _, d := range s.dests {
		state := d.State()
		if s.algorithm == weight && state != Disabled {
			m.owners.add(d)
		}
		switch state {
		case Active:
			m.active.add(d)
		case Trying:
			m.trying.add(d)
		default:
			continue
		}
		m.usable.add(d)
	}
	for _, p := range []*part{&m.usable, &m.active, &m.trying, &m.owners} {
		p.finish(s.algorithm)
	}
	s.members.Store(m)
}

// Usable is how many destinations of the set take calls now.
func (s *Set) Usable() int { return len(s.members.Load().usable.dests) }
