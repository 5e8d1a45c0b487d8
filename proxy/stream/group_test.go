package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// echo sends every message back.
func echo(r *rig, _ int, p []byte, src netip.AddrPort) {
	if err := r.Send(p, src); err != nil {
		r.Errorf("Send: %v", err)
	}
}

func TestEcho(t *testing.T) {
	for _, address := range []string{"127.0.50.1:0", "[::1]:0"} {
		l := config("tcp")
		l.Address = netip.MustParseAddrPort(address)
		r := start(t, l, Options{OutBuffer: 4 << 20}, func(r *rig, i int, p []byte, src netip.AddrPort) {
			if src.Addr().Is4In6() {
				t.Errorf("source %v is an IPv4-mapped address", src)
			}
			echo(r, i, p, src)
		})
		from := "127.0.50.2"
		if l.Address.Addr().Is6() {
			from = "::1"
		}
		var wg sync.WaitGroup
		const peers, each = 10, 100
		for range peers {
			c := r.peer(from)
			wg.Go(func() {
				for i := range each {
					say(t, c, options(i, i*150))
				}
			})
			wg.Go(func() {
				i := 0
				if err := readMessages(c, each, func(m string) {
					if m != options(i, i*150) {
						t.Errorf("message %d came back otherwise", i)
					}
					i++
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		r.figures(func(st Stats) bool {
			return st.Messages == peers*each && st.Sent == peers*each && st.Connections == peers && st.Accepted == peers && st.Waiting == 0
		})
	}
}

// A handler never runs twice at a time, and a connection stays with its worker.
func TestWorkersAreSerial(t *testing.T) {
	var inside [2]atomic.Int32
	var mu sync.Mutex
	of := map[netip.AddrPort]int{}
	seen := map[int]int{}
	r := start(t, config("tcp"), Options{}, func(r *rig, i int, p []byte, src netip.AddrPort) {
		if inside[i].Add(1) != 1 {
			t.Error("a worker handles two messages at a time")
		}
		mu.Lock()
		if w, ok := of[src]; ok && w != i {
			t.Errorf("%v came to workers %d and %d", src, w, i)
		}
		of[src] = i
		seen[i]++
		mu.Unlock()
		inside[i].Add(-1)
		r.got <- ""
	})
	for range 32 {
		c := r.peer("127.0.50.2")
		go func() { _, _ = io.WriteString(c, strings.Repeat(options(1, 10), 50)) }()
	}
	for range 32 * 50 {
		wait(t, "messages", r.got)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(seen) != 2 {
		t.Errorf("of two workers %d got messages of 32 connections", len(seen))
	}
}

func TestKeepAlive(t *testing.T) {
	r := start(t, config("tcp"), Options{}, nil)
	c := r.peer("127.0.50.2")
	say(t, c, "\r\n\r\n")
	hear(t, c, "\r\n")
	say(t, c, "\r\n"+options(1, 0)+"\r\n\r\n")
	hear(t, c, "\r\n")
	wait(t, "the message", r.got)
	r.figures(func(st Stats) bool { return st.Pings == 2 && st.Messages == 1 })
}

// A message whose end cannot be told comes as its header, can be answered, and ends the
// connection; what follows it is not looked at.
func TestBrokenMessageIsAnsweredAndEnds(t *testing.T) {
	for fault, head := range map[Fault]string{
		FaultNoLength:   "OPTIONS sip:a SIP/2.0\r\n\r\n",
		FaultLength:     "OPTIONS sip:a SIP/2.0\r\nl: -1\r\n\r\n",
		FaultConflict:   "OPTIONS sip:a SIP/2.0\r\nl: 1\r\nl: 2\r\n\r\n",
		FaultBodySize:   "OPTIONS sip:a SIP/2.0\r\nl: 20001\r\n\r\n",
		FaultHeaderSize: "OPTIONS sip:a SIP/2.0\r\nX: " + strings.Repeat("x", 70000),
	} {
		t.Run(fault.String(), func(t *testing.T) {
			r := start(t, config("tcp"), Options{}, func(r *rig, _ int, p []byte, src netip.AddrPort) {
				r.got <- string(p)
				if err := r.Send([]byte("SIP/2.0 400 Bad Request\r\nl: 0\r\n\r\n"), src); err != nil {
					t.Error(err)
				}
			})
			c := r.peer("127.0.50.2")
			_, _ = io.WriteString(c, head+options(1, 0)) // the group may end it before all is written
			if fault != FaultHeaderSize {
				if got := wait(t, "the header", r.got); got != head {
					t.Errorf("got %q", got)
				}
				hear(t, c, "SIP/2.0 400 Bad Request\r\nl: 0\r\n\r\n")
			}
			ended(t, c)
			_ = c.Close()
			r.eventually("the connection's end", func() bool { return r.Stats().Connections == 0 })
			if n := r.Stats().Faults[fault.String()]; n != 1 {
				t.Errorf("faults: %v", r.Stats().Faults)
			}
			if len(r.got) != 0 {
				t.Errorf("what followed was handled: %q", <-r.got)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	bounds := func(f func(*runtime.Connections)) runtime.Listener {
		l := config("tcp")
		f(l.Connections)
		return l
	}
	for _, c := range []struct {
		name  string
		l     runtime.Listener
		o     Options
		froms []string // the last one is refused
		why   string
	}{
		{"source", config("tcp"), Options{Admit: func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.50.2") }}, []string{"127.0.50.2", "127.0.50.3"}, "source"},
		{"max", bounds(func(c *runtime.Connections) { c.Max = 2 }), Options{}, []string{"127.0.50.2", "127.0.50.3", "127.0.50.4"}, "max"},
		{"per source", bounds(func(c *runtime.Connections) { c.PerSource = 2 }), Options{}, []string{"127.0.50.2", "127.0.50.3", "127.0.50.2", "127.0.50.2"}, "per_source"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, c.l, c.o, nil)
			for i, from := range c.froms {
				if i == len(c.froms)-1 {
					r.turnedAway(from)
					continue
				}
				p := r.peer(from)
				say(t, p, options(i, 0))
				wait(t, "a message of an admitted peer", r.got)
			}
			r.figures(func(st Stats) bool { return st.Refused[c.why] == 1 && st.Accepted == uint64(len(c.froms)-1) })
		})
	}
}

// What an address may open in a second is bounded, and what it closed does not count
// against it for longer.
func TestSourcesRate(t *testing.T) {
	var s sources
	s.init(runtime.Connections{Max: 10, PerSource: 3})
	a := netip.MustParseAddr("192.0.2.1")
	for i, want := range []refusal{refusedNot, refusedNot, refusedNot, refusedRate, refusedRate} {
		if got := s.accept(a, 0); got != want {
			t.Errorf("%d: %s, want %s", i, refusalNames[got], refusalNames[want])
		}
		if i < 3 {
			s.release(a, false)
		}
	}
	if got := s.accept(a, time.Second); got != refusedNot {
		t.Errorf("a second later: %s", refusalNames[got])
	}
	s.release(a, false)
	if s.forget(time.Second); len(s.by) != 1 {
		t.Error("an address was forgotten within its second")
	}
	if s.forget(2 * time.Second); len(s.by) != 0 || s.live != 0 {
		t.Errorf("%d addresses, %d connections are left", len(s.by), s.live)
	}
	for i := range 10 {
		if !s.dial() {
			t.Errorf("dial %d refused", i)
		}
	}
	if s.dial() || s.accept(a, 0) != refusedMax {
		t.Error("more connections than the listener may have")
	}
}

func TestIdleAndSlowSenders(t *testing.T) {
	l := config("tcp")
	l.Connections.Idle = runtime.Duration(200 * time.Millisecond)
	r := start(t, l, Options{MessageTimeout: 400 * time.Millisecond}, nil)
	quiet := r.peer("127.0.50.2")
	say(t, quiet, options(1, 0))
	wait(t, "a message", r.got)
	ended(t, quiet)

	// One that sends a byte now and then is not idle, and still ends.
	slow := r.peer("127.0.50.2")
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, c := range []byte(options(1, 1000)) {
		if _, err := slow.Write([]byte{c}); err != nil {
			break
		}
		<-tick.C
	}
	ended(t, slow)
	r.eventually("the connections' end", func() bool { return r.Stats().Connections == 0 })
	r.figures(func(st Stats) bool { return st.Idle == 1 && st.TooSlow == 1 && st.Messages == 1 })
	if len(r.failed) != 1 { // of the slow one: an idle connection has lost nothing
		t.Errorf("%d failures were told", len(r.failed))
	}
}

// A peer that does not read loses its connection, and harms no other; Send never waits.
func TestSlowReader(t *testing.T) {
	r := start(t, config("tcp"), Options{OutBuffer: 100000}, nil)
	slow, good := r.peer("127.0.50.2"), r.peer("127.0.50.3")
	for _, c := range []net.Conn{slow, good} {
		say(t, c, options(1, 0))
		wait(t, "a message", r.got)
	}
	m := []byte(options(2, 10000))
	var err error
	n := 0
	for ; n < 100000 && err == nil; n++ {
		err = r.Send(m, local(slow))
	}
	if !errors.Is(err, errSlow) {
		t.Fatalf("after %d messages: %v", n, err)
	}
	if got := wait(t, "the failure", r.failed); got != local(slow) {
		t.Errorf("failed: %v", got)
	}
	if err := r.Send(m, local(good)); err != nil {
		t.Error(err)
	}
	hear(t, good, string(m))
	r.figures(func(st Stats) bool { return st.Slow == 1 && st.LostBytes != 0 && st.Connections == 1 })
}

// What does not fit the socket at once arrives all the same, in order.
func TestOutBufferDrains(t *testing.T) {
	r := start(t, config("tcp"), Options{OutBuffer: 8 << 20}, nil)
	c := r.peer("127.0.50.2")
	say(t, c, options(1, 0))
	wait(t, "a message", r.got)
	const n = 400
	for i := range n {
		if err := r.Send([]byte(options(i, 10000)), local(c)); err != nil {
			t.Fatal(err)
		}
	}
	if r.Stats().Waiting == 0 {
		t.Error("4 MB fitted the socket: the test tests nothing")
	}
	i := 0
	if err := readMessages(c, n, func(m string) {
		if m != options(i, 10000) {
			t.Fatalf("message %d came otherwise", i)
		}
		i++
	}); err != nil {
		t.Fatal(err)
	}
	r.eventually("the buffer to be empty", func() bool { return r.Stats().Waiting == 0 })
}

func TestResetIsTold(t *testing.T) {
	r := start(t, config("tcp"), Options{}, nil)
	c := r.peer("127.0.50.2")
	say(t, c, options(1, 0))
	wait(t, "a message", r.got)
	_ = c.SetLinger(0)
	at := local(c)
	_ = c.Close()
	if got := wait(t, "the failure", r.failed); got != at {
		t.Errorf("failed: %v", got)
	}
	if err := wait(t, "its cause", r.causes); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("cause: %v", err)
	}
}

// server accepts connections of the group.
func server(t testing.TB) *net.TCPListener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.50.9:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln.(*net.TCPListener)
}

func TestDial(t *testing.T) {
	r := start(t, config("tcp"), Options{}, echo)
	ln := server(t)
	to := ln.Addr().(*net.TCPAddr).AddrPort()
	for i := range 5 { // one connection, whatever was sent before it stood
		if err := r.Send([]byte(options(i, 100)), to); err != nil {
			t.Fatal(err)
		}
	}
	_ = ln.SetDeadline(time.Now().Add(patience))
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if from := c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(); from != r.Address().Addr() {
		t.Errorf("the connection comes from %v", from)
	}
	for i := range 5 {
		hear(t, c, options(i, 100))
	}
	say(t, c, options(7, 0)) // requests come by it as well (RFC 5923)
	hear(t, c, options(7, 0))
	r.eventually("the last message to be counted", func() bool { return r.Stats().Sent == 6 })
	r.figures(func(st Stats) bool { return st.Dials == 1 && st.Connections == 1 })
	// When it is gone, the next message makes another.
	_ = c.Close()
	wait(t, "the end to be told", r.failed)
	if err := r.Send([]byte(options(8, 0)), to); err != nil {
		t.Fatal(err)
	}
	c2, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c2.Close()
	_ = c2.SetDeadline(time.Now().Add(patience))
	hear(t, c2, options(8, 0))
}

func TestDialFailure(t *testing.T) {
	r := start(t, config("tcp"), Options{MaxDials: 1}, nil)
	ln := server(t)
	to := ln.Addr().(*net.TCPAddr).AddrPort()
	_ = ln.Close()
	if err := r.Send([]byte(options(1, 0)), to); err != nil {
		t.Fatal(err)
	}
	if got := wait(t, "the failure", r.failed); got != to {
		t.Errorf("failed: %v", got)
	}
	if err := wait(t, "its cause", r.causes); !errors.Is(err, syscall.ECONNREFUSED) || !errors.Is(err, ErrUnreached) {
		t.Errorf("cause: %v", err)
	}
	r.figures(func(st Stats) bool { return st.DialErrors == 1 && st.LostMessages == 1 && st.Connections == 0 })
	if err := r.Send(nil, netip.MustParseAddrPort("[::1]:5060")); !errors.Is(err, ErrFamily) {
		t.Errorf("other family: %v", err)
	}
}

// A connection can be made ahead of what it is for, and Connected tells when it stands. One
// that ends later is no failure to reach the peer.
func TestDialAhead(t *testing.T) {
	r := start(t, config("tcp"), Options{}, nil)
	ln := server(t)
	to := ln.Addr().(*net.TCPAddr).AddrPort()
	if r.Connected(to) {
		t.Error("connected before anybody asked for it")
	}
	if err := r.Dial(to); err != nil {
		t.Fatal(err)
	}
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r.eventually("the connection to stand", func() bool { return r.Connected(to) })
	if err := r.Dial(to); err != nil {
		t.Fatal(err)
	}
	if err := r.Send([]byte(options(1, 0)), to); err != nil {
		t.Fatal(err)
	}
	hear(t, c, options(1, 0))
	r.figures(func(st Stats) bool { return st.Dials == 1 && st.Sent == 1 && st.LostMessages == 0 })
	_ = c.Close()
	wait(t, "the end", r.failed)
	if err := wait(t, "its cause", r.causes); errors.Is(err, ErrUnreached) {
		t.Errorf("cause: %v", err)
	}
	if r.Connected(to) {
		t.Error("connected after the end")
	}
}

// A peer that answers nothing is given up within DialTimeout, however long a handshake may
// take: the queue of the socket is full, so that the kernel drops what comes (listen(2)).
func TestDialTimeout(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 50, 9}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	sa, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.50.9"), uint16(sa.(*syscall.SockaddrInet4).Port))
	full := false
	for range 16 {
		c, err := net.DialTimeout("tcp", to.String(), 300*time.Millisecond)
		if full = err != nil; full {
			break
		}
		defer c.Close()
	}
	if !full {
		t.Fatal("the kernel takes connections beyond the queue's length")
	}
	l := config("tcp")
	l.Connections.Handshake = runtime.Duration(time.Hour)
	r := start(t, l, Options{DialTimeout: 50 * time.Millisecond}, nil)
	if err := r.Send([]byte(options(1, 0)), to); err != nil {
		t.Fatal(err)
	}
	wait(t, "the failure", r.failed)
	var late net.Error
	if err := wait(t, "its cause", r.causes); !errors.Is(err, ErrUnreached) || !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("cause: %v", err)
	}
}

// Dials are bounded in number, and what waits for one in bytes; a dial that gets no answer
// ends with the handshake's time.
func TestDialBounds(t *testing.T) {
	l := config("tls") // a server that accepts and says nothing keeps the handshake going
	l.TLS = secureConfig("tls").TLS
	l.Connections.Handshake = runtime.Duration(500 * time.Millisecond)
	r := start(t, l, Options{MaxDials: 1, OutBuffer: 1000}, nil)
	to := server(t).Addr().(*net.TCPAddr).AddrPort()
	m := []byte(options(1, 500))
	if err := r.Send(m, to); err != nil {
		t.Fatal(err)
	}
	if err := r.Send(m, to); err != ErrFull {
		t.Errorf("a second message: %v", err)
	}
	if err := r.Send(m, server(t).Addr().(*net.TCPAddr).AddrPort()); err != ErrDials {
		t.Errorf("a second dial: %v", err)
	}
	wait(t, "the dial's end", r.failed)
	r.figures(func(st Stats) bool {
		return st.DialsOver == 1 && st.QueueFull == 1 && st.LostMessages == 1 && st.DialErrors == 1 && st.Handshakes == 1
	})
}

func TestOpenErrors(t *testing.T) {
	r := start(t, config("tcp"), Options{}, nil)
	for _, c := range []struct {
		want   string
		change func(*runtime.Listener)
	}{
		{"another program listens there", func(l *runtime.Listener) { l.Address = r.Address() }},
		{"no interface of this machine has the address", func(l *runtime.Listener) { l.Address = netip.MustParseAddrPort("192.0.2.1:5060") }},
		{"no address", func(l *runtime.Listener) { l.Address = netip.AddrPort{} }},
		{"only tcp, tls, ws and wss", func(l *runtime.Listener) { l.Transport = "udp" }},
		{"write a tls block", func(l *runtime.Listener) { l.Transport = "tls" }},
	} {
		l := config("tcp")
		c.change(&l)
		g, err := Open(l, Options{})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "listener a: ") {
			t.Errorf("%v, want %q", err, c.want)
		}
		if g != nil {
			_ = g.Close()
		}
	}
	r.eventually("worker 0", func() bool { return r.workers[0].serving.Load() })
	if err := r.Serve(0, nil); err == nil {
		t.Error("a worker is served twice")
	}
}

// Whoever sends while the group closes gets net.ErrClosed and harms nothing.
func TestCloseUnderLoad(t *testing.T) {
	r := start(t, config("tcp"), Options{}, func(r *rig, _ int, p []byte, src netip.AddrPort) { _ = r.Send(p, src) })
	var wg sync.WaitGroup
	for range 20 {
		c := r.peer("127.0.50.2")
		wg.Go(func() { _, _ = io.Copy(io.Discard, c) })
		wg.Go(func() {
			for i := 0; ; i++ {
				if _, err := io.WriteString(c, options(i, 1000)); err != nil {
					return
				}
			}
		})
	}
	r.eventually("traffic", func() bool { return r.Stats().Sent > 1000 })
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := r.Send([]byte("x"), netip.MustParseAddrPort("127.0.50.9:1")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Close: %v", err)
	}
}

func TestThousandConnections(t *testing.T) {
	l := config("tcp")
	l.Connections.Max, l.Connections.PerSource = 1000, 1000
	r := start(t, l, Options{}, echo)
	conns := make([]*net.TCPConn, 1000)
	for i := range conns {
		conns[i] = r.peer(fmt.Sprintf("127.0.50.%d", 10+i%8))
	}
	for i, c := range conns {
		say(t, c, options(i, 300))
	}
	for i, c := range conns {
		hear(t, c, options(i, 300))
	}
	r.turnedAway("127.0.50.2")
	r.figures(func(st Stats) bool { return st.Connections == 1000 && st.Refused["max"] == 1 })
}
