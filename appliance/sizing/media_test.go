package sizing

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/spec"
)

// relays are n remote instances of 20,000 sessions with so many control sockets.
func relays(n, sockets int) *spec.Media {
	m := &spec.Media{PTime: 20 * time.Millisecond, Bitrate: 64000, Range: line(90)}
	for i := range n {
		x := &spec.MediaInstance{Name: "m" + string(rune('1'+i)), Weight: 1, MaxSessions: 20000, Range: line(91 + i)}
		for j := range sockets {
			x.Control = append(x.Control, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 1, byte(1 + i)}), uint16(2223+j)))
		}
		m.Instances = append(m.Instances, x)
	}
	return m
}

func ceiling(t *testing.T, b *Budget, resource, axis string) Ceiling {
	t.Helper()
	for _, c := range b.Ceilings {
		if c.Resource == resource && c.Axis == axis {
			return c
		}
	}
	t.Fatalf("no ceiling of %s (%s) among %v", resource, axis, ceilings(b))
	return Ceiling{}
}

// seeds/003: one control socket holds the full path to 200 to 300 calls/s, and four
// instances of 20,000 sessions carry 60,000 calls with one of them down.
func TestMediaOfTheArticle(t *testing.T) {
	s := edge()
	s.Workload.CPS, s.Workload.ConcurrentCalls = 1000, 60000
	s.Workload.CallDuration, s.Workload.RingTime = 50*time.Second, 8*time.Second
	s.Media = relays(1, 1)
	b := Size(s, nil)
	c := ceiling(t, b, "control sockets of media, its only instance", AxisCPS)
	if c.At.Value != 250 || c.At.Low != 200 || c.At.High != 300 {
		t.Errorf("one control socket: %v (%v to %v)", c.At.Value, c.At.Low, c.At.High)
	}
	if !strings.Contains(c.Remedy, `give media instance "m1" another control socket (edge.hcl:91)`) || !has(b, "ceiling.media.sockets") {
		t.Errorf("remedy %q, findings %+v", c.Remedy, b.Findings)
	}
	if !has(b, "ceiling.media.max_sessions") {
		t.Errorf("20,000 sessions for 60,000 calls and no finding: %+v", b.Findings)
	}
	if got := b.Media.Sockets.Value; got != 4 {
		t.Errorf("control sockets needed = %v", got)
	}

	s.Media = relays(4, 2)
	b = Size(s, nil)
	for id, want := range map[string]float64{"control sockets of media, one instance down/cps": 1500, "sessions of media, one instance down/concurrent": 60000} {
		if got := ceilings(b)[id]; got != want {
			t.Errorf("%s: %v, want %v", id, got, want)
		}
	}
	for _, f := range b.Findings {
		if strings.Contains(f.ID, "media") {
			t.Errorf("four instances carry it: %+v", f)
		}
	}
	if m := b.Media; m.Commands.Value != 3000 || m.Instances[0].Sessions.Value != 20000 || m.Instances[0].Rate.Value != 1000 || m.Instances[0].Ports.Value != 80000 {
		t.Errorf("%+v", m)
	}
	s.Session = spec.Session{Enabled: true, Expires: 30 * time.Minute}
	// 60,000 calls refreshed each 900 s, offer and answer each.
	if got := Size(s, nil).Media.Commands.Value; math.Abs(got-(3000+2*60000/900.0)) > 1e-9 {
		t.Errorf("commands with refreshes = %v", got)
	}
}

func TestMediaWeights(t *testing.T) {
	s := edge()
	s.Media = relays(3, 1)
	for i, w := range []int{2, 1, 1} {
		s.Media.Instances[i].Weight = w
	}
	b := Size(s, nil)
	// 13,600 calls. m1 with one of the small ones down: 2 of 3. A small one with m1
	// down: 1 of 2.
	for i, want := range []float64{9067, 6800, 6800} {
		if got := b.Media.Instances[i].Sessions.Value; got != want {
			t.Errorf("instance %d holds %v, want %v", i, got, want)
		}
	}
	if c := ceiling(t, b, "sessions of media, one instance down", AxisConcurrent); c.At.Value != 30000 || !strings.HasPrefix(c.Remedy, `raise max_sessions of media instance "m1" (edge.hcl:91), or add an instance`) {
		t.Errorf("%v: %s", c.At.Value, c.Remedy)
	}
	s.Media.Instances[1].MaxSessions = 0
	if b = Size(s, nil); !has(b, "media.max_sessions") {
		t.Errorf("a silent instance among others: %+v", b.Findings)
	}
}

