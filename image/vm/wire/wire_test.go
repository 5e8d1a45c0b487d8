package wire

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

const (
	// patience is how long something that comes may take; silence is how long
	// nothing must come.
	patience = time.Minute
	silence  = 200 * time.Millisecond
)

func newWire(t *testing.T) *Wire {
	t.Helper()
	w, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func udpAddr(s string) *net.UDPAddr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func listen(t *testing.T, w *Wire, at string) net.PacketConn {
	t.Helper()
	c, err := w.ListenPacket(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange sends a payload to an echo and checks what comes back, and from where.
func exchange(t *testing.T, c net.PacketConn, to string, payload []byte) {
	t.Helper()
	if _, err := c.WriteTo(payload, udpAddr(to)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1<<16)
	c.SetReadDeadline(time.Now().Add(patience))
	n, from, err := c.ReadFrom(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b[:n], payload) || from.String() != to {
		t.Errorf("%d bytes from %s, want %d from %s", n, from, len(payload), to)
	}
}

func TestAgentsReachTheGuest(t *testing.T) {
	for _, tt := range []struct{ name, guest, prefix, gateway, near, far string }{
		{"IPv4", "203.0.113.10:5060", "203.0.113.10/27", "203.0.113.1", "203.0.113.20:5060", "198.51.100.1:5060"},
		{"IPv6", "[2001:db8::10]:5060", "2001:db8::10/64", "2001:db8::1", "[2001:db8::20]:5060", "[2001:db8:1::1]:5060"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire(t)
			newGuest(t, w, []string{tt.prefix}, []string{tt.gateway}).echo(tt.guest)
			for _, from := range []string{tt.near, tt.far} {
				c := listen(t, w, from)
				for _, size := range []int{1, 1472, 1473, 9000, 60000} { // the larger ones in fragments
					exchange(t, c, tt.guest, bytes.Repeat([]byte{byte(size)}, size))
				}
			}
		})
	}
}

func TestGuestReachesAgentsOnly(t *testing.T) {
	w := newWire(t)
	g := newGuest(t, w, []string{"203.0.113.10/27"}, []string{"203.0.113.1"})
	c := g.listen("203.0.113.10:5060")
	// A real socket of the host that must never hear from the guest.
	host, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	agent := listen(t, w, "10.0.0.11:5060")
	for _, to := range []string{host.LocalAddr().String(), "10.0.0.12:5060", "203.0.113.3:5060", "10.0.0.11:5060"} {
		_, _ = c.WriteTo([]byte(to), udpAddr(to)) // loopback is refused by the guest itself
	}
	b := make([]byte, 100)
	agent.SetReadDeadline(time.Now().Add(patience))
	n, from, err := agent.ReadFrom(b)
	if err != nil || string(b[:n]) != "10.0.0.11:5060" || from.String() != "203.0.113.10:5060" {
		t.Fatalf("agent got %q from %v, %v", b[:n], from, err)
	}
	// Everything before it has been handled: what nobody owns stays silent.
	for name, sock := range map[string]net.PacketConn{"host": host, "guest": c} {
		sock.SetReadDeadline(time.Now().Add(silence))
		if n, from, err := sock.ReadFrom(b); err == nil {
			t.Errorf("%s got %q from %v", name, b[:n], from)
		}
	}
	if err := agent.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := agent.ReadFrom(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("reading a closed socket: %v", err)
	}
}

func TestForward(t *testing.T) {
	w := newWire(t)
	g := newGuest(t, w, []string{"203.0.113.10/27"}, []string{"203.0.113.1"})
	guest := g.listen("203.0.113.10:5060")
	at, err := w.Forward(netip.MustParseAddrPort("127.0.0.1:0"), netip.MustParseAddrPort("203.0.113.10:5060"), netip.MustParseAddr("198.51.100.1"))
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	for i := range 3 { // several clients, each with its own mapping
		c, err := net.Dial("udp", at.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
		guest.SetReadDeadline(time.Now().Add(patience))
		_, from, err := guest.ReadFrom(b)
		if err != nil {
			t.Fatal(err)
		}
		port := c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
		if want := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.1"), port); from.String() != want.String() {
			t.Errorf("client %d seems to come from %s, want %s", i, from, want)
		}
		if _, err := guest.WriteTo([]byte{byte(i), 'r'}, from); err != nil {
			t.Fatal(err)
		}
		c.SetReadDeadline(time.Now().Add(patience))
		n, err := c.Read(b)
		if err != nil || !bytes.Equal(b[:n], []byte{byte(i), 'r'}) {
			t.Errorf("client %d got %v, %v", i, b[:n], err)
		}
	}
}

func TestMap(t *testing.T) {
	w := newWire(t)
	g := newGuest(t, w, []string{"203.0.113.10/27"}, []string{"203.0.113.1"})
	host, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	if err := w.Map(netip.MustParseAddrPort("10.0.0.11:5060"), host.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 100)
		n, from, err := host.ReadFrom(b)
		if err == nil {
			_, _ = host.WriteTo(b[:n], from)
		}
	}()
	exchange(t, g.listen("203.0.113.10:5060"), "10.0.0.11:5060", []byte("hello"))
}

func TestSwitchTakesTheOwnersPort(t *testing.T) {
	w := newWire(t)
	newGuest(t, w, []string{"203.0.113.10/27"}, []string{"203.0.113.1"}).echo("203.0.113.10:5060")
	newGuest(t, w, []string{"10.0.0.2/24"}, []string{"10.0.0.1"}).echo("10.0.0.2:5060")
	c := listen(t, w, "198.51.100.1:5060")
	exchange(t, c, "203.0.113.10:5060", []byte("wan"))
	exchange(t, c, "10.0.0.2:5060", []byte("core"))
}

func TestResolution(t *testing.T) {
	w := newWire(t)
	p, err := w.Port(guestMAC, []netip.Prefix{netip.MustParsePrefix("203.0.113.10/27"), netip.MustParsePrefix("2001:db8::10/64")})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(sender, target string) []byte {
		q := make([]byte, header.ARPSize)
		a := header.ARP(q)
		a.SetIPv4OverEthernet()
		a.SetOp(header.ARPRequest)
		copy(a.HardwareAddressSender(), guestMAC)
		copy(a.ProtocolAddressSender(), netip.MustParseAddr(sender).AsSlice())
		copy(a.ProtocolAddressTarget(), netip.MustParseAddr(target).AsSlice())
		return p.arpReply(q)
	}
	for _, tt := range []struct {
		what, sender, target string
		answered             bool
	}{
		{"gateway", "203.0.113.10", "203.0.113.1", true},
		{"peer", "203.0.113.10", "203.0.113.7", true},
		{"conflict probe", "0.0.0.0", "203.0.113.10", false},
		{"announcement", "203.0.113.10", "203.0.113.10", false},
		{"the guest's own", "203.0.113.1", "203.0.113.10", false},
	} {
		if got := ask(tt.sender, tt.target) != nil; got != tt.answered {
			t.Errorf("%s: answered %v, want %v", tt.what, got, tt.answered)
		}
	}
	if p.arpReply([]byte("short")) != nil {
		t.Error("a truncated request was answered")
	}
}

func TestRefusals(t *testing.T) {
	w := newWire(t)
	newGuest(t, w, []string{"203.0.113.10/27"}, nil)
	ap, a := netip.MustParseAddrPort, netip.MustParseAddr
	check := func(err error, want string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	_, err := w.Forward(ap("192.0.2.1:5060"), ap("203.0.113.10:5060"), a("198.51.100.1"))
	check(err, "only loopback")
	_, err = w.Forward(ap("127.0.0.1:0"), ap("203.0.113.11:5060"), a("198.51.100.1"))
	check(err, "no NIC of the guest")
	check(w.Map(ap("10.0.0.11:5060"), ap("192.0.2.1:5060")), "only loopback")
	_, err = w.ListenPacket(ap("203.0.113.10:5060"))
	check(err, "guest's own")
	_, err = w.ListenPacket(ap("0.0.0.0:5060"))
	check(err, "cannot be a host's address")
	_, err = w.Port(nil, nil)
	check(err, "not an Ethernet address")
	w.Close()
	_, err = w.ListenPacket(ap("10.0.0.11:5060"))
	check(err, "closed")
}

// FuzzFrame feeds frames a guest might send; none may panic or be answered to
// an address outside the wire.
func FuzzFrame(f *testing.F) {
	w, err := New()
	if err != nil {
		f.Fatal(err)
	}
	defer w.Close()
	p, err := w.Port(guestMAC, []netip.Prefix{netip.MustParsePrefix("203.0.113.10/27")})
	if err != nil {
		f.Fatal(err)
	}
	drain, err := net.FileConn(p.remote)
	if err != nil {
		f.Fatal(err)
	}
	go func() {
		b := make([]byte, 1<<16)
		for {
			if _, err := drain.Read(b); err != nil {
				return
			}
		}
	}()
	defer drain.Close()
	for _, name := range []string{"\x08\x06", "\x86\xdd", "\x08\x00"} {
		f.Add(append(append(make([]byte, 12), name...), make([]byte, 60)...))
	}
	f.Fuzz(func(_ *testing.T, b []byte) { p.frame(b) })
}
