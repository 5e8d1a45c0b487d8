package netlink

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	vnl "github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"trunkline/appliance/runtime"
)

const (
	soon  = time.Minute // for what must come
	never = 300 * time.Millisecond
)

// waitCounter waits until a counter of the ruleset is at n or more, which says that the kernel has
// decided: however busy the machine is, what has not arrived then does not arrive any more.
func (l *lab) waitCounter(name string, n uint64) {
	l.t.Helper()
	for end := time.Now().Add(soon); l.counters()[name] < n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			l.t.Fatalf("counter %s is %d, and does not come to %d", name, l.counters()[name], n)
		}
	}
}

// lab is an appliance with its ruleset loaded, and everybody else at the far end
// of a cable.
type lab struct {
	t         *testing.T
	near, far *space
}

func newLab(t *testing.T, edit func(a *runtime.Appliance)) *lab {
	t.Helper()
	l := &lab{t: t, near: newSpace(t), far: newSpace(t)}
	pair(t, l.near, l.far)
	l.near.ip("addr add 203.0.113.10/27 dev wan")
	l.near.ip("addr add 203.0.113.11/27 dev wan")
	l.near.ip("addr add 2001:db8:1::10/64 dev wan nodad")
	l.near.ip("route add default via 203.0.113.1")
	l.near.ip("-6 route add default via 2001:db8:1::1")
	l.far.ip("addr add 203.0.113.1/27 dev far")
	l.far.ip("addr add 2001:db8:1::1/64 dev far nodad")
	for _, a := range []string{carrier, core, peer, stranger} {
		l.far.ip("addr add " + a + "/32 dev lo")
	}
	for _, a := range []string{carrier6, stranger6} {
		l.far.ip("-6 addr add " + a + "/128 dev lo nodad")
	}
	a := appliance(t, "edge")
	if edit != nil {
		edit(a)
	}
	if err := Apply(compile(t, a), l.near.options()); err != nil {
		t.Fatal(err)
	}
	return l
}

const (
	carrier   = "198.51.100.20" // a source of carrier-a
	core      = "10.0.0.99"     // a source of core
	peer      = "10.0.0.11"     // a destination behind core
	stranger  = "192.0.2.66"
	carrier6  = "2001:db8:100::5"
	stranger6 = "2001:db8:300::5"
)

func (l *lab) counters() map[string]uint64 {
	l.t.Helper()
	c, err := Counters(l.near.options())
	if err != nil {
		l.t.Fatal(err)
	}
	return c
}

func TestWhoReachesAListener(t *testing.T) {
	l := newLab(t, nil)
	tests := []struct {
		name, from, to string
		pass           bool
		counter        string
	}{
		{"source", carrier + ":5060", "203.0.113.10:5060", true, "sip_carrier-a_sources"},
		{"stranger", stranger + ":5060", "203.0.113.10:5060", false, "sip_carrier-a_outside"},
		{"source of another listener", core + ":5060", "203.0.113.10:5060", false, "sip_carrier-a_outside"},
		{"peer", peer + ":5060", "203.0.113.11:5060", true, "sip_core_peers"},
		{"another port", carrier + ":5060", "203.0.113.10:5061", false, "other"},
		{"source, IPv6", "[" + carrier6 + "]:5060", "[2001:db8:1::10]:5060", true, "sip_carrier.v6_sources"},
		{"stranger, IPv6", "[" + stranger6 + "]:5060", "[2001:db8:1::10]:5060", false, "sip_carrier.v6_outside"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			to := netip.MustParseAddrPort(tt.to)
			server, client := l.near.listen(tt.to), l.far.listen(tt.from)
			defer server.Close()
			defer client.Close()
			before := l.counters()[tt.counter]
			if _, err := client.WriteToUDPAddrPort([]byte("hello"), to); err != nil {
				t.Fatal(err)
			}
			l.waitCounter(tt.counter, before+1)
			wait := never
			if tt.pass {
				wait = soon
			}
			_, from, ok := receive(server, wait)
			if ok != tt.pass {
				t.Fatalf("arrived: %t, want %t", ok, tt.pass)
			}
			if n := l.counters()[tt.counter]; n != before+1 {
				t.Errorf("counter %s went from %d to %d", tt.counter, before, n)
			}
			if !tt.pass {
				return
			}
			if _, err := server.WriteToUDPAddrPort([]byte("hello yourself"), from); err != nil {
				t.Fatal(err)
			}
			if got, _, ok := receive(client, soon); !ok || got != "hello yourself" {
				t.Errorf("the answer did not arrive: %q", got)
			}
		})
	}
}

