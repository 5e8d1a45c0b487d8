package sizing

import (
	"math"
	"sort"

	"trunkline/appliance/spec"
)

// How an algorithm gives calls to the destinations of a set, as far as sizing
// must know.
type spread int

const (
	spreadEven   spread = iota // by weight, one unless the algorithm weighs
	spreadSerial               // all calls to one, the next when it is down
	spreadAny                  // all calls to one, which is not known beforehand
	spreadFork                 // every call to all
)

// parts is how the calls of a dispatcher set fall to its destinations.
type parts struct {
	how      spread
	weighted bool      // weights differ from one
	weight   []float64 // by destination; 0: takes no calls as the plan starts
	total    float64
	members  int // destinations that take calls
	order    []int
	most     [2]float64 // the two largest weights
	heaviest int        // destination with most[0]
}

// newParts reads algorithm, weights, priorities and states of a set. Destinations
// that start inactive or disabled take no calls, unless all of them do.
func newParts(d *spec.Dispatcher) parts {
	p := parts{weight: make([]float64, len(d.Destinations))}
	switch d.Algorithm {
	case "priority", "first":
		p.how = spreadSerial
	case "latency":
		p.how = spreadAny
	case "parallel":
		p.how = spreadFork
	}
	load := d.Algorithm == "call-load"
	for _, x := range d.Destinations {
		load = load && x.MaxCalls > 0
	}
	fill := func(counts func(*spec.Destination) bool) {
		for i, x := range d.Destinations {
			if !counts(x) {
				continue
			}
			w := 1.0
			switch {
			case load: // the fullest is spared: in the mean each is filled alike
				w = float64(x.MaxCalls)
			case d.Algorithm == "weight" || d.Algorithm == "relative-weight":
				w = float64(max(x.Weight, 1))
			}
			p.weighted = p.weighted || w != 1
			p.weight[i] = w
			p.total += w
			p.members++
			p.order = append(p.order, i)
			if w > p.most[0] {
				p.most[0], p.most[1], p.heaviest = w, p.most[0], i
			} else {
				p.most[1] = math.Max(p.most[1], w)
			}
		}
	}
	fill(func(x *spec.Destination) bool { return x.State != "inactive" && x.State != "disabled" })
	if p.members == 0 {
		fill(func(*spec.Destination) bool { return true })
	}
	if d.Algorithm == "priority" {
		sort.SliceStable(p.order, func(i, j int) bool {
			return d.Destinations[p.order[i]].Priority < d.Destinations[p.order[j]].Priority
		})
	}
	return p
}

// left is the weight of the destinations that are left when the heaviest one
// other than i is down; i itself stays.
func (p parts) left(i int) float64 {
	if p.members <= 1 {
		return p.total
	}
	if i == p.heaviest {
		return p.total - p.most[1]
	}
	return p.total - p.most[0]
}

// carriers are the destinations that may have to carry calls with any one down.
func (p parts) carriers() []int {
	if p.how == spreadSerial {
		return p.order[:min(2, len(p.order))]
	}
	return p.order
}

// egress is the part of the set's calls that leaves through destination i with
// all of them up: more than one in sum where a call is forked, or where it is not
// known who gets it. The unit is total.
func (p parts) egress(i int) (part, unit float64) {
	switch {
	case p.weight[i] == 0:
		return 0, 1
	case p.how == spreadEven:
		return p.weight[i], p.total
	}
	return 1, 1
}
