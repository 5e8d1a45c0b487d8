package html

import (
	"fmt"
	"math"

	"trunkline/appliance/sizing"
)

// ladder is the chart of ceilings: one bar each, on a logarithmic scale of the
// headroom, for ceilings lie orders of magnitude apart.
type ladder struct {
	Rungs []rungView
	Ticks []tick
	Plan  string // where the planned load lies, percent of the width
}

type rungView struct {
	Resource, At, Headroom, Remedy, Title string
	Width                                 string // percent of the width
	Class                                 string // "error", "tight", "good"
}

type tick struct{ X, Text, Anchor string }

// tight is the headroom below which a bar says that there is little left.
const tight = 1.1

func makeLadder(b *sizing.Budget) ladder {
	low, high := 0.0, 1.0
	for _, c := range b.Ceilings {
		if c.Headroom > 0 {
			l := math.Log10(c.Headroom)
			low, high = math.Min(low, math.Floor(l)), math.Max(high, math.Ceil(l))
		}
	}
	// Beyond these a bar is full or empty: what is there cannot matter.
	low, high = math.Max(low, -2), math.Min(high, 4)
	// Half a decade of air below the plan, so that a bar at the plan is one.
	from := low - 0.5
	x := func(headroom float64) float64 {
		if !(headroom > 0) {
			return 0
		}
		return math.Min(math.Max((math.Log10(headroom)-from)/(high-from), 0), 1)
	}
	l := ladder{Plan: share(x(1))}
	for e := low; e <= high; e++ {
		t := tick{X: share(x(math.Pow(10, e))), Text: fmt.Sprintf("%gx", math.Pow(10, e)), Anchor: "middle"}
		switch {
		case e == 0:
			t.Text = "plan"
		case high-low > 3 && math.Mod(e, 2) != 0: // too many to stand side by side
			t.Text = ""
		}
		if e == high {
			t.Anchor = "end"
		}
		l.Ticks = append(l.Ticks, t)
	}
	for _, c := range b.Ceilings {
		unit := " calls/s"
		if c.Axis == sizing.AxisConcurrent {
			unit = " calls"
		}
		r := rungView{Resource: c.Resource, At: sizing.Count(c.At.Value) + unit, Headroom: headroom(c.Headroom),
			Remedy: c.Remedy, Width: share(x(c.Headroom)), Class: "good"}
		if c.Headroom < 1 {
			r.Class = "error"
		} else if c.Headroom < tight {
			r.Class = "tight"
		}
		r.Title = fmt.Sprintf("%s saturates at %s, %s times the plan", c.Resource, r.At, r.Headroom)
		l.Rungs = append(l.Rungs, r)
	}
	return l
}

// headroom never rounds a shortfall up to 1.
func headroom(h float64) string {
	switch {
	case h < 1 && h >= 0.995:
		return "0.99"
	case h >= 100:
		return sizing.Count(h)
	}
	return fmt.Sprintf("%.2f", h)
}

// share renders a part of one as the percentage SVG takes for lengths.
func share(v float64) string { return fmt.Sprintf("%.2f%%", 100*v) }
