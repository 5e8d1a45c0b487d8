package listen

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// patience is how long a test waits for what must happen.
const patience = time.Minute

// left opens a group, takes descriptors of its sockets as a process leaves them, and closes it.
func left(t *testing.T, l runtime.Listener) (map[int]*os.File, netip.AddrPort) {
	t.Helper()
	g, err := Open(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	files := map[int]*os.File{}
	for i := range g.Workers() {
		if files[i], err = g.File(i); err != nil {
			t.Fatal(err)
		}
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return files, g.Address()
}

// heard collects what a group handles.
type heard struct {
	mu  sync.Mutex
	got map[string]int
}

func (h *heard) add(p []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.got == nil {
		h.got = map[string]int{}
	}
	h.got[string(p)]++
}

func (h *heard) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.got)
}

// all are the packets so far, and how often each was handled.
func (h *heard) all() map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.got)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// What the kernel queued in the sockets while no process received is received by the next one,
// whether it has as many workers as the one before, or more, or fewer.
func TestAdoptedSocketsKeepWhatWaits(t *testing.T) {
	for _, x := range []struct {
		name          string
		address       string
		before, after int
		key           func([]byte) []byte
	}{
		{"the same workers", "127.0.30.1:0", 4, 4, nil},
		{"more workers", "127.0.30.1:0", 2, 5, nil},
		{"fewer workers", "127.0.30.1:0", 7, 2, nil},
		{"one worker, steered before", "127.0.30.1:0", 3, 1, CallID},
		{"IPv6", "[::1]:0", 2, 2, nil},
		{"fewer workers, steered", "127.0.30.1:0", 5, 2, CallID},
	} {
		t.Run(x.name, func(t *testing.T) {
			l := config(x.before)
			l.Address = netip.MustParseAddrPort(x.address)
			files, at := left(t, l)
			const senders, each = 40, 5
			for s := range senders { // from a port each, so that all sockets get some
				c := client(t, at.Addr().String())
				for n := range each {
					if _, err := c.WriteToUDPAddrPort(fmt.Appendf(nil, "X\r\nCall-ID: %d\r\n\r\n%d", s, n), at); err != nil {
						t.Fatal(err)
					}
				}
			}
			l.Address, l.Workers, l.TOS = at, x.after, 0x68
			for i, f := range files {
				if err := Fits(f, l); err != nil {
					t.Errorf("socket %d does not fit: %v", i, err)
				}
			}
			var h heard
			g := serveWith(t, l, Options{Inherited: files, Key: x.key}, func(_ int, p []byte, _ netip.AddrPort) { h.add(p) })
			eventually(t, "all that waited is handled", func() bool { return h.len() == senders*each })
			if want := min(x.before, x.after); g.Adopted() != want {
				t.Errorf("%d sockets adopted, want %d", g.Adopted(), want)
			}
			for p, n := range h.all() {
				if n != 1 {
					t.Errorf("%q was handled %d times", p, n)
				}
			}
			stats, err := g.Stats()
			if err != nil {
				t.Fatal(err)
			}
			var packets uint64
			for _, s := range stats {
				packets += s.Packets
			}
			if packets != senders*each {
				t.Errorf("%d packets counted, want %d", packets, senders*each)
			}
			for i := range g.Workers() { // its options are those of the new configuration
				f, err := g.File(i)
				if err != nil {
					t.Fatal(err)
				}
				raw, _ := f.SyscallConn()
				_ = raw.Control(func(fd uintptr) {
					level, option := unix.IPPROTO_IP, unix.IP_TOS
					if at.Addr().Is6() {
						level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
					}
					if v, err := unix.GetsockoptInt(int(fd), level, option); err != nil || v != 0x68 {
						t.Errorf("socket %d: type of service %d, %v", i, v, err)
					}
				})
				f.Close()
			}
			// And the group works on: senders of any port are heard, once the sockets that are too
			// many have gone, with what came at that very moment.
			later := make([]*net.UDPConn, 16)
			for s := range later {
				later[s] = client(t, at.Addr().String())
			}
			eventually(t, "what comes later is handled", func() bool {
				all, missing := h.all(), false
				for s, c := range later {
					text := fmt.Appendf(nil, "later %d", s)
					if all[string(text)] > 0 {
						continue
					}
					missing = true
					if _, err := c.WriteToUDPAddrPort(text, at); err != nil {
						t.Fatal(err)
					}
				}
				if missing {
					time.Sleep(20 * time.Millisecond)
				}
				return !missing
			})
		})
	}
}