// A stranger learns nothing, not even that a port is closed.
func TestStrangerGetsNoICMP(t *testing.T) {
	l := newLab(t, nil)
	for _, tt := range []struct{ from, to string }{
		{stranger, "203.0.113.10:5060"}, {stranger, "203.0.113.10:9"},
		{"[" + stranger6 + "]", "[2001:db8:1::10]:5060"},
	} {
		c := l.far.listen(tt.from + ":0")
		// Only a connected socket hears of port unreachable.
		if err := connect(c, netip.MustParseAddrPort(tt.to)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("anybody?")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		c.SetReadDeadline(time.Now().Add(never))
		if _, err := c.Read(buf); errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s -> %s: got ICMP port unreachable", tt.from, tt.to)
		}
	}
	for _, tt := range []struct {
		from, to string
		pass     bool
	}{
		{stranger, "203.0.113.10", false}, {stranger6, "2001:db8:1::10", false},
		{carrier, "203.0.113.10", true}, {carrier6, "2001:db8:1::10", true},
	} {
		if got := l.ping(tt.from, tt.to); got != tt.pass {
			t.Errorf("ping %s -> %s answered: %t, want %t", tt.from, tt.to, got, tt.pass)
		}
	}
}

// A flood loses all but its burst, a peer's does not, and others are not harmed.
func TestRateMeter(t *testing.T) {
	const burst, flood = 50, 500
	l := newLab(t, func(a *runtime.Appliance) { a.Firewall.SourceRate, a.Firewall.SourceBurst = 1, burst })
	to := netip.MustParseAddrPort("203.0.113.11:5060")
	server := l.near.listen(to.String())
	if err := server.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	count := func(from string) int {
		c := l.far.listen(from + ":5060")
		defer c.Close()
		over := l.counters()["sip_core_over_rate"]
		for range flood {
			if _, err := c.WriteToUDPAddrPort([]byte("INVITE"), to); err != nil {
				t.Fatal(err)
			}
		}
		// Each packet arrives, or is counted as one too many.
		n := 0
		for end := time.Now().Add(soon); n+int(l.counters()["sip_core_over_rate"]-over) < flood; {
			if _, _, ok := receive(server, never/10); ok {
				n++
			} else if time.Now().After(end) {
				t.Fatalf("of %d packets of %s %d arrived, and %d were over the rate", flood, from, n, l.counters()["sip_core_over_rate"]-over)
			}
		}
		return n
	}
	// The rate of one a second lets a few more in while the test runs.
	began := time.Now()
	if n := count(core); n < burst || n > burst+2+int(time.Since(began).Seconds()) {
		t.Errorf("%d of %d packets of one source arrived, want its burst of %d", n, flood, burst)
	}
	if n := count("10.0.0.11"); n != flood {
		t.Errorf("%d of %d packets of a peer arrived", n, flood)
	}
	l.far.ip("addr add 10.0.0.98/32 dev lo")
	if n := count("10.0.0.98"); n < burst {
		t.Errorf("%d packets of another source arrived, want at least its burst of %d", n, burst)
	}
	if n := l.counters()["sip_core_over_rate"]; n < 2*(flood-burst)-2*2-uint64(time.Since(began).Seconds()) {
		t.Errorf("counter over_rate is %d", n)
	}
}

// A SIP message beyond the MTU arrives whole, both families.
func TestFragments(t *testing.T) {
	l := newLab(t, nil)
	message := strings.Repeat("sip ", 1500)
	for _, tt := range []struct{ from, to, counter string }{
		{carrier + ":5060", "203.0.113.10:5060", "sip_carrier-a_sources"},
		{"[" + carrier6 + "]:5060", "[2001:db8:1::10]:5060", "sip_carrier.v6_sources"},
	} {
		server, client := l.near.listen(tt.to), l.far.listen(tt.from)
		if _, err := client.WriteToUDPAddrPort([]byte(message), netip.MustParseAddrPort(tt.to)); err != nil {
			t.Fatal(err)
		}
		if got, _, ok := receive(server, soon); !ok || got != message {
			t.Errorf("%s: %d of %d bytes arrived", tt.to, len(got), len(message))
		}
		if n := l.counters()[tt.counter]; n != 1 {
			t.Errorf("%s counted %d packets: fragments were not put together first", tt.counter, n)
		}
	}
}

