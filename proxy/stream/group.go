package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// Group is one listener over TCP, TLS, WS or WSS with its connections.
type Group struct {
	l       runtime.Listener
	o       Options
	secure  bool // TLS below
	ws      bool // WebSocket
	address netip.AddrPort
	max     int // bytes of a message

	file *os.File // the listening socket
	raw  syscall.RawConn

	workers []*worker
	table   table
	sources sources
	made    atomic.Uint32            // connections ever, for their flows
	keys    atomic.Pointer[identity] // TLS alone

	start time.Time
	clock atomic.Int64 // ns since start, of the last look at the connections
	stats counters

	ctx       context.Context // ends with Close
	cancel    context.CancelFunc
	accepting sync.Once
	failed    chan error // of accepting
	mu        sync.Mutex // guards closed and wg.Add
	closed    bool
	wg        sync.WaitGroup
}

// worker serialises the calls of one Handler.
type worker struct {
	mu      sync.Mutex
	h       Handler
	serving atomic.Bool
	ready   chan struct{} // closed once h is there

	messages, bytes, pings, sent, sentBytes atomic.Uint64

	_ [64]byte // readers of one worker do not disturb those of another
}

// Transports that a group serves, as runtime.Listener names them.
var transports = []string{"tcp", "tls", "ws", "wss"}

// Open opens a listener. The error names the listener, its address and what to do.
func Open(l runtime.Listener, o Options) (*Group, error) {
	g, err := openGroup(l, o)
	if err != nil && o.Inherited != nil {
		_ = o.Inherited.Close()
	}
	return g, err
}

func openGroup(l runtime.Listener, o Options) (*Group, error) {
	if !slices.Contains(transports, l.Transport) {
		return nil, fmt.Errorf("listener %s: transport %q has no connections, only tcp, tls, ws and wss do", l.Name, l.Transport)
	}
	if !l.Address.IsValid() {
		return nil, fmt.Errorf("listener %s: no address", l.Name)
	}
	l.Address = netip.AddrPortFrom(l.Address.Addr().Unmap(), l.Address.Port())
	c := runtime.Connections{}
	if l.Connections != nil {
		c = *l.Connections
	}
	fill(&c.Max, defaultMax)
	fill(&c.PerSource, min(defaultPerSource, c.Max))
	fill(&c.Idle, runtime.Duration(defaultIdle))
	fill(&c.Handshake, runtime.Duration(defaultHandshake))
	l.Connections = &c

	g := &Group{
		l: l, o: o.withDefaults(), max: l.MaxMessage, address: l.Address, start: time.Now(), failed: make(chan error, 1),
		secure: secure(l), ws: l.Transport == "ws" || l.Transport == "wss",
	}
	fill(&g.max, DefaultMaxMessage)
	g.made.Store(rand.Uint32())
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.table.init()
	g.sources.init(c)
	for range max(l.Workers, 1) {
		g.workers = append(g.workers, &worker{ready: make(chan struct{})})
	}
	if g.secure {
		id, err := loadIdentity(l, o.Roots, o.Credential, time.Time{})
		if err != nil {
			return nil, err
		}
		g.keys.Store(id)
	}
	listen := g.listen
	if o.Inherited != nil {
		listen = g.adopt
	}
	if err := listen(); err != nil {
		return nil, g.explain(err)
	}
	return g, nil
}

