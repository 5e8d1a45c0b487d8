package stream

import (
	"errors"
	"net"
	"testing"
	"time"
)

// A flow is one connection: what is sent by it goes there, and a later connection from the
// same address and port is not taken for it.
func TestFlow(t *testing.T) {
	r := start(t, config("tcp"), Options{}, nil)
	first, other := r.peer("127.0.50.2"), r.peer("127.0.50.3")
	flowOf := func(c net.Conn) Flow {
		t.Helper()
		say(t, c, options(1, 0))
		wait(t, "a message", r.got)
		f := Flow(r.last.Load())
		if a, ok := r.Peer(f); !ok || a != local(c) {
			t.Fatalf("flow %d leads to %v (%v), want %v", f, a, ok, local(c))
		}
		return f
	}
	f, g := flowOf(first), flowOf(other)
	if f == 0 || f == g || flowOf(first) != f {
		t.Errorf("flows %d and %d", f, g)
	}
	for _, x := range []struct {
		c net.Conn
		f Flow
	}{{other, g}, {first, f}} {
		if err := r.SendFlow([]byte(options(2, 3)), x.f); err != nil {
			t.Error(err)
		}
		hear(t, x.c, options(2, 3))
	}

	at := first.LocalAddr()
	_ = first.SetLinger(0) // the port is free at once
	_ = first.Close()
	r.eventually("the flow to end", func() bool { _, ok := r.Peer(f); return !ok })
	d := net.Dialer{LocalAddr: at}
	again, err := d.Dial("tcp", r.Address().String())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	_ = again.SetDeadline(time.Now().Add(patience))
	h := flowOf(again)
	if h == f {
		t.Errorf("a new connection from %v has the flow of the one before", at)
	}
	for _, gone := range []Flow{f, 0, GoneFlow} {
		if err := r.SendFlow([]byte("x"), gone); !errors.Is(err, ErrNoFlow) {
			t.Errorf("flow %d: %v", gone, err)
		}
		if _, ok := r.Peer(gone); ok {
			t.Errorf("flow %d leads somewhere", gone)
		}
	}
	if err := r.SendFlow([]byte(options(3, 0)), h); err != nil {
		t.Error(err)
	}
	hear(t, again, options(3, 0))
}

// Numbers go on from the start once they are used up, past those in use.
func TestFlowNumbersComeBack(t *testing.T) {
	r := start(t, config("tcp"), Options{}, nil)
	r.made.Store(0)
	c := r.peer("127.0.50.2")
	say(t, c, options(1, 0))
	wait(t, "a message", r.got)
	if f := r.last.Load(); f != 1 {
		t.Fatalf("the first flow is %d", f)
	}
	r.made.Store(MaxFlow)
	if f := r.newFlow(); f != 2 {
		t.Errorf("flow %d, want 2: one is of none that stands, 0 is none and 1 stands", f)
	}
}

// A dialed connection is a flow as well.
func TestFlowOfDialedConnection(t *testing.T) {
	r := start(t, config("tcp"), Options{}, nil)
	l, err := net.Listen("tcp", "127.0.50.4:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := r.Send([]byte(options(1, 0)), l.Addr().(*net.TCPAddr).AddrPort()); err != nil {
		t.Fatal(err)
	}
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	hear(t, c, options(1, 0))
	say(t, c, options(2, 0))
	wait(t, "a message", r.got)
	if err := r.SendFlow([]byte(options(3, 0)), Flow(r.last.Load())); err != nil {
		t.Error(err)
	}
	hear(t, c, options(3, 0))
}
