package sizing

import (
	"net/netip"
	"strings"
	"testing"

	"trunkline/appliance/spec"
)

// Whoever does what a remedy says must find the ceiling higher.
func TestRemediesWork(t *testing.T) {
	limited := func(s *spec.Spec) { s.Limits.CPS, s.Limits.ConcurrentCalls = 240, 14000 }
	backend := func(n int) func(*spec.Spec) {
		return func(s *spec.Spec) {
			s.Dispatchers[0].Destinations = s.Dispatchers[0].Destinations[:n]
			for _, d := range s.Dispatchers[0].Destinations {
				d.MaxCPS, d.MaxCalls = 300, 20000
			}
		}
	}
	for _, c := range []struct {
		resource string
		given    func(*spec.Spec)
		remedy   string // as the plan words it
		do       func(*spec.Spec)
	}{
		{"limit of calls/s", limited, "raise limits.cps", func(s *spec.Spec) { s.Limits.CPS++ }},
		{"limit of concurrent calls", limited, "raise limits.concurrent_calls", func(s *spec.Spec) { s.Limits.ConcurrentCalls++ }},
		{"transaction slots, nobody answers", limited, "raise limits.cps", func(s *spec.Spec) { s.Limits.CPS += 50 }},
		{"transaction slots, nobody answers", nil, "raise workload.cps", func(s *spec.Spec) { s.Workload.CPS += 50 }},
		{"transaction slots, usual calls", func(s *spec.Spec) { s.State.Memory = 100 << 20 }, "raise state.memory", func(s *spec.Spec) { s.State.Memory = 101 << 20 }},
		{"call slots", limited, "raise limits.concurrent_calls", func(s *spec.Spec) { s.Limits.ConcurrentCalls += 1000 }},
		{"call slots", nil, "raise workload.concurrent_calls above 13,600", func(s *spec.Spec) { s.Workload.ConcurrentCalls = 14500 }},
		{"worker CPU", nil, "raise hardware.cpu.cores from 4 to 5", func(s *spec.Spec) { s.Hardware.Cores = 5 }},
		{"workers of listener core", func(s *spec.Spec) { s.Listeners[1].Workers = 1 }, "raise workers of listener \"core\" from 1 to 2", func(s *spec.Spec) { s.Listeners[1].Workers = 2 }},
		{"socket of listener carrier-a", nil, "a second listener address", func(s *spec.Spec) {
			more := *s.Listeners[0]
			more.Name, more.Address = "carrier-b", netip.MustParseAddr("203.0.113.12")
			s.Listeners[0].Share, more.Share = 0.25, 0.25
			s.Listeners = append(s.Listeners, &more)
		}},
		{"bandwidth of NIC wan", nil, "a faster card", func(s *spec.Spec) { s.Hardware.NICs[0].SpeedBits *= 10 }},
		{"packets of NIC wan", nil, "raise queues", func(s *spec.Spec) { s.Hardware.NICs[0].Queues++ }},
		{"memory, by rate", nil, "raise hardware.memory", func(s *spec.Spec) { s.Hardware.Memory += 1 << 30 }},
		{"memory, by calls held", nil, "raise hardware.memory", func(s *spec.Spec) { s.Hardware.Memory += 1 << 30 }},
		{"dispatcher core, one destination down", backend(2), "add a destination", func(s *spec.Spec) {
			third := *s.Dispatchers[0].Destinations[0]
			third.Name, third.Address = "fs3", netip.MustParseAddrPort("10.0.0.13:5060")
			s.Dispatchers[0].Destinations = append(s.Dispatchers[0].Destinations, &third)
		}},
		{"dispatcher core, its only destination", backend(1), "raise max_c", func(s *spec.Spec) {
			s.Dispatchers[0].Destinations[0].MaxCPS++
			s.Dispatchers[0].Destinations[0].MaxCalls++
		}},
	} {
		s := edge()
		if c.given != nil {
			c.given(s)
		}
		before := Size(s, nil)
		c.do(s)
		after := ceilings(Size(s, nil))
		found := false
		for _, old := range before.Ceilings {
			if old.Resource != c.resource {
				continue
			}
			found = true
			if !strings.Contains(old.Remedy, c.remedy) {
				t.Errorf("%s: remedy %q, want %q", c.resource, old.Remedy, c.remedy)
			}
			if got := after[old.Resource+"/"+old.Axis]; got <= old.At.Value {
				t.Errorf("%s: %q done, and the ceiling went from %v to %v", c.resource, old.Remedy, old.At.Value, got)
			}
		}
		if !found {
			t.Errorf("no ceiling of %s", c.resource)
		}
	}
}
