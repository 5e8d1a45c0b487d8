package sizing

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

func TestCopies(t *testing.T) {
	for stall, want := range map[float64]float64{0.4: 1, 0.5: 1, 1: 1.5, 2: 2, 4: 1 + 3.5/4 + 2.5/4 + 0.5/4} {
		if got := copies(stall); math.Abs(got-want) > 1e-9 {
			t.Errorf("copies(%v) = %v, want %v", stall, got, want)
		}
	}
	// Beyond T2 the gap stays 4 s: the sum must end.
	if got := copies(3600); got < 400 || got > 600 {
		t.Errorf("copies(3600) = %v", got)
	}
}

func TestWorkers(t *testing.T) {
	loop := netip.MustParseAddr("127.0.0.1")
	for _, c := range []struct {
		name  string
		cores int
		edit  func(s *spec.Spec)
		want  []float64
	}{
		// carrier-a receives 1.5 datagrams of a call, core 4.5: requests of half the
		// calls and the replies of all.
		{"one thread", 1, nil, []float64{1, 1}},
		{"by datagrams", 4, nil, []float64{1, 3}},
		{"eight", 8, nil, []float64{2, 6}},
		{"K1 override", 8, func(s *spec.Spec) { s.Listeners[0].Workers = 5 }, []float64{5, 3}},
		{"override takes all", 4, func(s *spec.Spec) { s.Listeners[0].Workers = 4 }, []float64{4, 1}},
		{"K3 loopback", 8, func(s *spec.Spec) { s.Listeners[0].Address = loop }, []float64{1, 7}},
		{"override beats loopback", 8, func(s *spec.Spec) { s.Listeners[0].Address = loop; s.Listeners[0].Workers = 2 }, []float64{2, 6}},
		{"share alone", 4, func(s *spec.Spec) { s.Listeners[0].Share, s.Listeners[1].Share = 1, 0 }, []float64{2, 2}},
	} {
		s := edge()
		s.Hardware.Cores = c.cores
		if c.edit != nil {
			c.edit(s)
		}
		b := Size(s, nil)
		total := 0.0
		for i, l := range b.Listeners {
			total += l.Workers.Value
			if l.Workers.Value != c.want[i] {
				t.Errorf("%s: %s has %v workers, want %v", c.name, l.Listener, l.Workers.Value, c.want[i])
			}
		}
		if b.TotalWorkers.Value != total {
			t.Errorf("%s: total %v, sum %v", c.name, b.TotalWorkers.Value, total)
		}
	}
}

func TestState(t *testing.T) {
	b := Size(edge(), nil)
	// 200 x (2 terms x 30 + 5 + 32) = 19,400; x 1.2 / 0.9 = 25,867; in steps of 1,024.
	if got := b.Transactions.Value; got != 26624 {
		t.Errorf("transactions = %v", got)
	}
	// Ringing calls hold a slot: 200 x 68 = 13,600, more than the 12,000 planned.
	if got := b.CallsHeld.Value; got != 13600 {
		t.Errorf("calls held = %v", got)
	}
	if got := b.OfferedCalls.Value; got != 12000 {
		t.Errorf("offered = %v", got)
	}
	s := edge()
	s.Limits.ConcurrentCalls = 14000
	// 14,000 / 0.9 = 15,556; the limit refuses before the table does.
	if got := Size(s, nil).Calls.Value; got != 16384 || got*0.9 < 14000 {
		t.Errorf("call slots = %v", got)
	}
	s = edge()
	s.Dispatchers[0].Destinations = s.Dispatchers[0].Destinations[:1]
	// Nowhere to go: one term. 200 x 67 x 1.2 / 0.9 = 17,867.
	if got := Size(s, nil).Transactions.Value; got != 18432 {
		t.Errorf("transactions without failover = %v", got)
	}
	s.Routes = []*spec.Route{{Name: "r", To: []string{"core", "overflow"}}}
	if got := Size(s, nil).Transactions.Value; got != 26624 {
		t.Errorf("transactions with a second set = %v", got)
	}
	s = edge()
	s.State.Memory = 256 << 20
	if got := Size(s, nil).SHMTotal.Value; got > 256<<20 || got < 255<<20 {
		t.Errorf("fixed state memory not used: %v", got)
	}
}

