package sizing

import (
	"math"
	"slices"
	"sort"

	"trunkline/appliance/spec"
)

// How an algorithm gives calls to the destinations of a set, as far as sizing
// must know (see the Algorithm constants of package spec).
type spread int

const (
	spreadEven spread = iota // by weight, one unless the algorithm weighs; those left share what one leaves
	spreadNext               // by weight; what is down leaves its part to the next alone
	spreadTurn               // the first group in turns, the next group when none of it is up
	spreadAny                // all calls to one, which is not known beforehand
	spreadFork               // every call to all
)

// parts is how the calls of a dispatcher set fall to its destinations.
type parts struct {
	how      spread
	weighted bool      // weights differ from one
	weight   []float64 // by destination; 0: takes no calls as the plan starts
	total    float64
	order    []int      // destinations that take calls, in the order they are tried
	most     [2]float64 // the two largest weights
	heaviest int        // destination with most[0]
	before   []float64  // by destination: weight of the one whose part it takes over
	groups   [2][]int   // the first two groups of spreadTurn
}

// newParts reads algorithm, weights, priorities and states of a set. Destinations
// that start inactive or disabled take no calls, unless all of them do.
func newParts(d *spec.Dispatcher) parts {
	p := parts{weight: make([]float64, len(d.Destinations))}
	weigh := func(*spec.Destination) float64 { return 1 }
	byWeight := func(x *spec.Destination) float64 { return float64(max(x.Weight, 1)) }
	switch d.Algorithm {
	case spec.AlgorithmWeight:
		p.how, weigh = spreadNext, byWeight
	case spec.AlgorithmRelativeWeight:
		weigh = byWeight
	case spec.AlgorithmCallLoad: // the fullest is spared: in the mean each is filled alike
		stated := func(x *spec.Destination) bool { return x.MaxCalls > 0 }
		if !slices.ContainsFunc(d.Destinations, func(x *spec.Destination) bool { return !stated(x) }) {
			weigh = func(x *spec.Destination) float64 { return float64(x.MaxCalls) }
		}
	case spec.AlgorithmPriority, spec.AlgorithmFirst:
		p.how = spreadTurn
	case spec.AlgorithmLatency:
		p.how = spreadAny
	case spec.AlgorithmParallel:
		p.how = spreadFork
	}
	p.fill(d, weigh, func(x *spec.Destination) bool { return x.State != "inactive" && x.State != "disabled" })
	if len(p.order) == 0 {
		p.fill(d, weigh, func(*spec.Destination) bool { return true })
	}
	switch p.how {
	case spreadNext:
		p.before = make([]float64, len(p.weight))
		for k, i := range p.order {
			p.before[i] = p.weight[p.order[(k+len(p.order)-1)%len(p.order)]]
		}
	case spreadTurn:
		p.group(d)
	}
	return p
}

func (p *parts) fill(d *spec.Dispatcher, weigh func(*spec.Destination) float64, counts func(*spec.Destination) bool) {
	for i, x := range d.Destinations {
		if !counts(x) {
			continue
		}
		w := weigh(x)
		p.weighted = p.weighted || w != 1
		p.weight[i] = w
		p.total += w
		p.order = append(p.order, i)
		if w > p.most[0] {
			p.most[0], p.most[1], p.heaviest = w, p.most[0], i
		} else {
			p.most[1] = math.Max(p.most[1], w)
		}
	}
}

// group finds those that are tried together: of one priority, or each by itself.
func (p *parts) group(d *spec.Dispatcher) {
	alone := d.Algorithm != spec.AlgorithmPriority
	if !alone {
		sort.SliceStable(p.order, func(i, j int) bool {
			return d.Destinations[p.order[i]].Priority < d.Destinations[p.order[j]].Priority
		})
	}
	g := 0
	for k, i := range p.order {
		if k > 0 && (alone || d.Destinations[i].Priority != d.Destinations[p.order[k-1]].Priority) {
			g++
		}
		if g >= len(p.groups) {
			return
		}
		p.groups[g] = append(p.groups[g], i)
	}
}

// carriers are the destinations that may have to carry calls with any one down.
func (p parts) carriers() []int {
	if p.how != spreadTurn {
		return p.order
	}
	if len(p.groups[0]) > 1 {
		return p.groups[0] // those left of it
	}
	return slices.Concat(p.groups[0], p.groups[1])
}

// times is how many times the limit of destination i the set carries before i is
// full, with the one down whose loss i feels most.
func (p parts) times(i int) float64 {
	switch {
	case p.how == spreadAny || p.how == spreadFork:
		return 1
	case p.how == spreadTurn && len(p.groups[0]) > 1:
		return float64(len(p.groups[0]) - 1)
	case p.how == spreadTurn && slices.Contains(p.groups[1], i):
		return float64(len(p.groups[1]))
	case p.how == spreadTurn || len(p.order) == 1:
		return 1
	case p.how == spreadNext:
		return p.total / (p.weight[i] + p.before[i])
	case i == p.heaviest:
		return (p.total - p.most[1]) / p.weight[i]
	}
	return (p.total - p.most[0]) / p.weight[i]
}

// egress is the part of the set's calls that leaves through destination i with
// all of them up: more than one in sum where a call is forked, or where it is not
// known who gets it. The unit is total.
func (p parts) egress(i int) (part, unit float64) {
	switch {
	case p.weight[i] == 0:
		return 0, 1
	case p.how == spreadEven || p.how == spreadNext:
		return p.weight[i], p.total
	}
	return 1, 1
}
