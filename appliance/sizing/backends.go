package sizing

import (
	"fmt"
	"math"

	"trunkline/appliance/spec"
)

// backendCeilings checks every dispatcher set against what its destinations say
// they take, with any one of them down (B6). Which share of the calls a set gets
// is not known beforehand, so each is checked as if it got all of them.
func (z *sizer) backendCeilings() {
	for _, d := range z.s.Dispatchers {
		z.backend(d, AxisCPS, "max_cps", func(x *spec.Destination) int { return x.MaxCPS })
		z.backend(d, AxisConcurrent, "max_calls", func(x *spec.Destination) int { return x.MaxCalls })
		if len(d.Destinations) == 1 {
			z.find("backend.single."+d.Name, SeverityNote, d.Range, "One destination carries a whole set",
				"Dispatcher %q has the one destination %q: while it is down, its calls end or go to the next set. Add a second destination.", d.Name, d.Destinations[0].Name)
		}
	}
}

func (z *sizer) backend(d *spec.Dispatcher, axis, attr string, limit func(*spec.Destination) int) {
	lowest, silent := (*spec.Destination)(nil), 0
	for _, x := range d.Destinations {
		n := limit(x)
		if n <= 0 {
			silent++
			continue
		}
		if lowest == nil || n < limit(lowest) {
			lowest = x
		}
	}
	if lowest == nil {
		return
	}
	// Calls are spread evenly: the weakest of those that are left fills first.
	left := math.Max(1, float64(len(d.Destinations)-1))
	unit := "calls/s"
	if axis == AxisConcurrent {
		unit = "calls"
	}
	in := stated("destination."+lowest.Name+"."+attr, float64(limit(lowest)), unit, lowest.Range)
	down := "one destination down"
	remedy := fmt.Sprintf("add a destination to dispatcher %q", d.Name) + where(d.Range)
	if len(d.Destinations) == 1 {
		// A second one would only make up for the loss of the first.
		down = "its only destination"
		remedy = fmt.Sprintf("raise %s of destination %q", attr, lowest.Name) + where(lowest.Range)
	}
	z.add(rung{resource: fmt.Sprintf("dispatcher %s, %s", d.Name, down), axis: axis, subject: d.Range,
		remedy: remedy,
		at: figure("ceiling.dispatcher."+d.Name+"."+axis, "Dispatcher "+d.Name+", "+down, unit, in.Value*left,
			"lowest "+attr+" x destinations left", in, Input{Name: "destinations left", Value: left, Unit: "destinations"})})
	if silent > 0 {
		z.find("backend."+attr+"."+d.Name, SeverityNote, d.Range, "Not every destination states "+attr,
			"%d of %d destinations of dispatcher %q state no %s: they are taken to carry what the weakest stated one does. State %s for each.", silent, len(d.Destinations), d.Name, attr, attr)
	}
}
