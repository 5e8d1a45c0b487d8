package sizing

import (
	"fmt"
	"math"

	"trunkline/appliance/spec"
)

// backendCeilings checks every dispatcher set against what its destinations say
// they take, with any one of them down (B6). Which share of the calls a set gets
// is not known beforehand, so each is checked as if it got all of them; a set
// that `next` names is for the calls this one cannot take, so it adds nothing
// here and is checked by itself.
func (z *sizer) backendCeilings() {
	for _, d := range z.s.Dispatchers {
		p := newParts(d)
		z.backend(d, p, AxisCPS, "max_cps", func(x *spec.Destination) int { return x.MaxCPS })
		z.backend(d, p, AxisConcurrent, "max_calls", func(x *spec.Destination) int { return x.MaxCalls })
		if len(d.Destinations) == 1 {
			z.find("backend.single."+d.Name, SeverityNote, d.Range, "One destination carries a whole set",
				"Dispatcher %q has the one destination %q: while it is down, its calls end or go to the next set. Add a second destination.", d.Name, d.Destinations[0].Name)
		}
	}
}

// backend finds the destination that fills first.
func (z *sizer) backend(d *spec.Dispatcher, p parts, axis, attr string, limit func(*spec.Destination) int) {
	lowest, at, alike, silent, counted := -1, math.Inf(1), 0, 0, p.carriers()
	for _, i := range counted {
		n := float64(limit(d.Destinations[i]))
		if n <= 0 {
			silent++
			continue
		}
		n *= p.times(i)
		switch {
		case n < at:
			lowest, at, alike = i, n, 1
		case n == at:
			alike++
		}
	}
	if lowest < 0 {
		return
	}
	unit := "calls/s"
	if axis == AxisConcurrent {
		unit = "calls"
	}
	x := d.Destinations[lowest]
	in := stated("destination."+x.Name+"."+attr, float64(limit(x)), unit, x.Range)
	down := "one destination down"
	remedy := fmt.Sprintf("add a destination to dispatcher %q", d.Name) + where(d.Range)
	raise := fmt.Sprintf("raise %s of destination %q", attr, x.Name) + where(x.Range)
	if alike > 1 {
		raise = fmt.Sprintf("raise %s of the %d lowest destinations of dispatcher %q", attr, alike, d.Name) + where(d.Range)
	}
	if len(p.order) == 1 {
		// A second one would only make up for the loss of the first.
		down, remedy = "its only destination", raise
	}
	times := Input{Name: "destinations left", Value: p.times(lowest), Unit: "destinations"}
	formula := "lowest " + attr + " x destinations left"
	switch p.how {
	case spreadFork:
		down, remedy = "every call to all", raise
		times.Name, formula = "all of them", "lowest "+attr+": a forked call is a call of each destination"
	case spreadAny:
		remedy = raise
		times.Name, formula = "one of them", "lowest "+attr+": any of them may get all calls"
	case spreadTurn:
		if len(p.groups[0]) == 1 {
			remedy = raise
		}
		times.Name, formula = "destinations tried together", "lowest of "+attr+" x destinations tried together, one of the first of them down"
	case spreadNext:
		times = Input{Name: "weights / (own weight + weight before)", Value: times.Value, Unit: "1", Source: "what is down leaves its part to the next"}
		formula = "lowest of " + attr + " x weights / (own weight + weight before)"
	default:
		if p.weighted {
			times = Input{Name: "weights left / own weight", Value: times.Value, Unit: "1", Source: "all but the heaviest of the others are left"}
			formula = "lowest of " + attr + " x weights left / own weight"
		}
	}
	z.add(rung{resource: fmt.Sprintf("dispatcher %s, %s", d.Name, down), axis: axis, subject: d.Range,
		remedy: remedy,
		at:     figure("ceiling.dispatcher."+d.Name+"."+axis, "Dispatcher "+d.Name+", "+down, unit, at, formula, in, times)})
	if silent > 0 {
		z.find("backend."+attr+"."+d.Name, SeverityNote, d.Range, "Not every destination states "+attr,
			"%d of %d destinations of dispatcher %q state no %s: they are taken to carry what the weakest stated one does. State %s for each.", silent, len(counted), d.Name, attr, attr)
	}
}
