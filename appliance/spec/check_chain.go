package spec

import (
	"fmt"
	"slices"
	"strings"
)

// checkChains resolves what follows each set when none of its destinations takes
// a call, and bounds how many sets a call may come through.
func (d *decoder) checkChains(s *Spec) {
	var names []string
	sets := map[string]*Dispatcher{}
	for _, set := range s.Dispatchers {
		if sets[set.Name] == nil && set.Name != "" { // without one it was reported
			names = append(names, set.Name)
			sets[set.Name] = set
		}
	}
	sound := true
	for _, set := range s.Dispatchers {
		if set.Next != "" && sets[set.Next] == nil {
			sound = false
			if !d.isBroken("dispatcher", set.Next) {
				d.errorf(set.NextRange, "Unknown dispatcher", "Dispatcher %q names %q as the next. %s", set.Name, set.Next, didYouMean(set.Next, names, "dispatcher"))
			}
		}
	}
	if !d.noCircles(s, sets) || !sound {
		return
	}
	for _, set := range s.Dispatchers {
		if len(chain(sets, set.Name)) > MaxRouteSets {
			d.errorf(set.NextRange, "Too many dispatchers", "A call tries at most %d dispatchers, and from %q on more than that follow each other. Put their destinations together into fewer dispatchers.", MaxRouteSets, set.Name)
			return
		}
	}
	for _, r := range s.Routes {
		d.checkRouteChain(r, sets)
	}
}

// chain gives the sets a call sent to a set may come through, in order, and no more
// than one beyond what is allowed. Where they run in a circle it ends at the first
// it has had.
func chain(sets map[string]*Dispatcher, name string) []string {
	var out []string
	for set := sets[name]; set != nil && !slices.Contains(out, set.Name); set = sets[set.Next] {
		out = append(out, set.Name)
		if len(out) > MaxRouteSets {
			break
		}
	}
	return out
}

// noCircles reports each circle of sets once, at the first of it in source order.
func (d *decoder) noCircles(s *Spec, sets map[string]*Dispatcher) bool {
	seen := map[string]int{} // the walk that came by
	sound := true
	for i, set := range s.Dispatchers {
		var walk []string
		name := set.Name
		for sets[name] != nil && seen[name] == 0 {
			seen[name] = i + 1
			walk = append(walk, name)
			name = sets[name].Next
		}
		at := slices.Index(walk, name)
		if at < 0 {
			continue // it ends, or joins a walk that was judged
		}
		sound = false
		d.circle(s, walk[at:])
	}
	return sound
}

func (d *decoder) circle(s *Spec, names []string) {
	in := map[string]bool{}
	for _, n := range names {
		in[n] = true
	}
	i := slices.IndexFunc(s.Dispatchers, func(set *Dispatcher) bool { return in[set.Name] })
	first := s.Dispatchers[i]
	if len(names) == 1 {
		d.errorf(first.NextRange, "Dispatchers in a circle", "Dispatcher %q follows itself: what it could not place it would try again for ever. Name another one, or remove next.", first.Name)
		return
	}
	turn := slices.Index(names, first.Name)
	var quoted []string
	for _, n := range slices.Concat(names[turn:], names[:turn], names[turn:turn+1]) {
		quoted = append(quoted, fmt.Sprintf("%q", n))
	}
	const most = 12
	if n := len(quoted); n > most {
		quoted = slices.Concat(quoted[:most-1], []string{fmt.Sprintf("%d more", n-most)}, quoted[n-1:])
	}
	d.errorf(first.NextRange, "Dispatchers in a circle", "Calls nobody takes would run for ever: %s. Remove the next of one of them.", strings.Join(quoted, ", then "))
}

// checkRouteChain counts the sets of a route with those that follow them. Sets
// named in the route are tried in its order, each with its chain, none twice.
func (d *decoder) checkRouteChain(r *Route, sets map[string]*Dispatcher) {
	tried := map[string]string{} // set: whose chain it stands in
	for i, name := range r.To {
		if i >= len(r.ToRanges) || i >= MaxRouteSets || sets[name] == nil {
			return
		}
		if by := tried[name]; by != "" && by != name {
			d.warnf(r.ToRanges[i], "Dispatcher tried already", "Calls nobody of %q takes come to %q anyway (next), before this entry of route %q. Remove it, or the next.", by, name, r.Name)
			continue
		}
		for _, n := range chain(sets, name) {
			if tried[n] == "" {
				tried[n] = name
			}
		}
		if n := len(tried); n > MaxRouteSets {
			d.errorf(r.ToRanges[i], "Too many dispatchers", "A call tries at most %d dispatchers; route %q comes to %d with those that follow (next). Put their destinations together into fewer dispatchers.", MaxRouteSets, r.Name, n)
			return
		}
	}
}
