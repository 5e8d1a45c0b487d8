package sizing

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

// quick is Size without the ends of the figures.
func quick(s *spec.Spec) *Budget { return size(s, DefaultCoefficients(), egressOf(s), false) }

// A ceiling is the point at which the budget breaks: planned up to it a spec still
// fits, planned for one call more it does not. Slots follow the plan, so theirs
// move with it; memory is rounded up to pages, so its ceiling may be a little low.
func TestCeilingsAreWhereTheBudgetBreaks(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	checked := map[string]int{}
	for range rounds / 4 {
		s := random(r)
		// The number of calls held must not follow the rate: each axis alone.
		s.Workload.CallDuration, s.Workload.RingTime = time.Microsecond, 0
		for _, c := range quick(s).Ceilings {
			if strings.Contains(c.Resource, " slots") || c.At.Value < 1 || c.At.Value > 1e9 {
				continue
			}
			at := func(load int) (Ceiling, *Budget) {
				was := s.Workload
				defer func() { s.Workload = was }()
				if c.Axis == AxisCPS {
					s.Workload.CPS = load
				} else {
					s.Workload.ConcurrentCalls = load
				}
				b := quick(s)
				for _, x := range b.Ceilings {
					if x.At.ID == c.At.ID {
						return x, b
					}
				}
				t.Fatalf("%s is gone at %d", c.Resource, load)
				panic("not reached")
			}
			if strings.HasPrefix(c.Resource, "memory, ") {
				// What is below a page or a floor is counted as if it cost: stay a little under.
				if load := int(0.9*c.At.Value) - 1000; c.Headroom > 1 && load > 0 {
					if _, b := at(load); has(b, "memory.exceeded") {
						t.Fatalf("%s: at %d of %v the memory is exceeded", c.Resource, load, c.At.Value)
					}
				}
				continue
			}
			checked[strings.Fields(c.Resource)[0]+" "+c.Axis]++
			if x, _ := at(int(c.At.Value)); x.Headroom < 1-1e-7 { // floats
				t.Fatalf("%s (%s): at its ceiling of %v it has a headroom of %v", c.Resource, c.Axis, c.At.Value, x.Headroom)
			}
			if x, _ := at(int(c.At.Value) + 1 + int(c.At.Value*1e-7)); x.Headroom >= 1 {
				t.Fatalf("%s (%s): above its ceiling of %v it has a headroom of %v", c.Resource, c.Axis, c.At.Value, x.Headroom)
			}
		}
	}
	for _, want := range []string{"worker cps", "worker concurrent", "workers cps", "socket cps", "bandwidth cps", "bandwidth concurrent", "packets cps", "packets concurrent",
		"dispatcher cps", "dispatcher concurrent", "control cps", "max_cps cps", "sessions concurrent", "ports concurrent", "limit cps", "limit concurrent"} {
		if checked[want] == 0 {
			t.Errorf("no ceiling of %q was looked at: %v", want, checked)
		}
	}
}

// Calls held use the CPU as well once sessions are refreshed or media is relayed:
// then the CPU has a ceiling on both axes.
func TestHeldCallsUseTheCPU(t *testing.T) {
	s := edge()
	b := Size(s, nil)
	for _, c := range b.Ceilings {
		if c.Resource == "worker CPU" && c.Axis == AxisConcurrent {
			t.Errorf("nothing refreshes, and calls held use the CPU: %+v", c.At)
		}
	}
	s.Session = spec.Session{Enabled: true, Expires: 30 * time.Minute}
	// 13,600 calls held, refreshed each 900 s: 15.1 a second; three of six datagrams
	// each, so half a call's 0.00035 s.
	more := Size(s, nil)
	if got, want := more.CoresNeeded.Value-b.CoresNeeded.Value, 13600.0/900*0.00035/2/0.6; got < want*0.999 || got > want*1.001 {
		t.Errorf("refreshes need %v cores, want %v", got, want)
	}
	if ceilings(more)["worker CPU/concurrent"] == 0 {
		t.Error("refreshes have no ceiling on the axis of calls held")
	}
}

// Whatever both axes ask for together, one of them is told when it is too much.
func TestTooMuchIsTold(t *testing.T) {
	for _, c := range []struct {
		name      string
		cps, held int
		want      string // the only error
	}{
		{"by rate", 20000, 100, "ceiling.cpu"},
		{"by calls held", 100, 20000, "ceiling.cpu.held"},
		{"each alone, more by rate", 20000, 3000, "ceiling.cpu"},
		{"each alone, more by calls held", 3000, 20000, "ceiling.cpu.held"},
		{"only together", 1500, 1000, "ceiling.cpu"},
	} {
		s := edge()
		s.Media = relays(1, 1)
		x := s.Media.Instances[0]
		x.Local, x.Addresses, x.PortFirst, x.PortLast = true, []netip.Addr{netip.MustParseAddr("203.0.113.10")}, 1024, 65535
		s.Workload.CPS, s.Workload.ConcurrentCalls, s.Workload.CallDuration, s.Workload.RingTime = c.cps, c.held, time.Microsecond, 0
		b := Size(s, nil)
		for _, id := range []string{"ceiling.cpu", "ceiling.cpu.held"} {
			if has(b, id) != (id == c.want) {
				t.Errorf("%s: finding %s is %v", c.name, id, has(b, id))
			}
		}
	}
}
