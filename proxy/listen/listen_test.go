package listen

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	goruntime "runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

func config(workers int) runtime.Listener {
	return runtime.Listener{Name: "a", Transport: "udp", Address: netip.MustParseAddrPort("127.0.30.1:0"),
		Workers: workers, RecvBuffer: 1 << 18, SendBuffer: 1 << 18, MaxMessage: 2000}
}

// serve opens a group and runs its workers until the test ends.
func serve(t testing.TB, l runtime.Listener, h func(worker int, pkt []byte, src netip.AddrPort)) *Group {
	t.Helper()
	return serveWith(t, l, Options{}, h)
}

// serveWith is serve with options.
func serveWith(t testing.TB, l runtime.Listener, o Options, h func(worker int, pkt []byte, src netip.AddrPort)) *Group {
	t.Helper()
	g, err := Open(l, o)
	if err != nil {
		t.Fatal(err)
	}
	run(t, g, h)
	return g
}

// run runs the workers of a group until the test ends.
func run(t testing.TB, g *Group, h func(worker int, pkt []byte, src netip.AddrPort)) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range g.Workers() {
		wg.Go(func() {
			if err := g.Serve(i, func(p []byte, src netip.AddrPort) { h(i, p, src) }); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if err := g.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
	})
}

func client(t testing.TB, ip string) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestEchoOverEveryWorker(t *testing.T) {
	for _, address := range []string{"127.0.30.1:0", "[::1]:0"} {
		var seen [4]atomic.Int64
		l := config(4)
		l.Address = netip.MustParseAddrPort(address)
		var g *Group
		ready := make(chan struct{})
		g = serve(t, l, func(i int, p []byte, src netip.AddrPort) {
			<-ready
			seen[i].Add(1)
			if src.Addr().Is4In6() {
				t.Errorf("source %v is an IPv4-mapped address", src)
			}
			if err := g.Send(p, src); err != nil {
				t.Error(err)
			}
		})
		close(ready)
		for range 64 { // each from a port of its own, so the kernel spreads them
			c := client(t, l.Address.Addr().String())
			if _, err := c.WriteToUDPAddrPort([]byte("ping"), g.Address()); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 10)
			c.SetReadDeadline(time.Now().Add(time.Minute))
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil || string(buf[:n]) != "ping" {
				t.Fatalf("%s: got %q, %v", address, buf[:n], err)
			}
			if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != g.Address() {
				t.Errorf("answer came from %v, not from %v", from, g.Address())
			}
		}
		for i := range seen {
			if seen[i].Load() == 0 {
				t.Errorf("%s: worker %d got nothing of 64 senders", address, i)
			}
		}
		var in, out uint64
		eventually(t, "64 packets in and out", func() bool { // one is counted just after it has gone
			stats, err := g.Stats()
			if err != nil {
				t.Fatal(err)
			}
			in, out = 0, 0
			for _, s := range stats {
				in, out = in+s.Packets, out+s.Sent
				if s.RecvBuffer < l.RecvBuffer {
					t.Fatalf("receive buffer is %d, asked for %d", s.RecvBuffer, l.RecvBuffer)
				}
			}
			return in >= 64 && out >= 64
		})
		if in != 64 || out != 64 {
			t.Errorf("%d packets in, %d out, want 64 each", in, out)
		}
	}
}

func TestAddressInUse(t *testing.T) {
	g := serve(t, config(2), func(int, []byte, netip.AddrPort) {})
	l := config(2)
	l.Address = g.Address()
	_, err := Open(l, Options{})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Fatalf("a second group on %v: %v", l.Address, err)
	}
	for _, want := range []string{"listener a", l.Address.String(), "another program"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q: %v", want, err)
		}
	}
}

func TestAddressNotOurs(t *testing.T) {
	l := config(1)
	l.Address = netip.MustParseAddrPort("192.0.2.1:5060")
	if _, err := Open(l, Options{}); err == nil || !strings.Contains(err.Error(), "no interface") {
		t.Errorf("got %v", err)
	}
}

