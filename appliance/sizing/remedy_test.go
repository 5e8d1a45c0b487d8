package sizing

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

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
	local := func(s *spec.Spec) {
		relaysOf(1)(s)
		x := s.Media.Instances[0]
		x.Local, x.Addresses, x.PortFirst, x.PortLast = true, []netip.Addr{netip.MustParseAddr("203.0.113.10")}, 30000, 59999
		s.Workload.CPS, s.Workload.ConcurrentCalls, s.Workload.CallDuration = 50, 1000, time.Second
		s.Session = spec.Session{Enabled: true, Expires: 30 * time.Minute}
	}
	three := relaysOf(3)
	bond := func(mode string) func(*spec.Spec) {
		return func(s *spec.Spec) { *s = *bonded(mode, 1e9, 1e9) }
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
		{"worker CPU", local, "raise hardware.cpu.cores", func(s *spec.Spec) { s.Hardware.Cores++ }},
		{"bandwidth of NIC wan", local, "a faster card", func(s *spec.Spec) { s.Hardware.NICs[0].SpeedBits *= 2 }},
		{"packets of NIC wan", local, "raise queues of NIC wan from 2 to 3 (edge.hcl:5)", func(s *spec.Spec) { s.Hardware.NICs[0].Queues++ }},
		{"packets of NIC wan", func(s *spec.Spec) { s.Hardware.NICs[0].Queues = 8 }, "raise hardware.cpu.cores: a queue needs a thread", func(s *spec.Spec) { s.Hardware.Cores++ }},
		{"ports of media, its only instance", local, `widen ports of media instance "m1"`, func(s *spec.Spec) { s.Media.Instances[0].PortLast += 400 }},
		{"sessions of media, its only instance", local, `raise max_sessions of media instance "m1"`, func(s *spec.Spec) { s.Media.Instances[0].MaxSessions++ }},
		{"control sockets of media, its only instance", local, `another control socket`, func(s *spec.Spec) {
			x := s.Media.Instances[0]
			x.Control = append(x.Control, x.Control[0])
		}},
		{"control sockets of media, one instance down", three, "add an instance to media", func(s *spec.Spec) { s.Media = relays(4, 1) }},
		{"sessions of media, one instance down", three, "add an instance to media", func(s *spec.Spec) { s.Media = relays(4, 1) }},
		{"max_cps of media, one instance down", three, "add an instance to media", func(s *spec.Spec) { relaysOf(4)(s) }},
		{"bandwidth of bond b0", bond(spec.BondLACP), "add a card to bond b0", func(s *spec.Spec) { *s = *bonded(spec.BondLACP, 1e9, 1e9, 1e9) }},
		{"packets of bond b0", bond(spec.BondLACP), "add a card to bond b0", func(s *spec.Spec) { *s = *bonded(spec.BondLACP, 1e9, 1e9, 1e9) }},
		{"bandwidth of bond b0", bond(spec.BondActiveBackup), "put faster cards into bond b0", func(s *spec.Spec) { *s = *bonded(spec.BondActiveBackup, 1e10, 1e10) }},
		{"limit of listener core", func(s *spec.Spec) {
			s.Limits.Listeners = []*spec.ScopedLimits{{Name: "core", CPS: 100, Range: line(71)}}
		}, "raise cps in limits of listener core",
			func(s *spec.Spec) { s.Limits.Listeners[0].CPS++ }},
		{"workers of listener core", func(s *spec.Spec) { s.Workload.WorkerWait = 2 * time.Millisecond }, "raise hardware.cpu.cores from 4 to 5", func(s *spec.Spec) { s.Hardware.Cores = 5 }},
		{"memory, by calls held", local, "raise hardware.memory", func(s *spec.Spec) { s.Hardware.Memory += 1 << 30 }},
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

// relaysOf gives a spec n relays that state what they take.
func relaysOf(n int) func(*spec.Spec) {
	return func(s *spec.Spec) {
		s.Media = relays(n, 1)
		for _, i := range s.Media.Instances {
			i.MaxCPS = 300
		}
	}
}

// Where the machine is too small, the cores a remedy names are enough for the plan.
func TestCoresOfRemediesAreEnough(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	checked := 0
	for range rounds / 2 {
		s := random(r)
		for _, c := range quick(s).Ceilings {
			var from, to int
			if _, err := fmt.Sscanf(c.Remedy, "raise hardware.cpu.cores from %d to %d", &from, &to); err != nil || c.Headroom >= 1 || to >= 1<<20 {
				continue
			}
			was := s.Hardware.Cores
			s.Hardware.Cores = to
			for _, x := range quick(s).Ceilings {
				if x.At.ID == c.At.ID && x.Headroom < 1 {
					t.Errorf("%s: %q, and its headroom is %v, was %v", c.Resource, c.Remedy, x.Headroom, c.Headroom)
				}
			}
			s.Hardware.Cores = was
			checked++
		}
	}
	if checked < 10 {
		t.Errorf("%d remedies looked at", checked)
	}
}