// Nobody but the sockets that were left may have the port.
func TestPortOfOthersIsRefusedBesideInheritedNames(t *testing.T) {
	l := config(1)
	files, at := left(t, l)
	l.Address = at
	if _, err := Open(l, Options{}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a port that a descriptor nobody adopted still has: %v", err)
	}
	for _, f := range files {
		f.Close()
	}
	g, err := Open(l, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
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
	l := config(1)
	files, at := left(t, l)
	l.Address = at
	t.Cleanup(func() { files[0].Close() })
	plain := file(net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.30.1:0"))))
	tcp := file(net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.30.1:0"))))
	other := l
	other.Address = netip.AddrPortFrom(at.Addr(), at.Port()^1)
	elsewhere := l
	elsewhere.Address = netip.AddrPortFrom(netip.MustParseAddr("127.0.30.2"), at.Port())
	six := l
	six.Address = netip.AddrPortFrom(netip.MustParseAddr("::1"), at.Port())
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, x := range []struct {
		name string
		f    *os.File
		l    runtime.Listener
		want string // in the error; "": none
	}{
		{"it fits", files[0], l, ""},
		{"another port", files[0], other, "it is bound to"},
		{"another address", files[0], elsewhere, "it is bound to"},
		{"another IP version", files[0], six, "protocol not available|it is bound to|operation not supported"},
		{"no group", plain, l, "SO_REUSEPORT"},
		{"TCP", tcp, l, "no datagram socket"},
		{"no socket", null, l, "socket operation on non-socket"},
	} {
		err := Fits(x.f, x.l)
		ok := err == nil && x.want == ""
		for _, w := range strings.Split(x.want, "|") {
			ok = ok || err != nil && w != "" && strings.Contains(err.Error(), w)
		}
		if !ok {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
}

// Finish ends where a packet ends: what was received is handled, and the rest is there for whoever
// has the sockets next.
func TestFinishLosesNothing(t *testing.T) {
	for _, x := range []struct {
		name    string
		workers int
		key     func([]byte) []byte
	}{{"plain", 2, nil}, {"steered", 3, CallID}} {
		t.Run(x.name, func(t *testing.T) {
			l := config(x.workers)
			l.RecvBuffer = 1 << 22
			g, err := Open(l, Options{Key: x.key})
			if err != nil {
				t.Fatal(err)
			}
			var before, after heard
			started := make(chan struct{}, 1)
			var wg sync.WaitGroup
			for i := range g.Workers() {
				wg.Go(func() {
					if err := g.Serve(i, func(p []byte, src netip.AddrPort) {
						select {
						case started <- struct{}{}:
						default:
						}
						before.add(p)
						if err := g.Send(p, src); err != nil {
							t.Errorf("after Finish a handler cannot send: %v", err)
						}
					}); err != nil {
						t.Error(err)
					}
				})
			}
			// One sender, whose packets a steered group spreads over its workers, sends on while
			// Finish is called.
			stats, err := g.Stats()
			if err != nil {
				t.Fatal(err)
			}
			total := min(4000, stats[0].RecvBuffer/truesize) // no more than one socket holds
			sent := make(chan struct{})
			c := client(t, "127.0.30.1")
			go func() {
				defer close(sent)
				for n := range total {
					if _, err := c.WriteToUDPAddrPort(fmt.Appendf(nil, "X\r\nCall-ID: %d\r\n\r\n%d", n%50, n), g.Address()); err != nil {
						t.Error(err)
						return
					}
				}
			}()
			<-started
			if err := g.Finish(); err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			<-sent
			files := map[int]*os.File{}
			for i := range g.Workers() {
				if files[i], err = g.File(i); err != nil {
					t.Fatal(err)
				}
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			l.Address = g.Address()
			serveWith(t, l, Options{Inherited: files, Key: x.key}, func(_ int, p []byte, _ netip.AddrPort) { after.add(p) })
			eventually(t, "every packet is handled by one of the two", func() bool { return before.len()+after.len() == total })
			t.Logf("%d before, %d after", before.len(), after.len())
			again := after.all()
			for p := range before.all() {
				if again[p] > 0 {
					t.Fatalf("%q was handled twice", p)
				}
			}
		})
	}
}
