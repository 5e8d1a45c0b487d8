package listen

import (
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSockaddr(t *testing.T) {
	for _, c := range []struct {
		six  bool
		in   string
		want string // "" where the socket cannot reach it
	}{
		{false, "192.0.2.1:5060", "192.0.2.1:5060"},
		{false, "255.255.255.255:65535", "255.255.255.255:65535"},
		{false, "[::ffff:192.0.2.1]:5060", "192.0.2.1:5060"},
		{false, "[2001:db8::1]:5060", ""},
		{true, "[2001:db8::1]:5060", "[2001:db8::1]:5060"},
		{true, "[fe80::1%lo]:5060", "[fe80::1%lo]:5060"},
		{true, "192.0.2.1:5060", ""},
		{true, "[::ffff:192.0.2.1]:5060", ""},
	} {
		var a sockaddr
		n, ok := a.set(netip.MustParseAddrPort(c.in), c.six)
		if ok != (c.want != "") {
			t.Errorf("%s on an IPv6 socket %v: reachable %v", c.in, c.six, ok)
		}
		if !ok {
			continue
		}
		if got, ok := a.get(n); !ok || got.String() != c.want {
			t.Errorf("%s came back as %v, %v", c.in, got, ok)
		}
	}
}

// What the kernel wrote is judged by its length and family.
func TestSockaddrOfTheKernel(t *testing.T) {
	var a sockaddr
	a.Family, a.Addr = unix.AF_INET6, netip.MustParseAddr("::ffff:192.0.2.1").As16()
	if got, ok := a.get(unix.SizeofSockaddrInet6); !ok || got.Addr() != netip.MustParseAddr("192.0.2.1") {
		t.Errorf("an IPv4-mapped source is %v, %v", got, ok)
	}
	for _, n := range []uint32{0, 2, unix.SizeofSockaddrInet4} {
		if got, ok := a.get(n); ok {
			t.Errorf("an IPv6 address of %d bytes is %v", n, got)
		}
	}
	a.Family = unix.AF_UNIX
	if got, ok := a.get(unix.SizeofSockaddrInet6); ok {
		t.Errorf("a unix address is %v", got)
	}
}
