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
		if p.how == spreadEven {
			n = n * p.left(i) / p.weight[i]
		}
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
	if p.members == 1 {
		// A second one would only make up for the loss of the first.
		down, remedy = "its only destination", raise
	}
	left := Input{Name: "destinations left", Value: math.Max(1, float64(p.members-1)), Unit: "destinations"}
	formula, inputs := "lowest "+attr+" x destinations left", []Input{in, left}
	switch {
	case p.how == spreadFork:
		down, remedy = "every call to all", raise
		formula, inputs = "lowest "+attr+": a forked call is a call of each destination", []Input{in}
	case p.how != spreadEven:
		remedy = raise
		formula, inputs = "lowest "+attr+" of those that may have to carry all calls (algorithm "+d.Algorithm+")", []Input{in}
	case p.weighted:
		formula = "lowest of " + attr + " x weights left / own weight"
		inputs = []Input{in, {Name: "weights left", Value: p.left(lowest), Unit: "1", Source: "all but the heaviest of the others"},
			{Name: "own weight", Value: p.weight[lowest], Unit: "1"}}
	}
	z.add(rung{resource: fmt.Sprintf("dispatcher %s, %s", d.Name, down), axis: axis, subject: d.Range,
		remedy: remedy,
		at:     figure("ceiling.dispatcher."+d.Name+"."+axis, "Dispatcher "+d.Name+", "+down, unit, at, formula, inputs...)})
	if silent > 0 {
		z.find("backend."+attr+"."+d.Name, SeverityNote, d.Range, "Not every destination states "+attr,
			"%d of %d destinations of dispatcher %q state no %s: they are taken to carry what the weakest stated one does. State %s for each.", silent, len(counted), d.Name, attr, attr)
	}
}