// SIP leaves no trace in conntrack, whichever side speaks first; other traffic
// the appliance starts gets its answers.
func TestTracking(t *testing.T) {
	l := newLab(t, nil)
	sip, far := l.near.listen("203.0.113.11:5060"), l.far.listen(peer+":5060")
	if _, err := sip.WriteToUDPAddrPort([]byte("OPTIONS"), netip.MustParseAddrPort(peer+":5060")); err != nil {
		t.Fatal(err)
	}
	if _, from, ok := receive(far, soon); !ok || from.Port() != 5060 {
		t.Fatal("the probe did not arrive")
	}
	if _, err := far.WriteToUDPAddrPort([]byte("200"), netip.MustParseAddrPort("203.0.113.11:5060")); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := receive(sip, soon); !ok {
		t.Fatal("the answer to the probe did not arrive")
	}
	if n := l.counters()["established"]; n != 0 {
		t.Errorf("SIP was tracked: established counts %d", n)
	}

	query, server := l.near.listen("203.0.113.10:40000"), l.far.listen("203.0.113.1:123")
	if _, err := query.WriteToUDPAddrPort([]byte("time?"), netip.MustParseAddrPort("203.0.113.1:123")); err != nil {
		t.Fatal(err)
	}
	_, from, ok := receive(server, soon)
	if !ok {
		t.Fatal("the query did not arrive")
	}
	if _, err := server.WriteToUDPAddrPort([]byte("noon"), from); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := receive(query, soon); !ok {
		t.Error("the answer to a tracked query was dropped")
	}
}

// A packet from outside that claims to be from the appliance itself, which is
// among the sources, is dropped.
func TestSpoofedSource(t *testing.T) {
	l := newLab(t, func(a *runtime.Appliance) {
		a.Listeners[0].Sources = append(a.Listeners[0].Sources, netip.MustParsePrefix("203.0.113.0/27"))
	})
	// The kernel drops such packets itself unless it is told that they are fine.
	l.near.run("", "sysctl", "-q", "-w", "net.ipv4.conf.all.accept_local=1", "net.ipv4.conf.wan.accept_local=1",
		"net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.wan.rp_filter=0")
	l.far.ip("addr add 203.0.113.11/32 dev lo")
	l.far.ip("neigh replace 203.0.113.10 lladdr " + l.mac() + " dev far")
	server, client := l.near.listen("203.0.113.10:5060"), l.far.listen("203.0.113.11:5060")
	if _, err := client.WriteToUDPAddrPort([]byte("it is me"), netip.MustParseAddrPort("203.0.113.10:5060")); err != nil {
		t.Fatal(err)
	}
	l.waitCounter("spoofed", 1)
	if _, _, ok := receive(server, never); ok {
		t.Error("a spoofed packet arrived")
	}
	if n := l.counters()["spoofed"]; n != 1 {
		t.Errorf("counter spoofed is %d", n)
	}
	// The same source over loopback is the appliance indeed.
	own := l.near.listen("203.0.113.11:5062")
	if _, err := own.WriteToUDPAddrPort([]byte("self"), netip.MustParseAddrPort("203.0.113.10:5060")); err != nil {
		t.Fatal(err)
	}
	if _, _, ok := receive(server, soon); !ok {
		t.Error("a packet over loopback was dropped")
	}
}

func (l *lab) mac() string {
	l.t.Helper()
	var mac string
	err := l.near.do(func() error {
		link, err := vnl.LinkByName("wan")
		if err == nil {
			mac = link.Attrs().HardwareAddr.String()
		}
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return mac
}

// ping sends one echo request and reports whether a reply came.
func (l *lab) ping(from, to string) bool {
	l.t.Helper()
	network, proto := "ip4:icmp", 1
	var request, reply icmp.Type = ipv4.ICMPTypeEcho, ipv4.ICMPTypeEchoReply
	var pseudo []byte // the header ICMPv6 has in its checksum
	wait := never
	if netip.MustParseAddr(from).Is6() {
		network, proto, request, reply = "ip6:ipv6-icmp", 58, ipv6.ICMPTypeEchoRequest, ipv6.ICMPTypeEchoReply
		pseudo = icmp.IPv6PseudoHeader(net.ParseIP(from), net.ParseIP(to))
	}
	var c *icmp.PacketConn
	if err := l.far.do(func() (err error) { c, err = icmp.ListenPacket(network, from); return }); err != nil {
		l.t.Fatal(err)
	}
	defer c.Close()
	m := icmp.Message{Type: request, Body: &icmp.Echo{ID: 1, Seq: 1, Data: []byte("trunkline")}}
	b, err := m.Marshal(pseudo)
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := c.WriteTo(b, &net.IPAddr{IP: net.ParseIP(to)}); err != nil {
		l.t.Fatal(err)
	}
	if l.known(from) {
		wait = soon
	}
	c.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 1500)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return false
		}
		if m, err := icmp.ParseMessage(proto, buf[:n]); err == nil && m.Type == reply {
			return true
		}
	}
}

// known reports whether an answer is worth waiting for.
func (l *lab) known(from string) bool { return from != stranger && from != stranger6 }
