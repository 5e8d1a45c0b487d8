package sizing

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/spec"
)

func line(n int) hcl.Range {
	return hcl.Range{Filename: "some/dir/edge.hcl", Start: hcl.Pos{Line: n, Column: 1}, End: hcl.Pos{Line: n, Column: 2}}
}

// edge is a spec like the example's, in which a test changes one thing.
func edge() *spec.Spec {
	return &spec.Spec{
		FormatVersion: 1,
		Digest:        "sha256:00",
		Appliance:     spec.Appliance{Name: "edge", Range: line(1)},
		Hardware: spec.Hardware{
			Platform: spec.PlatformVM, Memory: 4 << 30, Cores: 4, ThreadsPerCore: 1,
			NICs: []*spec.NIC{{
				Name: "wan", SpeedBits: 1e9, Queues: 2, MTU: 1500, Range: line(5),
				Addresses: []netip.Prefix{netip.MustParsePrefix("203.0.113.10/27"), netip.MustParsePrefix("203.0.113.11/27")},
			}},
			Range: line(2), MemoryRange: line(3), CPURange: line(4),
		},
		Workload: spec.Workload{CPS: 200, ConcurrentCalls: 12000, CallDuration: time.Minute, RingTime: 8 * time.Second, Range: line(10)},
		Listeners: []*spec.Listener{
			{Name: "carrier-a", NIC: "wan", Address: netip.MustParseAddr("203.0.113.10"), Port: 5060, Transport: "udp", Share: 0.5, Range: line(20)},
			{Name: "core", NIC: "wan", Address: netip.MustParseAddr("203.0.113.11"), Port: 5060, Transport: "udp", Share: 0.5, Range: line(30)},
		},
		Dispatchers: []*spec.Dispatcher{{
			Name: "core", ID: 1, Failover: spec.Failover{OnTimeout: true}, Range: line(40),
			Destinations: []*spec.Destination{
				{Name: "fs1", Address: netip.MustParseAddrPort("10.0.0.11:5060"), Listener: "core", Range: line(41)},
				{Name: "fs2", Address: netip.MustParseAddrPort("10.0.0.12:5060"), Listener: "core", Range: line(42)},
			},
		}},
		Transaction: spec.Transaction{ReplyTimeout: 5 * time.Second, InviteTimeout: 30 * time.Second, Wait: 5 * time.Second, CallLifetime: 30 * time.Minute, Range: line(50)},
		State:       spec.State{HighWater: 0.9, Range: line(60), MemoryRange: line(61)},
		Limits:      spec.Limits{Range: line(70)},
		Firewall:    spec.Firewall{Enabled: true},
	}
}

// random is a spec within the loader's bounds.
func random(r *rand.Rand) *spec.Spec {
	s := edge()
	s.Hardware.Memory = uint64(1+r.IntN(256)) << 30
	s.Hardware.Cores, s.Hardware.ThreadsPerCore = 1+r.IntN(64), 1+r.IntN(2)
	s.Hardware.NICs[0].SpeedBits = uint64(1+r.IntN(100)) * 1e8
	s.Hardware.NICs[0].Queues = 1 + r.IntN(16)
	s.Workload = spec.Workload{CPS: 1 + r.IntN(5000), ConcurrentCalls: 1 + r.IntN(200000),
		CallDuration: time.Duration(1+r.IntN(600)) * time.Second, RingTime: time.Duration(r.IntN(30)) * time.Second, Range: line(10)}
	s.Listeners = nil
	n := 1 + r.IntN(6)
	for i := range n {
		l := &spec.Listener{Name: fmt.Sprintf("l%d", i), NIC: "wan", Address: netip.AddrFrom4([4]byte{203, 0, 113, byte(10 + i)}),
			Port: 5060, Transport: "udp", Share: 1 / float64(n), Range: line(20 + i)}
		switch r.IntN(5) {
		case 0:
			l.Address, l.NIC = netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + i)}), ""
		case 1:
			l.Workers = 1 + r.IntN(8)
		}
		s.Listeners = append(s.Listeners, l)
	}
	s.Dispatchers[0].Destinations = nil
	for i := range 1 + r.IntN(4) {
		s.Dispatchers[0].Destinations = append(s.Dispatchers[0].Destinations, &spec.Destination{
			Name: fmt.Sprintf("d%d", i), Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(1 + i)}), 5060),
			Listener: s.Listeners[r.IntN(n)].Name, MaxCPS: r.IntN(3000), MaxCalls: r.IntN(100000)})
	}
	if r.IntN(2) == 0 {
		s.Limits.CPS, s.Limits.ConcurrentCalls = 1+r.IntN(6000), 1+r.IntN(200000)
	}
	s.Transaction.InviteTimeout = time.Duration(1+r.IntN(300)) * time.Second
	s.Transaction.Wait = time.Duration(1+r.IntN(30)) * time.Second
	s.State.HighWater = 0.5 + r.Float64()/2
	randomServices(r, s)
	return s
}

