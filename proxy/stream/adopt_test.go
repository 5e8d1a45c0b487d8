package stream

import (
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// Connections made, and messages sent by them, while no process accepts are there for the next
// one; those that were accepted have ended with their process.
func TestAdoptedSocketKeepsConnectionsThatWait(t *testing.T) {
	for _, address := range []string{"127.0.50.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			l := config("tcp")
			l.Address = netip.MustParseAddrPort(address)
			g, err := Open(l, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if g.Adopted() {
				t.Error("a group of its own socket says that it was adopted")
			}
			at := g.Address()
			f, err := g.File()
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			waiting, err := net.Dial("tcp", at.String())
			if err != nil {
				t.Fatalf("nobody accepts, but the socket is there: %v", err)
			}
			defer waiting.Close()
			_ = waiting.SetDeadline(time.Now().Add(patience))
			say(t, waiting, options(1, 0))

			l.Address, l.TOS = at, 0x68
			if err := Fits(f, l); err != nil {
				t.Fatal(err)
			}
			r := start(t, l, Options{Inherited: f}, nil)
			if !r.Adopted() || r.Address() != at {
				t.Errorf("adopted: %v, at %v", r.Adopted(), r.Address())
			}
			if got := wait(t, "the message that waited", r.got); got != options(1, 0) {
				t.Errorf("got %q", got)
			}
			if err := r.SendFlow([]byte(options(2, 0)), Flow(r.last.Load())); err != nil {
				t.Error(err)
			}
			hear(t, waiting, options(2, 0))
			_ = r.raw.Control(func(fd uintptr) {
				level, option := unix.IPPROTO_IP, unix.IP_TOS
				if at.Addr().Is6() {
					level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
				}
				if v, err := unix.GetsockoptInt(int(fd), level, option); err != nil || v != 0x68 {
					t.Errorf("type of service %d, %v", v, err)
				}
			})
		})
	}
}

// The connections of two processes that follow each other have numbers of their own.
func TestFlowNumbersBeginAnywhere(t *testing.T) {
	seen := map[uint32]bool{}
	for range 8 {
		g, err := Open(config("tcp"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		seen[uint32(g.newFlow())] = true
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(seen) < 2 {
		t.Errorf("eight groups all begin with flow %v", seen)
	}
}

func TestFits(t *testing.T) {
	file := func(c interface{ File() (*os.File, error) }, err error) *os.File {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		f, err := c.File()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	var lc net.ListenConfig
	lc.SetMultipathTCP(false) // another protocol to the kernel
	made, err := lc.Listen(t.Context(), "tcp4", "127.0.50.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	ln := made.(*net.TCPListener)
	l := config("tcp")
	l.Address = ln.Addr().(*net.TCPAddr).AddrPort()
	other := l
	other.Address = netip.AddrPortFrom(netip.MustParseAddr("127.0.50.2"), l.Address.Port())
	for _, x := range []struct {
		name string
		f    *os.File
		l    runtime.Listener
		want string // in the error; "": none
	}{
		{"it fits", file(ln, nil), l, ""},
		{"another address", file(ln, nil), other, "it is bound to 127.0.50.1"},
		{"UDP", file(net.ListenUDP("udp4", net.UDPAddrFromAddrPort(l.Address))), l, "no stream socket"},
		{"a connection", file(net.DialTCP("tcp4", nil, net.TCPAddrFromAddrPort(l.Address))), l, "takes no connections"},
	} {
		if err := Fits(x.f, x.l); (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
}