func TestPaths(t *testing.T) {
	s := edge()
	s.Hardware.NICs = append(s.Hardware.NICs, &spec.NIC{Name: "lan", Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.1.1/24")}})
	s.Listeners = append(s.Listeners,
		&spec.Listener{Name: "lan", NIC: "lan", Address: netip.MustParseAddr("10.0.0.1")},
		&spec.Listener{Name: "lan2", NIC: "lan", Address: netip.MustParseAddr("10.0.1.1")},
		&spec.Listener{Name: "six", NIC: "lan", Address: netip.MustParseAddr("2001:db8::1")},
		&spec.Listener{Name: "loop", Address: netip.MustParseAddr("127.0.0.1")})
	for _, c := range []struct{ addr, named, want string }{
		{"10.0.0.9:5060", "", "lan"},
		{"10.0.1.9:5060", "", "lan2"},
		{"10.0.0.9:5060", "carrier-a", "carrier-a"},
		{"192.0.2.1:5060", "", "carrier-a"},
		{"[2001:db8:f::1]:5060", "", "six"},
		{"127.0.0.9:5060", "", "loop"},
	} {
		l := NewPaths(s).Listener(&spec.Destination{Address: netip.MustParseAddrPort(c.addr), Listener: c.named})
		if l == nil || l.Name != c.want {
			t.Errorf("%s via %q: %v, want %s", c.addr, c.named, l, c.want)
		}
	}
	s.Listeners = append(s.Listeners,
		&spec.Listener{Name: "tls", NIC: "lan", Address: netip.MustParseAddr("10.0.1.1"), Transport: spec.TransportTLS},
		&spec.Listener{Name: "tls6", NIC: "lan", Address: netip.MustParseAddr("2001:db8::1"), Transport: spec.TransportTLS})
	for _, c := range []struct {
		d    spec.Destination
		want string
	}{
		{spec.Destination{Address: netip.MustParseAddrPort("10.0.0.9:5061"), Transport: spec.TransportTLS}, "tls"},
		{spec.Destination{Address: netip.MustParseAddrPort("[2001:db8:f::1]:5061"), Transport: spec.TransportTLS}, "tls6"},
		{spec.Destination{Address: netip.MustParseAddrPort("10.0.0.9:5060"), Transport: spec.TransportUDP}, "lan"},
		{spec.Destination{Address: netip.MustParseAddrPort("10.0.0.9:5060"), Transport: spec.TransportTCP}, "lan"}, // a mistake of the spec: by network alone
		{spec.Destination{Host: "sip.example.net", Transport: spec.TransportTLS}, "tls"},
		{spec.Destination{Host: "sip.example.net"}, "carrier-a"},
	} {
		if l := NewPaths(s).Listener(&c.d); l == nil || l.Name != c.want {
			t.Errorf("%+v: %v, want %s", c.d, l, c.want)
		}
	}
	s.Listeners = s.Listeners[:2]
	if l := NewPaths(s).Listener(&spec.Destination{Address: netip.MustParseAddrPort("[2001:db8::9]:5060")}); l != nil {
		t.Errorf("an IPv4 listener reaches IPv6: %v", l)
	}
}

func TestFindings(t *testing.T) {
	for _, c := range []struct {
		name     string
		edit     func(s *spec.Spec)
		id       string
		severity string
		at       string
		detail   string // the remedy it must name
	}{
		{"contradiction", func(s *spec.Spec) { s.Workload.ConcurrentCalls = 5000 }, "load.contradiction", SeverityWarning, "edge.hcl:10", "Correct cps, call_duration or concurrent_calls"},
		{"memory", func(s *spec.Spec) { s.Hardware.Memory = 512 << 20 }, "memory.exceeded", SeverityError, "edge.hcl:3", "hardware.memory to 1GiB"},
		{"cpu", func(s *spec.Spec) { s.Workload.CPS, s.Hardware.Cores = 4000, 1 }, "ceiling.cpu", SeverityError, "edge.hcl:4", "hardware.cpu.cores from 1 to 3"},
		{"override above threads", func(s *spec.Spec) { s.Listeners[0].Workers = 64 }, "workers.above-threads", SeverityWarning, "edge.hcl:20", "at most 4"},
		{"override too few", func(s *spec.Spec) { s.Listeners[1].Workers, s.Workload.CPS = 1, 3000 }, "workers.too-few", SeverityWarning, "edge.hcl:30", "workers = 2"},
		{"limit below plan", func(s *spec.Spec) { s.Limits.ConcurrentCalls = 13000 }, "ceiling.limit.concurrent", SeverityWarning, "edge.hcl:70", "raise limits.concurrent_calls"},
		{"cps limit below plan", func(s *spec.Spec) { s.Limits.CPS = 100 }, "ceiling.limit.cps", SeverityWarning, "edge.hcl:70", "raise limits.cps"},
		{"B6 backend", func(s *spec.Spec) { s.Dispatchers[0].Destinations[0].MaxCPS = 150 }, "ceiling.dispatcher.core.cps", SeverityWarning, "edge.hcl:40", "add a destination"},
		{"B6 silent backend", func(s *spec.Spec) { s.Dispatchers[0].Destinations[0].MaxCPS = 500 }, "backend.max_cps.core", SeverityNote, "edge.hcl:40", "State max_cps for each"},
		{"one destination", func(s *spec.Spec) { s.Dispatchers[0].Destinations = s.Dispatchers[0].Destinations[:1] }, "backend.single.core", SeverityNote, "edge.hcl:40", "Add a second"},
		{"state too small", func(s *spec.Spec) { s.State.Memory = 12 << 20 }, "state.memory", SeverityError, "edge.hcl:61", "auto"},
		{"state below worst", func(s *spec.Spec) { s.State.Memory = 64 << 20 }, "state.memory", SeverityWarning, "edge.hcl:61", "auto"},
		{"bandwidth", func(s *spec.Spec) { s.Hardware.NICs[0].SpeedBits = 1e7 }, "ceiling.nic.wan.bandwidth", SeverityError, "edge.hcl:5", "faster card"},
		{"unknown cache", func(s *spec.Spec) { s.Caches = []*spec.Cache{{Name: "k", Range: line(80)}} }, "cache.rows.k", SeverityWarning, "edge.hcl:80", "State rows"},
		{"source rate", func(s *spec.Spec) { s.Firewall = spec.Firewall{SourceRate: 10, Range: line(90)} }, "firewall.source-rate", SeverityWarning, "edge.hcl:90", "source_rate = 1800"},
		{"T1 wait", func(s *spec.Spec) { s.Workload.WorkerWait = time.Millisecond }, "workers.wait", SeverityNote, "edge.hcl:10", "15 workers are planned"},
		{"handshakes", func(s *spec.Spec) {
			s.Listeners[0].Transport, s.Listeners[0].Conns = spec.TransportTLS, &spec.Connections{Max: 50000, Handshake: 10 * time.Second, Range: line(21)}
		}, "listener.handshakes.carrier-a", SeverityWarning, "edge.hcl:21", "take 25 s of every core, but each may take 10 s"},
		{"B10 at once", func(s *spec.Spec) {
			s.State.Persistence = &spec.Persistence{To: "disk", Mode: "at-once", Range: line(63)}
		}, "state.persistence", SeverityNote, "edge.hcl:63", "up to 5 writes/s go to the disk, of 80 changes each"},
		{"B6 weights", func(s *spec.Spec) {
			s.Dispatchers[0].Algorithm = "relative-weight"
			for i, x := range s.Dispatchers[0].Destinations {
				x.MaxCPS, x.Weight = 190+i, 1+i
			}
		}, "ceiling.dispatcher.core.cps", SeverityWarning, "edge.hcl:40", "add a destination"},
		{"scoped limit", func(s *spec.Spec) {
			s.Limits.Listeners = []*spec.ScopedLimits{{Name: "core", CPS: 90, Range: line(71)}}
		}, "ceiling.limit.listener.core.cps", SeverityWarning, "edge.hcl:71", "Ends at 180 calls/s"},
		{"media silent", func(s *spec.Spec) { s.Media = relays(3, 1); s.Media.Instances[2].MaxSessions = 0 }, "media.max_sessions", SeverityNote, "edge.hcl:90", "1 of 3 media instances state no max_sessions"},
		{"relayed here", func(s *spec.Spec) {
			s.Media = relays(1, 1)
			s.Media.Instances[0].Local, s.Media.Instances[0].Addresses = true, []netip.Addr{netip.MustParseAddr("203.0.113.10")}
		}, "ceiling.cpu.held", SeverityError, "edge.hcl:4", "hardware.cpu.cores from 4 to"},
		{"socket", func(s *spec.Spec) {
			s.Workload.CPS, s.Hardware.Cores = 11000, 64
			s.Workload.ConcurrentCalls, s.Workload.CallDuration = 11000, time.Second
		}, "ceiling.listener.core.socket", SeverityError, "edge.hcl:30", "second listener address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := edge()
			c.edit(s)
			b := Size(s, nil)
			for _, f := range b.Findings {
				if f.ID != c.id {
					continue
				}
				if f.Severity != c.severity || f.At != c.at || !strings.Contains(f.Detail, c.detail) {
					t.Fatalf("got %s at %q: %s", f.Severity, f.At, f.Detail)
				}
				if b.Errored() != (c.severity == SeverityError) {
					t.Fatalf("Errored = %v: %+v", b.Errored(), b.Findings)
				}
				return
			}
			t.Fatalf("no finding %s among %+v", c.id, b.Findings)
		})
	}
	if f := Size(edge(), nil).Findings; len(f) != 0 {
		t.Errorf("a sound spec has findings: %+v", f)
	}
}

// B15: what the seed reached after weeks must fit a modest machine on paper.
func TestThousandCPSAtSixtyThousand(t *testing.T) {
	s := edge()
	s.Hardware.Memory, s.Hardware.Cores, s.Hardware.ThreadsPerCore = 16<<30, 8, 2
	s.Hardware.NICs[0].SpeedBits = 1e10
	s.Workload.CPS, s.Workload.ConcurrentCalls = 1000, 60000
	b := Size(s, nil)
	if b.Errored() || len(b.Ceilings) == 0 || b.Ceilings[0].Headroom < 1 {
		t.Fatalf("findings %+v, ceilings %+v", b.Findings, b.Ceilings)
	}
	if b.TotalWorkers.Value != 16 {
		t.Errorf("workers = %v, want one per hardware thread", b.TotalWorkers.Value)
	}
}

func TestUnits(t *testing.T) {
	for v, want := range map[float64]string{0: "0 B", 1023: "1023 B", 1024: "1 KiB", 1536: "1.5 KiB", 4 << 30: "4 GiB", -2048: "-2 KiB"} {
		if got := Bytes(v); got != want {
			t.Errorf("Bytes(%v) = %q, want %q", v, got, want)
		}
	}
	for v, want := range map[float64]string{0: "0", 0.45: "0.45", 2.5: "2.5", 9.999: "10", 999: "999", 1000: "1,000", 13600: "13,600", -1234567: "-1,234,567", -0.001: "0"} {
		if got := Count(v); got != want {
			t.Errorf("Count(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		f           Figure
		value, ends string
	}{
		{Figure{Value: 1234, Low: 1100, High: 1500, Unit: "calls/s"}, "1,234 calls/s", "1,100 to 1,500 calls/s"},
		{Figure{Value: 2 << 30, Low: 1 << 30, High: 3 << 30, Unit: "B"}, "2 GiB", "1 GiB to 3 GiB"},
		{Figure{Value: 1.45e9, Low: 999e3, High: 2e9, Unit: "bit/s"}, "1.5 Gbit/s", "999 kbit/s to 2 Gbit/s"},
		{Figure{Value: 640, Unit: "bit/s"}, "640 bit/s", ""},
		{Figure{Value: 0.5, Low: 0.25, High: 0.5, Unit: "1"}, "0.5", "0.25 to 0.5"},
		{Figure{Value: 4, Low: 4, High: 4, Unit: "cores"}, "4 cores", ""},
		{Figure{Value: 5000.2, Low: 5000.1, High: 5000.3, Unit: "cores"}, "5,000 cores", ""}, // no difference to see
	} {
		if got := c.f.Format(); got != c.value {
			t.Errorf("%+v: %q, want %q", c.f, got, c.value)
		}
		if got := c.f.FormatRange(); got != c.ends {
			t.Errorf("%+v: range %q, want %q", c.f, got, c.ends)
		}
	}
}

// The remedy of a listener's workers must work: a core more goes to the busiest
// listener first.
func TestRemedyOfWorkersWorks(t *testing.T) {
	s := edge()
	for _, l := range s.Listeners {
		old := Size(s, nil)
		var was Ceiling
		for _, c := range old.Ceilings {
			if c.Resource == "workers of listener "+l.Name {
				was = c
			}
		}
		var from, to int
		if _, err := fmt.Sscanf(was.Remedy, "raise hardware.cpu.cores from %d to %d", &from, &to); err != nil {
			t.Fatalf("%q: %v", was.Remedy, err)
		}
		for _, cores := range []int{to - 1, to} {
			more := edge()
			more.Hardware.Cores = cores
			for _, c := range Size(more, nil).Ceilings {
				if c.Resource == was.Resource && (c.At.Value > was.At.Value) != (cores == to) {
					t.Errorf("%s: %v at %d cores, %v at %d", c.Resource, was.At.Value, from, c.At.Value, cores)
				}
			}
		}
	}
}

// A destination goes through the listener on the interface its packets leave by:
// its own network, then the longest route, then the default gateway.
func TestPathsFollowRoutes(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	s := &spec.Spec{
		Hardware: spec.Hardware{
			NICs: []*spec.NIC{
				{Name: "wan", Addresses: []netip.Prefix{prefix("203.0.113.10/27")}, Gateways: []netip.Addr{addr("203.0.113.1")}},
				{Name: "core", Addresses: []netip.Prefix{prefix("10.0.0.10/24")}},
				{Name: "far", Addresses: []netip.Prefix{prefix("10.1.0.10/24")}},
			},
			Routes: []*spec.StaticRoute{
				{Name: "wide", Destination: prefix("10.0.0.0/8"), Via: addr("10.0.0.1"), NIC: "core"},
				{Name: "narrow", Destination: prefix("10.9.0.0/16"), Via: addr("10.1.0.1"), NIC: "far"},
			},
		},
		Listeners: []*spec.Listener{
			{Name: "local", Address: addr("127.0.0.1")},
			{Name: "far", NIC: "far", Address: addr("10.1.0.10")},
			{Name: "core", NIC: "core", Address: addr("10.0.0.10")},
			{Name: "wan", NIC: "wan", Address: addr("203.0.113.10")},
		},
	}
	p := NewPaths(s)
	for to, want := range map[string]string{
		"10.0.0.99": "core", "10.1.0.99": "far", "10.9.1.1": "far", "10.77.0.1": "core", "198.51.100.1": "wan", "127.0.0.9": "local",
	} {
		l := p.Listener(&spec.Destination{Address: netip.AddrPortFrom(addr(to), 5060)})
		if l == nil || l.Name != want {
			t.Errorf("%s goes through %v, want %s", to, l, want)
		}
	}
}

// Steering is planned where one worker cannot carry a listener over UDP, unless the
// spec says otherwise.
func TestSteering(t *testing.T) {
	for _, tt := range []struct {
		name      string
		cps       int
		transport string
		steering  string
		workers   int
		want      bool
	}{
		{"one worker is enough", 200, "udp", spec.SteeringAuto, 0, false},
		{"one is not", 5000, "udp", spec.SteeringAuto, 0, true},
		{"one is not, and steering is off", 5000, "udp", spec.SteeringOff, 0, false},
		{"wanted", 200, "udp", spec.SteeringCallID, 4, true},
		{"of one worker", 200, "udp", spec.SteeringCallID, 1, false},
		{"connections", 5000, "tcp", spec.SteeringAuto, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &spec.Spec{
				Hardware:  spec.Hardware{Cores: 8, ThreadsPerCore: 1, Memory: 64 << 30},
				Workload:  spec.Workload{CPS: tt.cps, ConcurrentCalls: tt.cps * 60, CallDuration: time.Minute, RingTime: 5 * time.Second},
				Listeners: []*spec.Listener{{Name: "a", Address: netip.MustParseAddr("192.0.2.1"), Port: 5060, Transport: tt.transport, Steering: tt.steering, Workers: tt.workers, Share: 1}},
			}
			if got := Size(s, nil).Listeners[0].Steered; got != tt.want {
				t.Errorf("steered: %t, want %t", got, tt.want)
			}
		})
	}
}