// G.711 with 20 ms: 160 bytes of payload and 78 around it, 50 a second from each
// side.
func TestMediaPackets(t *testing.T) {
	s := edge()
	s.Media = relays(1, 1)
	b := Size(s, nil)
	if got, want := b.Media.Bandwidth.Value/b.Media.Sessions.Value, 2*50*8*(160+78.0); math.Abs(got-want) > 1e-6 {
		t.Errorf("a session is %v bit/s, want %v", got, want)
	}
	if got := b.Media.Packets.Value / b.Media.Sessions.Value; got != 100 {
		t.Errorf("a session is %v packets/s", got)
	}
	s.Media.Instances[0].Control[0] = netip.MustParseAddrPort("[2001:db8::31]:2223")
	if got, want := Size(s, nil).Media.Bandwidth.Value/b.Media.Sessions.Value, 2*50*8*(160+98.0); math.Abs(got-want) > 1e-6 {
		t.Errorf("over IPv6 a session is %v bit/s, want %v", got, want)
	}
	if b.Media.CPU.Value != 0 || b.NICs[0].Packets.Value != 1200 {
		t.Errorf("remote relays load the appliance: %v cores, %v packets/s", b.Media.CPU.Value, b.NICs[0].Packets.Value)
	}
}

// Media relayed on the appliance takes its cores, memory and card.
func TestLocalMedia(t *testing.T) {
	s := edge()
	s.Media = relays(1, 1)
	plain := Size(s, nil)
	x := s.Media.Instances[0]
	x.Local, x.Control = true, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:2223")}
	x.Addresses, x.PortFirst, x.PortLast = []netip.Addr{netip.MustParseAddr("203.0.113.10")}, 30000, 59999
	s.Workload.ConcurrentCalls, s.Workload.CallDuration = 1000, time.Second
	s.Workload.CPS = 50
	b := Size(s, nil)
	// 1,000 sessions of 100 packets/s, 12 us each, and 150 commands/s of 200 us.
	if got := b.Media.CPU.Value; math.Abs(got-1.23) > 1e-9 {
		t.Errorf("CPU of media = %v cores", got)
	}
	// 4 cores at 60 % are 2.4; 50 calls/s take 50 x (0.00035 + 3 x 0.0002), which
	// leaves 2,352.5 / 1.2 ms.
	if got := ceiling(t, b, "worker CPU", AxisConcurrent).At.Value; got != 1960 {
		t.Errorf("CPU ceiling of calls held = %v", got)
	}
	// (2.4 - 1.2) / 0.00095.
	if got := ceiling(t, b, "worker CPU", AxisCPS).At.Value; got != 1263 {
		t.Errorf("CPU ceiling of the rate beside media = %v", got)
	}
	if got := ceiling(t, b, "ports of media, its only instance", AxisConcurrent).At.Value; got != 7500 {
		t.Errorf("ports = %v", got)
	}
	// 100,000 packets of media and 300 of signalling received.
	if got := b.NICs[0].Packets.Value; got != 100300 {
		t.Errorf("packets = %v", got)
	}
	if got := ceiling(t, b, "bandwidth of NIC wan", AxisConcurrent).At.Value; got != 4187 { // (800 Mbit/s - 50 x 7 x 7,728 bit) / 190,400 bit/s
		t.Errorf("bandwidth for %v calls", got)
	}
	if !slices.ContainsFunc(b.Memory, func(m MemoryItem) bool { return m.Name == "Media relays" && m.Bytes.Value == 64<<20+1000*81920 }) {
		t.Errorf("memory of relays: %+v", b.Memory)
	}
	// The limit is for the calls that the appliance has rows for, twice, not for all the ports.
	here := b.Media.Instances[0]
	if n := 2 * b.Calls.Value; here.Capacity.Value != n || n >= 7500 || here.MemoryLimit.Value != 64<<20+n*81920 || here.Memory.Value != 64<<20+1000*81920 {
		t.Errorf("capacity %v of %v slots, limit %v, memory %v", here.Capacity.Value, b.Calls.Value, here.MemoryLimit.Value, here.Memory.Value)
	}
	x.MaxSessions = 1200
	if got := Size(s, nil).Media.Instances[0]; got.Capacity.Value != 1200 {
		t.Errorf("capacity %v with a cap of 1,200", got.Capacity.Value)
	}
	x.MaxSessions, x.PortLast = 0, 34399
	if got := Size(s, nil).Media.Instances[0]; got.Capacity.Value != 1100 {
		t.Errorf("capacity %v with ports for 1,100", got.Capacity.Value)
	}
	x.PortLast = 59999
	for _, m := range plain.Memory {
		if m.Name == "Media relays" {
			t.Error("remote relays have no memory here")
		}
	}
	s.Workload.ConcurrentCalls = 5000
	if b = Size(s, nil); !b.Errored() || !has(b, "ceiling.cpu.held") || has(b, "ceiling.cpu") || !has(b, "ceiling.nic.wan.bandwidth.held") {
		t.Errorf("5,000 relayed calls on four cores: %+v", b.Findings)
	}
}
