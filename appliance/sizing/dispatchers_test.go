package sizing

import (
	"math"
	"net/netip"
	"strings"
	"testing"

	"trunkline/appliance/spec"
)

// set replaces edge's set by one with these limits, weights and priorities.
func set(algorithm string, dests ...spec.Destination) *spec.Spec {
	s := edge()
	d := s.Dispatchers[0]
	d.Algorithm, d.Destinations = algorithm, nil
	for i, x := range dests {
		x.Name, x.Listener, x.Range = "d"+string(rune('0'+i)), "core", line(41+i)
		x.Address = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(11 + i)}), 5060)
		d.Destinations = append(d.Destinations, &x)
	}
	return s
}

func TestBackendsByAlgorithm(t *testing.T) {
	type d = spec.Destination
	for _, c := range []struct {
		name     string
		s        *spec.Spec
		resource string
		want     float64
		remedy   string
	}{
		{"even", set("round-robin", d{MaxCPS: 100}, d{MaxCPS: 150}, d{MaxCPS: 200}), "one destination down", 200, "add a destination"},
		{"weights of algorithms that ignore them", set("hash-callid", d{MaxCPS: 100, Weight: 90}, d{MaxCPS: 100, Weight: 10}, d{MaxCPS: 100, Weight: 5}), "one destination down", 200, "add a destination"},
		// With d2 down its 20 fall to d0, the next of it: 100 x 100 / 70. With d0 down
		// d1 takes 80.
		{"weight", set("weight", d{MaxCPS: 100, Weight: 50}, d{MaxCPS: 100, Weight: 30}, d{MaxCPS: 100, Weight: 20}), "one destination down", 125, "add a destination"},
		// d0 with the heavier of the others (30) down takes 50 of 70; d1 with d0 down 30
		// of 50: 60 x 50 / 30.
		{"relative weight", set("relative-weight", d{MaxCPS: 100, Weight: 50}, d{MaxCPS: 100, Weight: 30}, d{MaxCPS: 100, Weight: 20}), "one destination down", 140, "add a destination"},
		{"relative weight, a small one fills", set("relative-weight", d{MaxCPS: 100, Weight: 50}, d{MaxCPS: 60, Weight: 30}, d{MaxCPS: 100, Weight: 20}), "one destination down", 100, "add a destination"},
		{"call-load fills all alike", set("call-load", d{MaxCalls: 10000, MaxCPS: 100}, d{MaxCalls: 30000, MaxCPS: 300}), "one destination down", 100, "add a destination"},
		{"priority: one after the other", set("priority", d{MaxCPS: 300, Priority: 1}, d{MaxCPS: 250, Priority: 0}, d{MaxCPS: 10, Priority: 2}), "one destination down", 250, `raise max_cps of destination "d1" (edge.hcl:42)`},
		{"priority: two in turns", set("priority", d{MaxCPS: 300, Priority: 1}, d{MaxCPS: 250, Priority: 1}, d{MaxCPS: 10, Priority: 2}), "one destination down", 250, "add a destination"},
		{"priority: the second group whole", set("priority", d{MaxCPS: 300}, d{MaxCPS: 130, Priority: 1}, d{MaxCPS: 120, Priority: 1}), "one destination down", 240, `raise max_cps of destination "d2"`},
		{"first", set("first", d{MaxCPS: 300}, d{MaxCPS: 250}, d{MaxCPS: 10}), "one destination down", 250, `raise max_cps of destination "d1"`},
		{"latency: anyone may get all", set("latency", d{MaxCPS: 300}, d{MaxCPS: 250}, d{MaxCPS: 210}), "one destination down", 210, `raise max_cps of destination "d2"`},
		{"parallel: all get all", set("parallel", d{MaxCPS: 300}, d{MaxCPS: 300}), "every call to all", 300, "raise max_cps of the 2 lowest destinations"},
		{"disabled ones carry nothing", set("", d{MaxCPS: 100}, d{MaxCPS: 100}, d{MaxCPS: 100, State: "disabled"}, d{MaxCPS: 1, State: "inactive"}), "one destination down", 100, "add a destination"},
		{"all disabled: as if none were", set("", d{MaxCPS: 100, State: "disabled"}, d{MaxCPS: 100, State: "disabled"}), "one destination down", 100, "add a destination"},
		{"one that takes calls", set("", d{MaxCPS: 100}, d{MaxCPS: 100, State: "disabled"}), "its only destination", 100, "raise max_cps"},
	} {
		got := ceiling(t, Size(c.s, nil), "dispatcher core, "+c.resource, AxisCPS)
		if got.At.Value != c.want || !strings.HasPrefix(got.Remedy, c.remedy) {
			t.Errorf("%s: %v calls/s, remedy %q; want %v, %q", c.name, got.At.Value, got.Remedy, c.want, c.remedy)
		}
	}
}