// randomServices adds, each in half of the specs, what a spec may have beside
// UDP listeners and one card.
func randomServices(r *rand.Rand, s *spec.Spec) {
	maybe := func(f func()) {
		if r.IntN(2) == 0 {
			f()
		}
	}
	maybe(func() { s.Session = spec.Session{Enabled: true, Expires: time.Duration(90+r.IntN(3600)) * time.Second} })
	maybe(func() { s.Media = randomMedia(r) })
	maybe(func() { s.Limits.Emergency = &spec.Emergency{Reserve: 1 + r.IntN(10000), Range: line(49)} })
	maybe(func() {
		s.Databases = []*spec.Database{
			{Name: "routing", Engine: spec.EnginePostgres, Pools: []string{"cache carriers", "calls"}[:1+r.IntN(2)], Pool: 1 + r.IntN(20), MaxConnections: r.IntN(200), Appliances: 1 + r.IntN(8), Range: line(100)},
			{Name: "panel", Engine: spec.EngineSQLite, Pools: []string{"sockets"}, Pool: 2, Range: line(101)},
		}
	})
	maybe(func() {
		s.Sockets = &spec.Sockets{Database: "panel", Workers: 1 + r.IntN(16), MaxSockets: 1 + r.IntN(200), Range: line(110)}
	})
	maybe(func() {
		for _, l := range s.Listeners {
			l.Transport = []string{spec.TransportUDP, spec.TransportTCP, spec.TransportTLS, spec.TransportWSS}[r.IntN(4)]
			if l.Stream() {
				l.Conns = &spec.Connections{Max: 1 + r.IntN(20000), Handshake: 10 * time.Second, Range: l.Range}
			}
		}
	})
	maybe(func() { s.State.HugePages = []uint64{2 << 20, 1 << 30}[r.IntN(2)] })
	maybe(func() {
		s.State.Persistence = &spec.Persistence{To: "disk", Mode: []string{"delayed", "at-once"}[r.IntN(2)], Interval: time.Duration(1+r.IntN(60)) * time.Second, Range: line(62)}
	})
	maybe(func() { s.Workload.WorkerWait = time.Duration(r.IntN(5000)) * time.Microsecond })
	maybe(func() {
		s.Limits.Listeners = []*spec.ScopedLimits{{Name: "l0", CPS: r.IntN(4000), ConcurrentCalls: r.IntN(100000), Range: line(71)}}
	})
	maybe(func() { randomNetwork(r, s) })
	maybe(func() {
		d := s.Dispatchers[0]
		d.Algorithm = []string{"weight", "relative-weight", "call-load", "priority", "latency", "parallel", "first"}[r.IntN(7)]
		for _, x := range d.Destinations {
			x.Weight, x.Priority, x.State = 1+r.IntN(100), r.IntN(3), []string{"", "active", "disabled", "inactive"}[r.IntN(4)]
		}
	})
}

func randomMedia(r *rand.Rand) *spec.Media {
	m := &spec.Media{PTime: time.Duration(10+r.IntN(50)) * time.Millisecond, Bitrate: uint64(5+r.IntN(500)) * 1000, Range: line(90)}
	for i := range 1 + r.IntN(5) {
		x := &spec.MediaInstance{Name: fmt.Sprintf("m%d", i), Weight: 1 + r.IntN(10), MaxSessions: r.IntN(50000), MaxCPS: r.IntN(2000), Range: line(91 + i)}
		for j := range 1 + r.IntN(4) {
			x.Control = append(x.Control, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(1 + i)}), uint16(2223+j)))
		}
		if i == 0 && r.IntN(2) == 0 {
			x.Local, x.Addresses, x.PortFirst, x.PortLast = true, []netip.Addr{netip.MustParseAddr("203.0.113.10")}, 20000, 20003+4*r.IntN(10000)
		}
		m.Instances = append(m.Instances, x)
	}
	return m
}

// randomNetwork puts the first NIC of the spec on a bond's VLAN and adds a
// management card.
func randomNetwork(r *rand.Rand, s *spec.Spec) {
	wan := s.Hardware.NICs[0]
	card := func(name string) *spec.NIC {
		return &spec.NIC{Name: name, Kind: spec.KindEthernet, SpeedBits: wan.SpeedBits, Queues: 1 + r.IntN(8), Range: line(6)}
	}
	vlan := *wan
	vlan.Kind, vlan.Parent, vlan.VLAN, vlan.Queues, vlan.SpeedBits = spec.KindVLAN, "b0", 100, 1, 0
	s.Hardware.NICs = []*spec.NIC{card("c0"), card("c1"),
		{Name: "mgmt", Kind: spec.KindEthernet, Management: true, Queues: 4, Range: line(7)},
		{Name: "b0", Kind: spec.KindBond, Members: []string{"c0", "c1"}, Mode: []string{spec.BondLACP, spec.BondActiveBackup}[r.IntN(2)], Range: line(8)}, &vlan}
}
