package listen

import (
	"errors"
	"net"
	"net/netip"
	goruntime "runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

func TestSendErrors(t *testing.T) {
	g := serve(t, config(2), func(int, []byte, netip.AddrPort) {})
	if err := g.Send([]byte("x"), netip.MustParseAddrPort("[::1]:5060")); !errors.Is(err, ErrFamily) {
		t.Errorf("IPv4 listener to IPv6: %v", err)
	}
	if err := g.Send(make([]byte, 65536), netip.MustParseAddrPort("127.0.30.2:5060")); !errors.Is(err, unix.EMSGSIZE) {
		t.Errorf("65,536 bytes: %v", err)
	}
	if err := g.Send(nil, netip.MustParseAddrPort("127.0.30.2:9")); err != nil {
		t.Errorf("empty packet: %v", err)
	}
	st, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	var sent, failed, full uint64
	for _, s := range st {
		sent, failed, full = sent+s.Sent, failed+s.SendErrors, full+s.SendFull
	}
	if sent != 1 || failed != 2 || full != 0 {
		t.Errorf("%d sent, %d errors, %d full", sent, failed, full)
	}
}

// The type of service is seen where the packets arrive.
func TestTypeOfService(t *testing.T) {
	for _, c := range []struct {
		address              string
		level, option, class int
	}{
		{"127.0.30.1", unix.IPPROTO_IP, unix.IP_RECVTOS, unix.IP_TOS},
		{"::1", unix.IPPROTO_IPV6, unix.IPV6_RECVTCLASS, unix.IPV6_TCLASS},
	} {
		l := config(1)
		l.Address, l.TOS = netip.AddrPortFrom(netip.MustParseAddr(c.address), 0), 0x60
		g := serve(t, l, func(int, []byte, netip.AddrPort) {})
		to := client(t, c.address)
		raw, err := to.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), c.level, c.option, 1) }); e != nil || err != nil {
			t.Fatal(e, err)
		}
		if err := g.Send([]byte("x"), to.LocalAddr().(*net.UDPAddr).AddrPort()); err != nil {
			t.Fatal(err)
		}
		to.SetReadDeadline(time.Now().Add(time.Minute))
		oob := make([]byte, 64)
		_, n, _, _, err := to.ReadMsgUDPAddrPort(make([]byte, 10), oob)
		if err != nil {
			t.Fatal(err)
		}
		cmsgs, err := unix.ParseSocketControlMessage(oob[:n])
		if err != nil || len(cmsgs) != 1 || int(cmsgs[0].Header.Type) != c.class || cmsgs[0].Data[0] != 0x60 {
			t.Errorf("%s: got %v, %v", c.address, cmsgs, err)
		}
	}
}

// A destination where nobody listens answers with ICMP errors, which must harm neither
// the packets to others nor the receiving side.
func TestPortUnreachableHarmsNobody(t *testing.T) {
	got := make(chan struct{}, 100)
	g := serve(t, config(1), func(int, []byte, netip.AddrPort) { got <- struct{}{} })
	c := client(t, "127.0.30.2")
	gone := client(t, "127.0.30.2")
	to := gone.LocalAddr().(*net.UDPAddr).AddrPort()
	gone.Close()
	buf := make([]byte, 10)
	c.SetReadDeadline(time.Now().Add(time.Minute))
	for range 50 {
		for _, a := range []netip.AddrPort{to, c.LocalAddr().(*net.UDPAddr).AddrPort()} {
			if err := g.Send([]byte("x"), a); err != nil {
				t.Fatalf("to %v: %v", a, err)
			}
		}
		if _, _, err := c.ReadFromUDPAddrPort(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteToUDPAddrPort([]byte("y"), g.Address()); err != nil {
			t.Fatal(err)
		}
		<-got
	}
}

// Packets that cannot leave, as their next hop does not answer ARP, fill the send
// buffer: Send says so at once, and counts it.
func TestFullSendBuffer(t *testing.T) {
	g := openIsolated(t)
	defer g.Close()
	to := netip.MustParseAddrPort("10.99.0.2:5060")
	full := 0
	for range 200 {
		switch err := g.Send(make([]byte, 1000), to); {
		case errors.Is(err, ErrFull):
			full++
		case err != nil:
			t.Fatal(err)
		}
	}
	st, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if full == 0 || st[0].SendFull != uint64(full) || st[0].SendErrors != 0 {
		t.Errorf("%d packets found the buffer full: %+v", full, st[0])
	}
}

// openIsolated opens a listener in a network namespace of its own, on one end of a link
// whose other end is dumb.
func openIsolated(t *testing.T) *Group {
	t.Helper()
	goruntime.LockOSThread()
	before, err := netns.Get()
	if err != nil {
		t.Skipf("network namespaces: %v", err)
	}
	defer before.Close()
	ns, err := netns.New()
	if err != nil {
		goruntime.UnlockOSThread()
		t.Skipf("a network namespace needs CAP_SYS_ADMIN: %v", err)
	}
	defer func() {
		ns.Close()
		if err := netns.Set(before); err != nil {
			t.Fatalf("the thread stays in the namespace: %v", err) // and, locked, ends with the goroutine
		}
		goruntime.UnlockOSThread()
	}()
	steps := []func() error{
		func() error {
			return netlink.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "near"}, PeerName: "far"})
		},
		func() error {
			a, err := netlink.ParseAddr("10.99.0.1/24")
			if err != nil {
				return err
			}
			return netlink.AddrAdd(link(t, "near"), a)
		},
		func() error { return netlink.LinkSetUp(link(t, "near")) },
		func() error { return netlink.LinkSetUp(link(t, "far")) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			t.Skipf("a link between namespaces: %v", err)
		}
	}
	g, err := Open(runtime.Listener{Name: "a", Address: netip.MustParseAddrPort("10.99.0.1:5060"), Workers: 1, SendBuffer: 2048}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func link(t *testing.T, name string) netlink.Link {
	t.Helper()
	l, err := netlink.LinkByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Close while others send: every send either leaves or says that the group is closed,
// and the descriptor goes with the last of them.
func TestCloseWhileSending(t *testing.T) {
	for range 50 {
		g, err := Open(config(2), Options{})
		if err != nil {
			t.Fatal(err)
		}
		to := netip.AddrPortFrom(g.Address().Addr(), g.Address().Port())
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					if err := g.Send([]byte("x"), to); errors.Is(err, net.ErrClosed) {
						return
					} else if err != nil && !errors.Is(err, ErrFull) {
						t.Error(err)
						return
					}
				}
			})
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		again := config(1)
		again.Address = g.Address()
		h, err := Open(again, Options{})
		if err != nil {
			t.Fatalf("the address is not free after Close: %v", err)
		}
		h.Close()
	}
}