// fill sets a figure that the listener left out.
func fill[T int | runtime.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// listen opens the listening socket. It is taken out of the net package's hands, which
// would make a connection of every source before anybody asks who it is.
func (g *Group) listen() error {
	lc := net.ListenConfig{Control: g.configure, KeepAlive: -1}
	ln, err := lc.Listen(g.ctx, g.network(), g.l.Address.String())
	if err != nil {
		return err
	}
	g.address = ln.Addr().(*net.TCPAddr).AddrPort()
	f, err := ln.(*net.TCPListener).File()
	if e := ln.Close(); err == nil && e != nil {
		err = errors.Join(e, f.Close())
	}
	if err != nil {
		return err
	}
	g.file = f
	if g.raw, err = f.SyscallConn(); err != nil {
		return errors.Join(err, f.Close())
	}
	return nil
}

func (g *Group) network() string {
	if g.l.Address.Addr().Is6() {
		return "tcp6" // the net package sets IPV6_V6ONLY
	}
	return "tcp4"
}

// configure sets what accepted connections inherit from the listening socket, and dialed
// ones get likewise.
func (g *Group) configure(_, _ string, c syscall.RawConn) error {
	var err error
	set := func(fd, level, option, value int) {
		if err == nil && (value > 0 || level != unix.SOL_SOCKET) { // 0: the system's buffers
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
		}
	}
	e := c.Control(func(f uintptr) {
		fd := int(f)
		set(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, g.l.RecvBuffer)
		set(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, g.l.SendBuffer)
		// A peer that vanished is noticed by what it does not acknowledge (tcp(7)).
		set(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(g.o.WriteTimeout.Milliseconds()))
		if g.l.Address.Addr().Is6() {
			set(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, g.l.TOS)
		} else {
			set(fd, unix.IPPROTO_IP, unix.IP_TOS, g.l.TOS)
		}
	})
	return errors.Join(e, err)
}

func (g *Group) explain(err error) error {
	remedy := ""
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		remedy = ": another program listens there; stop it, or give the listener another port"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = ": no interface of this machine has the address"
	case errors.Is(err, unix.EACCES):
		remedy = ": ports below 1024 need CAP_NET_BIND_SERVICE"
	}
	return fmt.Errorf("listener %s: cannot open %s/%s: %w%s", g.l.Name, g.l.Address, g.l.Transport, err, remedy)
}

// Name is the listener's name.
func (g *Group) Name() string { return g.l.Name }

// Address is what the listening socket is bound to.
func (g *Group) Address() netip.AddrPort { return g.address }

// Workers is the number of workers; Serve takes an index below it.
func (g *Group) Workers() int { return len(g.workers) }

// Serve calls h for every message of the connections that belong to worker i, one at a
// time, until Close. It returns nil after Close, when no h runs any more, and an error when
// connections are no longer accepted. Each worker is served by one call of Serve;
// connections are accepted from the first on.
func (g *Group) Serve(i int, h Handler) error {
	w := g.workers[i]
	if !w.serving.CompareAndSwap(false, true) {
		return fmt.Errorf("listener %s: worker %d is served already", g.l.Name, i)
	}
	w.h = h
	close(w.ready)
	g.accepting.Do(func() {
		g.spawn(g.accept)
		g.spawn(g.watch)
	})
	select {
	case err := <-g.failed:
		g.failed <- err // for the other workers, and for a second call
		if g.ctx.Err() == nil {
			return fmt.Errorf("listener %s: accepting on %s: %w", g.l.Name, g.address, err)
		}
	case <-g.ctx.Done():
	}
	g.wg.Wait()
	return nil
}

// spawn starts a goroutine that Serve waits for. It reports false after Close.
func (g *Group) spawn(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return false
	}
	g.wg.Go(f)
	return true
}

// deliver hands a message to the worker.
func (w *worker) deliver(p []byte, src netip.AddrPort, flow Flow) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.messages.Add(1)
	w.h(p, src, flow)
}

// Close closes the listening socket and all connections; Serve returns. Closing twice is
// harmless.
func (g *Group) Close() error {
	g.mu.Lock()
	again := g.closed
	g.closed = true
	g.mu.Unlock()
	if again {
		return nil
	}
	g.cancel()
	err := g.file.Close()
	for _, c := range g.table.all(nil) {
		c.leave(net.ErrClosed)
	}
	return err
}

// now is the time since Open.
func (g *Group) now() time.Duration { return time.Since(g.start) }
