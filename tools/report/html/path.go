package html

import (
	"fmt"
	"net/netip"
	"slices"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
)

// callPath is the drawing of the way a new call takes from one listener: who may
// send, the firewall, the socket, the limits, and the routes with their sets.
type callPath struct {
	Listener, Title string
	Height          int
	Boxes           []box
	Arrows          []arrow
	margin          int // where the last box at the left margin ends
}

type box struct {
	X, Y, W, H  int
	Class       string
	Head, Title string
	Lines       []line
}

type line struct {
	Y    int
	Text string
}

type arrow struct{ X, Y1, Y2 int }

// Bounds of the picture. The width fits a phone; text is cut to fit a wide font.
const (
	pathWidth = 320
	indent    = 22
	gap       = 20
	maxPaths  = 12
	maxRoutes = 8
	maxLines  = 5
)

// HeadY is the base line of a box's heading.
func (b box) HeadY() int { return b.Y + 19 }

// TextX is where the text of a box starts.
func (b box) TextX() int { return b.X + 10 }

// Tip is where an arrow's head starts.
func (a arrow) Tip() int { return a.Y2 - 6 }

// Left and Right are the corners of an arrow's head.
func (a arrow) Left() int  { return a.X - 4 }
func (a arrow) Right() int { return a.X + 4 }

func makePaths(p *plan.Plan) ([]callPath, int) {
	all := p.Appliance.Listeners
	var out []callPath
	for _, l := range all[:min(len(all), maxPaths)] {
		out = append(out, makePath(p.Appliance, l))
	}
	return out, len(all) - len(out)
}

func makePath(a *runtime.Appliance, l runtime.Listener) callPath {
	c := &callPath{Listener: l.Name, Title: "The way of a call that arrives at listener " + l.Name}
	c.add(0, "outside", "Callers", sources(l.Sources)...)
	if a.Firewall.Enabled {
		rate := "at any rate"
		if a.Firewall.SourceRate > 0 {
			rate = "each at most " + sizing.Count(float64(a.Firewall.SourceRate)) + " packets/s"
		}
		c.add(0, "guard", "Firewall", "these sources alone,", rate)
	} else {
		c.add(0, "danger", "Firewall: off", "anyone reaches the socket")
	}
	c.add(0, "listener", "Listener "+l.Name, l.Transport+" "+l.Address.String(), plural(l.Workers, "worker"))
	c.add(0, "guard", "Limits", limits(a.Limits)...)
	routes := slices.DeleteFunc(slices.Clone(a.Routes), func(r runtime.Route) bool {
		return len(r.From) > 0 && !slices.Contains(r.From, l.Name)
	})
	for i, r := range routes {
		if i == maxRoutes {
			c.add(0, "route", fmt.Sprintf("and %d more routes", len(routes)-i))
			break
		}
		c.route(a, r)
	}
	if len(routes) == 0 {
		c.add(0, "danger", "No route", "every call here is refused")
	}
	c.Height++
	return *c
}

func (c *callPath) route(a *runtime.Appliance, r runtime.Route) {
	which := "every number"
	if r.Prefix != "" {
		which = "numbers that start with " + r.Prefix
	}
	if r.Cache != "" {
		rows := "its longest prefix decides"
		for _, k := range a.Caches {
			if k.Name == r.Cache && k.Rows > 0 {
				rows = "the longest of " + sizing.Count(float64(k.Rows)) + " prefixes decides"
			}
		}
		c.add(0, "route", "Route "+r.Name, which, "set from cache "+r.Cache, rows, "no match: the next route")
		return
	}
	c.add(0, "route", "Route "+r.Name, which)
	for n, name := range r.To {
		if n == maxLines {
			c.add(indent, "set", fmt.Sprintf("and %d more sets", len(r.To)-n))
			break
		}
		for _, d := range a.Dispatchers {
			if d.Name != name {
				continue
			}
			head := "Set " + d.Name
			if len(r.To) > 1 {
				head = fmt.Sprintf("%d. set %s", n+1, d.Name)
			}
			c.add(indent, "set", head, destinations(d)...)
		}
	}
}

// add puts a box below the others, with an arrow from the one above.
func (c *callPath) add(x int, class, head string, lines ...string) {
	y := c.Height
	if y > 0 {
		from := y
		if x == 0 { // past the sets, along the margin
			from = c.margin
		}
		c.Arrows = append(c.Arrows, arrow{x + 12, from, y + gap})
		y += gap
	} else {
		y = 1
	}
	width := (pathWidth - x - 20) * 10 / 75 // characters of 7.5 px
	b := box{X: x + 1, Y: y, W: pathWidth - x - 2, Class: class, Head: fit(head, width-4), Title: head}
	at := b.HeadY()
	for _, l := range lines {
		at += 17
		b.Lines = append(b.Lines, line{at, fit(l, width)})
		b.Title += "; " + l
	}
	b.H = at - y + 10
	c.Boxes = append(c.Boxes, b)
	c.Height = y + b.H
	if x == 0 {
		c.margin = c.Height
	}
}

func sources(list []netip.Prefix) []string {
	var out []string
	for i, n := range list {
		if i == maxLines-1 && len(list) > maxLines {
			return append(out, fmt.Sprintf("and %d more networks", len(list)-i))
		}
		out = append(out, network(n))
	}
	if len(out) == 0 {
		return []string{"nobody: no source is named"}
	}
	return out
}

func limits(l runtime.Limits) []string {
	var out []string
	if l.CPS > 0 {
		out = append(out, fmt.Sprintf("%s calls/s, burst %s", sizing.Count(float64(l.CPS)), sizing.Count(float64(l.Burst))))
	}
	if l.ConcurrentCalls > 0 {
		out = append(out, sizing.Count(float64(l.ConcurrentCalls))+" calls at once")
	}
	if len(out) == 0 {
		return []string{"none but the slots for calls"}
	}
	return append(out, "beyond: 503 with Retry-After")
}

func destinations(d runtime.Dispatcher) []string {
	out := []string{d.Algorithm + ", not probed"}
	if d.Probe != nil {
		out[0] = d.Algorithm + ", probed every " + d.Probe.Interval.D().String()
	}
	for i, t := range d.Destinations {
		if i == maxLines-1 && len(d.Destinations) > maxLines {
			return append(out, fmt.Sprintf("and %d more destinations", len(d.Destinations)-i))
		}
		out = append(out, t.Name+" "+t.Address.String())
	}
	return out
}