// Which listener the replies come back through follows the weights; a forked call
// comes back once from each destination.
func TestEgress(t *testing.T) {
	type d = spec.Destination
	for _, c := range []struct {
		name                  string
		algorithm             string
		weights               []int
		wantFirst, wantSecond float64
	}{
		{"even", "round-robin", []int{1, 1, 1, 1}, 0.75, 0.25},
		{"random", "random", []int{1, 1, 1, 1}, 0.75, 0.25},
		{"weight", "weight", []int{10, 20, 30, 40}, 0.6, 0.4},
		{"priority", "priority", []int{1, 1, 1, 1}, 1, 1},
		{"parallel", "parallel", []int{1, 1, 1, 1}, 3, 1},
	} {
		var dests []d
		for _, w := range c.weights {
			dests = append(dests, d{Weight: w})
		}
		s := set(c.algorithm, dests...)
		s.Dispatchers[0].Destinations[3].Listener = "carrier-a"
		e := egressOf(s)
		if math.Abs(e[s.Listeners[1]]-c.wantFirst) > 1e-12 || math.Abs(e[s.Listeners[0]]-c.wantSecond) > 1e-12 {
			t.Errorf("%s: %v through core, %v through carrier-a", c.name, e[s.Listeners[1]], e[s.Listeners[0]])
		}
	}
}

// A set that `next` names is for the calls the first cannot take: it does not
// raise the first one's ceiling, and has its own.
func TestNextAddsNothing(t *testing.T) {
	s := set("round-robin", spec.Destination{MaxCPS: 150}, spec.Destination{MaxCPS: 150})
	more := set("round-robin", spec.Destination{MaxCPS: 500}, spec.Destination{MaxCPS: 500}).Dispatchers[0]
	more.Name = "overflow"
	s.Dispatchers = append(s.Dispatchers, more)
	alone := ceilings(Size(s, nil))
	s.Dispatchers[0].Next = "overflow"
	for k, v := range ceilings(Size(s, nil)) {
		if strings.HasPrefix(k, "dispatcher ") && alone[k] != v {
			t.Errorf("%s went from %v to %v", k, alone[k], v)
		}
	}
}

func TestScopedLimits(t *testing.T) {
	s := edge()
	s.Listeners[0].Share, s.Listeners[1].Share = 1, 0
	s.Listeners[0].Sources = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25"), netip.MustParsePrefix("192.0.2.7/32")}
	s.Limits.Listeners = []*spec.ScopedLimits{{Name: "carrier-a", CPS: 180, ConcurrentCalls: 15000, Range: line(71)}, {Name: "core", CPS: 1, Range: line(72)}}
	b := Size(s, nil)
	if c := ceiling(t, b, "limit of listener carrier-a", AxisCPS); c.At.Value != 180 || c.Remedy != "raise cps in limits of listener carrier-a (edge.hcl:71)" {
		t.Errorf("%v: %s", c.At.Value, c.Remedy)
	}
	if !has(b, "ceiling.limit.listener.carrier-a.cps") || has(b, "ceiling.limit.listener.core.cps") {
		t.Errorf("findings %+v", b.Findings)
	}
	s.Listeners[0].Share, s.Listeners[1].Share = 0.75, 0.25
	if got := ceilings(Size(s, nil)); got["limit of listener carrier-a/cps"] != 240 || got["limit of listener core/cps"] != 4 || got["limit of listener carrier-a/concurrent"] != 20000 {
		t.Errorf("with shares: %v", got)
	}

	s.Listeners[0].Share, s.Listeners[1].Share = 1, 0
	group := func(name string, cps int, p ...string) *spec.ScopedLimits {
		g := &spec.ScopedLimits{Name: name, CPS: cps, Range: line(75)}
		for _, x := range p {
			g.Sources = append(g.Sources, netip.MustParsePrefix(x))
		}
		return g
	}
	for _, c := range []struct {
		name   string
		groups []*spec.ScopedLimits
		want   float64
	}{
		{"all of them", []*spec.ScopedLimits{group("a", 90, "198.51.100.0/24"), group("b", 60, "192.0.2.0/28")}, 150},
		{"one is outside", []*spec.ScopedLimits{group("a", 90, "198.51.100.0/24")}, 0},
		{"one without a limit", []*spec.ScopedLimits{group("a", 90, "198.51.100.0/24"), group("b", 0, "192.0.2.0/28")}, 0},
		{"part of a source", []*spec.ScopedLimits{group("a", 90, "198.51.100.0/26"), group("b", 60, "192.0.2.0/28")}, 0},
	} {
		s.Limits.Carriers = c.groups
		if got := ceilings(Size(s, nil))["limits of all carriers/cps"]; got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	s.Limits.Carriers, s.Limits.Sources = nil, []*spec.ScopedLimits{group("each", 5, "0.0.0.0/0")}
	if got := ceilings(Size(s, nil))["limits of all sources/cps"]; got != 5 {
		t.Errorf("sources: %v", got)
	}
	s.Limits.Sources[0].PerAddress = true
	if got := ceilings(Size(s, nil))["limits of all sources/cps"]; got != 0 {
		t.Errorf("for each address there is no sum: %v", got)
	}
}
