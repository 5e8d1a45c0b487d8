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

// scale maps headrooms to places on a bar, logarithmically.
type scale struct{ low, high float64 } // exponents of ten of the first and the last tick

// scaleOf is a scale on which all ceilings have their place.
func scaleOf(list []sizing.Ceiling) scale {
	low, high := 0.0, 1.0
	for _, c := range list {
		if c.Headroom > 0 {
			l := math.Log10(c.Headroom)
			low, high = math.Min(low, math.Floor(l)), math.Max(high, math.Ceil(l))
		}
	}
	// Beyond these a bar is full or empty: what is there cannot matter.
	return scale{math.Max(low, -2), math.Min(high, 4)}
}

// x is the place of a headroom, 0 to 1.
func (s scale) x(headroom float64) float64 {
	if !(headroom > 0) {
		return 0
	}
	// Half a decade of air below the plan, so that a bar at the plan is one.
	from := s.low - 0.5
	return math.Min(math.Max((math.Log10(headroom)-from)/(s.high-from), 0), 1)
}

func makeLadder(b *sizing.Budget) ladder {
	s := scaleOf(b.Ceilings)
	l := ladder{Plan: share(s.x(1))}
	for e := s.low; e <= s.high; e++ {
		t := tick{X: share(s.x(math.Pow(10, e))), Text: fmt.Sprintf("%gx", math.Pow(10, e)), Anchor: "middle"}
		switch {
		case e == 0:
			t.Text = "plan"
		case s.high-s.low > 3 && math.Mod(e, 2) != 0: // too many to stand side by side
			t.Text = ""
		}
		if e == s.high {
			t.Anchor = "end"
		}
		l.Ticks = append(l.Ticks, t)
	}
	for _, c := range b.Ceilings {
		l.Rungs = append(l.Rungs, makeRung(c, s))
	}
	return l
}

func makeRung(c sizing.Ceiling, s scale) rungView {
	unit := " calls/s"
	if c.Axis == sizing.AxisConcurrent {
		unit = " calls"
	}
	r := rungView{Resource: c.Resource, At: sizing.Count(c.At.Value) + unit, Headroom: headroom(c.Headroom),
		Remedy: c.Remedy, Width: share(s.x(c.Headroom)), Class: "good"}
	if c.Headroom < 1 {
		r.Class = "error"
	} else if c.Headroom < tight {
		r.Class = "tight"
	}
	r.Title = fmt.Sprintf("%s saturates at %s, %s times the plan", c.Resource, r.At, r.Headroom)
	return r
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