// Close while workers send what they receive: the one who lets go of the socket last may
// be a worker that is at work.
func TestCloseWhileWorkersSend(t *testing.T) {
	for i := range 200 {
		o := Options{}
		if i%2 > 0 {
			o.Key = firstBytes
		}
		g, err := Open(config(2), o)
		if err != nil {
			t.Fatal(err)
		}
		var handled atomic.Int64
		done := make(chan error, 2)
		for i := range 2 {
			go func() {
				done <- g.Serve(i, func(p []byte, src netip.AddrPort) {
					handled.Add(1)
					_ = g.Send(p, g.Address()) // and so on, for ever
				})
			}()
		}
		for range 20 {
			if err := g.Send(make([]byte, 100), g.Address()); err != nil {
				t.Fatal(err)
			}
		}
		await(t, "traffic", func() bool { return handled.Load() > 100 })
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(time.Minute):
				t.Fatalf("round %d: Serve did not return after Close", i)
			}
		}
		again := config(1)
		again.Address = g.Address()
		h, err := Open(again, Options{})
		if err != nil {
			t.Fatalf("the address is not free after Close and Serve: %v", err)
		}
		h.Close()
	}
}

// A Handler may close the group it is called by.
func TestCloseByAHandler(t *testing.T) {
	for _, o := range []Options{{}, {Key: firstBytes}} {
		g, err := Open(config(2), o)
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 2)
		for i := range 2 {
			go func() { done <- g.Serve(i, func([]byte, netip.AddrPort) { g.Close() }) }()
		}
		if err := g.Send([]byte("12345678"), g.Address()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(time.Minute):
				t.Fatal("Serve did not return")
			}
		}
	}
}

func TestServeAfterClose(t *testing.T) {
	g, err := Open(config(1), Options{})
	if err != nil {
		t.Fatal(err)
	}
	g.Close()
	if err := g.Serve(0, func([]byte, netip.AddrPort) {}); err != nil {
		t.Error(err)
	}
}

// Whatever was opened and started is gone after Close: goroutines and descriptors.
func TestCloseLeavesNothing(t *testing.T) {
	count := func() int {
		n := 0
		for fd := range 512 {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
				n++
			}
		}
		return n
	}
	round := func(o Options) {
		g, err := Open(config(4), o)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range g.Workers() {
			wg.Go(func() {
				if err := g.Serve(i, func([]byte, netip.AddrPort) {}); err != nil {
					t.Error(err)
				}
			})
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	}
	round(Options{}) // what the runtime starts once
	files, routines := count(), goruntime.NumGoroutine()
	for range 10 {
		round(Options{})
		round(Options{Key: CallID})
	}
	await(t, "goroutines to end", func() bool { return goruntime.NumGoroutine() <= routines })
	if n := count(); n > files {
		t.Errorf("%d descriptors are open, %d were", n, files)
	}
}
