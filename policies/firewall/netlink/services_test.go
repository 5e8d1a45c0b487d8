package netlink

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// servicesLab is a lab with listeners over TCP, media ports, control and metrics.
func servicesLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, func(a *runtime.Appliance) { *a = *appliance(t, "services") })
	l.near.ip("addr add 203.0.113.12/27 dev wan")
	l.near.ip("addr add 10.0.9.10/24 dev wan")
	l.far.ip("addr add 10.0.9.77/24 dev far")
	return l
}

// accept opens a TCP socket inside the namespace and answers every connection
// with one line.
func (s *space) accept(addr string) {
	s.t.Helper()
	var l net.Listener
	if err := s.do(func() (err error) { l, err = net.Listen("tcp", addr); return }); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("welcome\n"))
			_ = c.Close()
		}
	}()
}

// dial reports whether a connection from an address gets its line.
func (s *space) dial(from, to string, wait time.Duration) bool {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	return s.dialUntil(ctx, from, to)
}

func (s *space) dialUntil(ctx context.Context, from, to string) bool {
	var c net.Conn
	err := s.do(func() (err error) {
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(from), 0))}
		c, err = d.DialContext(ctx, "tcp", to)
		return
	})
	if err != nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) })()
	buf := make([]byte, 100)
	n, _ := c.Read(buf)
	return string(buf[:n]) == "welcome\n"
}

func TestWhoConnects(t *testing.T) {
	l := servicesLab(t)
	for _, addr := range []string{"203.0.113.10:5060", "[2001:db8:1::10]:443", "10.0.9.10:8443", "203.0.113.11:9090", "203.0.113.10:22"} {
		l.near.accept(addr)
	}
	tests := []struct {
		name, from, to string
		pass           bool
		counter        string
	}{
		{"source", carrier, "203.0.113.10:5060", true, "sip_carrier-a-tcp_sources"},
		{"peer", peer, "203.0.113.10:5060", true, "sip_carrier-a-tcp_peers"},
		{"stranger", stranger, "203.0.113.10:5060", false, "sip_carrier-a-tcp_outside"},
		{"open to all of a family", stranger6, "[2001:db8:1::10]:443", true, "sip_phones_sources"},
		{"control from its network", "10.0.9.77", "10.0.9.10:8443", true, "svc_control"},
		{"control from elsewhere", carrier, "10.0.9.10:8443", false, "svc_control_outside_v4"},
		{"metrics", core, "203.0.113.11:9090", true, "svc_metrics"},
		{"metrics from elsewhere", carrier, "203.0.113.11:9090", false, "svc_metrics_outside_v4"},
		{"a port nobody named", carrier, "203.0.113.10:22", false, "other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := l.counters()[tt.counter]
			wait := never
			if tt.pass {
				wait = soon
			}
			if got := l.far.dial(tt.from, tt.to, wait); got != tt.pass {
				t.Errorf("connected: %t, want %t", got, tt.pass)
			}
			if n := l.counters()[tt.counter]; n <= before {
				t.Errorf("counter %s stays at %d", tt.counter, n)
			}
		})
	}
}

// New connections of one source are bounded, and those it has go on.
func TestConnectionRate(t *testing.T) {
	l := servicesLab(t)
	l.near.accept("203.0.113.10:5060")
	// The services are planned with five a second: forty at once are too many. Those refused at
	// first get in later, as the kernel asks again.
	const tries = 40
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	through := make(chan bool, tries)
	for range tries {
		go func() { through <- l.far.dialUntil(ctx, carrier, "203.0.113.10:5060") }()
	}
	n, ended := 0, 0
	for ; n < 5 && ended < tries; ended++ {
		if <-through {
			n++
		}
	}
	if n < 5 {
		t.Errorf("%d of %d connections came through, want 5 at least", n, tries)
	}
	l.waitCounter("sip_carrier-a-tcp_over_rate", 1)
	for cancel(); ended < tries; ended++ {
		<-through
	}
	if !l.far.dial(peer, "203.0.113.10:5060", soon) {
		t.Error("a peer was refused: peers are not metered")
	}
}

// What the appliance opens itself is answered.
func TestOwnConnections(t *testing.T) {
	l := servicesLab(t)
	l.far.accept("203.0.113.1:5432")
	if !l.near.dial("203.0.113.11", "203.0.113.1:5432", soon) {
		t.Error("a connection of the appliance to a server got no answer")
	}
}

// Media comes from anywhere, to its ports alone, and leaves no trace in conntrack.
func TestMediaPorts(t *testing.T) {
	l := servicesLab(t)
	for _, tt := range []struct {
		from, to string
		pass     bool
	}{
		{stranger + ":4000", "203.0.113.12:30000", true},
		{stranger + ":4001", "203.0.113.12:59999", true},
		{"[" + stranger6 + "]:4002", "[2001:db8:1::10]:40000", true},
		{stranger + ":4003", "203.0.113.12:29999", false},
		{stranger + ":4004", "203.0.113.12:60000", false},
		{stranger + ":4005", "203.0.113.10:30000", false},
	} {
		server, client := l.near.listen(tt.to), l.far.listen(tt.from)
		if _, err := client.WriteToUDPAddrPort([]byte("rtp"), netip.MustParseAddrPort(tt.to)); err != nil {
			t.Fatal(err)
		}
		wait := never
		if tt.pass {
			wait = soon
		}
		_, from, ok := receive(server, wait)
		if ok != tt.pass {
			t.Errorf("%s -> %s arrived: %t, want %t", tt.from, tt.to, ok, tt.pass)
		}
		if !ok {
			continue
		}
		if _, err := server.WriteToUDPAddrPort([]byte("rtp back"), from); err != nil {
			t.Fatal(err)
		}
		if got, _, ok := receive(client, soon); !ok || !strings.HasPrefix(got, "rtp back") {
			t.Errorf("%s: nothing came back", tt.to)
		}
	}
	if n := l.counters()["established"]; n != 0 {
		t.Errorf("media was tracked: established counts %d", n)
	}
}
