package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// DefaultMaxMessage is the largest message taken where the listener sets none,
// bytes: the largest UDP payload over IPv4.
const DefaultMaxMessage = 65507

// Group is the sockets of one listener.
type Group struct {
	name    string
	address netip.AddrPort
	max     int
	sockets []*socket
}

// socket is one member of a group, with the counters of its worker. The padding
// keeps two workers' counters off one cache line.
type socket struct {
	conn  *net.UDPConn
	inode uint64
	recv  int // SO_RCVBUF as the kernel reports it, bytes
	send  int

	packets, bytes, oversize, errors atomic.Uint64
	_                                [64]byte
	sent, sentBytes, sendErrors      atomic.Uint64
	_                                [64]byte
}

// Open opens the sockets of a listener. The error names the listener, its address
// and what to do.
func Open(l runtime.Listener) (*Group, error) {
	if l.Transport != "" && l.Transport != "udp" {
		return nil, fmt.Errorf("listener %s: transport %q cannot be served, only udp", l.Name, l.Transport)
	}
	if !l.Address.IsValid() {
		return nil, fmt.Errorf("listener %s: no address", l.Name)
	}
	g := &Group{name: l.Name, address: l.Address, max: l.MaxMessage}
	if g.max <= 0 {
		g.max = DefaultMaxMessage
	}
	// A plain socket can be bound only when nobody is there: SO_REUSEPORT alone
	// would let two processes share the port, each losing half the packets.
	if l.Address.Port() != 0 {
		alone, err := open(l, false)
		if err != nil {
			return nil, g.explain(err)
		}
		if err := alone.conn.Close(); err != nil {
			return nil, g.explain(err)
		}
	}
	for range max(l.Workers, 1) {
		s, err := open(l, true)
		if err != nil {
			_ = g.Close()
			return nil, g.explain(err)
		}
		g.sockets = append(g.sockets, s)
		if l.Address.Port() == 0 { // the first one's choice is the group's
			l.Address = netip.AddrPortFrom(l.Address.Addr(), s.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
			g.address = l.Address
		}
	}
	return g, nil
}

func open(l runtime.Listener, reuse bool) (*socket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) {
			if reuse {
				err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
			}
		}); e != nil {
			return e
		}
		return err
	}}
	network := "udp4"
	if l.Address.Addr().Is6() {
		network = "udp6" // the net package sets IPV6_V6ONLY
	}
	pc, err := lc.ListenPacket(context.Background(), network, l.Address.String())
	if err != nil {
		return nil, err
	}
	s := &socket{conn: pc.(*net.UDPConn)}
	if err := s.configure(l); err != nil {
		_ = pc.Close()
		return nil, err
	}
	return s, nil
}

// configure sets the buffers and reads back what the kernel made of them: it
// doubles what is asked for, and without CAP_NET_ADMIN caps it at
// net.core.rmem_max (socket(7)).
func (s *socket) configure(l runtime.Listener) error {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		set := func(force, plain, size int) {
			if size <= 0 || failed != nil {
				return
			}
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, force, size) != nil {
				failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, plain, size)
			}
		}
		set(unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, l.RecvBuffer)
		set(unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, l.SendBuffer)
		if failed != nil {
			return
		}
		if s.recv, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF); failed != nil {
			return
		}
		if s.send, failed = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF); failed != nil {
			return
		}
		var st unix.Stat_t
		if failed = unix.Fstat(int(fd), &st); failed == nil {
			s.inode = st.Ino
		}
	})
	return errors.Join(err, failed)
}

func (g *Group) explain(err error) error {
	remedy := ""
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		remedy = ": another program receives there; stop it, or give the listener another port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		remedy = ": no interface of this machine has the address"
	case errors.Is(err, syscall.EACCES):
		remedy = ": ports below 1024 need CAP_NET_BIND_SERVICE"
	}
	return fmt.Errorf("listener %s: cannot open %s/udp: %w%s", g.name, g.address, err, remedy)
}

// Name is the listener's name.
func (g *Group) Name() string { return g.name }

// Address is what the sockets are bound to.
func (g *Group) Address() netip.AddrPort { return g.address }

// Workers is the number of sockets; Serve takes an index below it.
func (g *Group) Workers() int { return len(g.sockets) }

// Handler takes one received packet. pkt belongs to the worker and is overwritten
// by the next one; src is an IPv4 or IPv6 address, never an IPv4-mapped one.
type Handler func(pkt []byte, src netip.AddrPort)

// Serve receives on socket i and calls h for every packet, until Close. It
// returns nil after Close and an error when the socket stopped working.
func (g *Group) Serve(i int, h Handler) error {
	s := g.sockets[i]
	// One byte more than the largest message tells a larger one.
	buf := make([]byte, min(g.max, DefaultMaxMessage)+1)
	for failures := 0; ; {
		n, src, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return nil
			}
			// An ICMP error of an earlier send shows up here and harms nobody; a
			// socket that only fails is dead.
			s.errors.Add(1)
			if failures++; failures > 100 {
				return fmt.Errorf("listener %s: receiving on %s: %w", g.name, g.address, err)
			}
			continue
		}
		failures = 0
		s.packets.Add(1)
		s.bytes.Add(uint64(n))
		if n > g.max {
			s.oversize.Add(1)
			continue
		}
		h(buf[:n], netip.AddrPortFrom(src.Addr().Unmap(), src.Port()))
	}
}

// Send sends pkt from the listener's address. Any goroutine may call it. Packets
// to one address leave by one socket, in the order of the calls.
func (g *Group) Send(pkt []byte, to netip.AddrPort) error {
	s := g.sockets[0]
	if n := len(g.sockets); n > 1 {
		a := to.Addr().As16()
		s = g.sockets[(int(a[15])^int(a[14])^int(to.Port()))%n]
	}
	if _, err := s.conn.WriteToUDPAddrPort(pkt, to); err != nil {
		s.sendErrors.Add(1)
		return err
	}
	s.sent.Add(1)
	s.sentBytes.Add(uint64(len(pkt)))
	return nil
}

// Close closes the sockets; Serve returns. Closing twice is harmless.
func (g *Group) Close() error {
	var errs []error
	for _, s := range g.sockets {
		if err := s.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