func TestOversizeIsCountedAndDropped(t *testing.T) {
	got := make(chan int, 4)
	g := serve(t, config(1), func(_ int, p []byte, _ netip.AddrPort) { got <- len(p) })
	c := client(t, "127.0.30.2")
	for _, n := range []int{2001, 2000} {
		if _, err := c.WriteToUDPAddrPort(bytes.Repeat([]byte{'x'}, n), g.Address()); err != nil {
			t.Fatal(err)
		}
	}
	if n := <-got; n != 2000 {
		t.Errorf("first packet handled has %d bytes", n)
	}
	if s, _ := g.Stats(); s[0].Oversize != 1 || s[0].Packets != 2 {
		t.Errorf("%+v", s[0])
	}
}

// What the kernel drops while a worker is busy shows in the figures.
func TestKernelDropsAreSeen(t *testing.T) {
	l := config(1)
	l.RecvBuffer = 4096
	block, entered := make(chan struct{}), make(chan struct{}, 1000)
	g := serve(t, l, func(int, []byte, netip.AddrPort) { entered <- struct{}{}; <-block })
	defer close(block)
	c := client(t, "127.0.30.2")
	send := func(n int) {
		for range n {
			if _, err := c.WriteToUDPAddrPort(make([]byte, 1000), g.Address()); err != nil {
				t.Fatal(err)
			}
		}
	}
	send(1)
	<-entered // with what was there; the rest stays in the socket
	send(200)
	s, err := g.Stats()
	if err != nil {
		t.Fatal(err)
	}
	if s[0].Drops == 0 || s[0].Queue == 0 {
		t.Errorf("200 packets into a 4 kB buffer: %+v", s[0])
	}
}

func TestReceivingAndSendingAllocateNothing(t *testing.T) {
	const burst = 10 // of which a steered group hands over some
	for _, c := range []struct {
		name, address string
		options       Options
	}{
		{"IPv4", "127.0.30.1:0", Options{}},
		{"IPv6", "[::1]:0", Options{}},
		{"steered", "127.0.30.1:0", Options{Key: firstBytes}},
	} {
		var handled, call atomic.Int64
		var g *Group
		ready := make(chan struct{})
		l := config(2)
		l.Address = netip.MustParseAddrPort(c.address)
		g = serveWith(t, l, c.options, func(_ int, p []byte, src netip.AddrPort) {
			<-ready
			if err := g.Send(p, src); err != nil {
				t.Error(err)
			}
			handled.Add(1)
		})
		close(ready)
		from := client(t, g.Address().Addr().String())
		pkt, buf := make([]byte, 600), make([]byte, 1000)
		if n := testing.AllocsPerRun(200, func() {
			due := handled.Load() + burst
			for range burst {
				binary.BigEndian.PutUint32(pkt, uint32(call.Add(1)))
				if _, err := from.WriteToUDPAddrPort(pkt, g.Address()); err != nil {
					t.Error(err)
				}
			}
			for range burst {
				if _, _, err := from.ReadFromUDPAddrPort(buf); err != nil {
					t.Error(err)
				}
			}
			for handled.Load() < due {
				goruntime.Gosched()
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations for %d packets", c.name, n, burst)
		}
	}
}

// More packets than one receive call takes come out whole and in order.
func TestMoreThanABatch(t *testing.T) {
	enter, leave, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	var got []int
	g := serve(t, config(1), func(_ int, p []byte, _ netip.AddrPort) {
		if len(got) == 0 {
			close(enter)
			<-leave
		}
		if got = append(got, len(p)); len(got) == 1+3*batchSize {
			close(done)
		}
	})
	c := client(t, "127.0.30.2")
	for i := range 1 + 3*batchSize {
		if _, err := c.WriteToUDPAddrPort(make([]byte, i), g.Address()); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			<-enter // the others wait in the socket together
		}
	}
	close(leave)
	<-done
	for i, n := range got {
		if n != i {
			t.Fatalf("packet %d has %d bytes", i, n)
		}
	}
}

func BenchmarkEcho(b *testing.B) {
	var g *Group
	ready := make(chan struct{})
	g = serve(b, config(1), func(_ int, p []byte, src netip.AddrPort) {
		<-ready
		_ = g.Send(p, src)
	})
	close(ready)
	c := client(b, "127.0.30.2")
	pkt, buf := make([]byte, 600), make([]byte, 1000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.WriteToUDPAddrPort(pkt, g.Address()); err != nil {
			b.Fatal(err)
		}
		if _, _, err := c.ReadFromUDPAddrPort(buf); err != nil {
			b.Fatal(err)
		}
	}
}
