package listen

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"

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
	adopted int       // of the sockets, how many a process before this one opened
	surplus []*socket // adopted ones without a worker, received from until they are empty; entry i belongs to worker i % len(sockets)
	steer   *steering // nil: each socket's packets stay with its worker
	closed  atomic.Bool
	ending  atomic.Bool // Finish was called
}

// Options are what a listener may ask for beside its sockets.
type Options struct {
	// Key makes the group steer: packets are spread over the workers by the hash of the
	// part of them that Key returns (CallID, for one), whichever socket they came in by,
	// so that a trunk with one source port keeps all workers busy. Packets of one key go
	// to one worker's Handler, never two at a time and in the order they came. Packets
	// without a key (nil) stay with the worker of their socket. All workers call Key, at
	// the same time. nil: no steering.
	Key func(pkt []byte) []byte
	// Inherited are sockets that a process before this one left, by their index in its group.
	// Each fits (Fits), and belongs to the group from now on. nil: none.
	Inherited map[int]*os.File
}

// Open opens the sockets of a listener. The error names the listener, its address
// and what to do.
func Open(l runtime.Listener, o Options) (*Group, error) {
	g, err := openGroup(l, o)
	for _, f := range o.Inherited {
		_ = f.Close() // the group has descriptors of its own
	}
	return g, err
}

func openGroup(l runtime.Listener, o Options) (*Group, error) {
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
	own, err := g.adopt(l, o.Inherited)
	if err != nil {
		_ = g.Close()
		return nil, g.explain(err)
	}
	// A plain socket can be bound only when nobody is there: SO_REUSEPORT alone
	// would let two processes share the port, each losing half the packets. Sockets that
	// were left to us are such a somebody.
	if l.Address.Port() != 0 && len(o.Inherited) == 0 {
		alone, err := open(l, false)
		if err != nil {
			return nil, g.explain(err)
		}
		alone.close()
		alone.wait()
	}
	for i := range max(l.Workers, 1) {
		if s := own[i]; s != nil {
			g.sockets = append(g.sockets, s)
			delete(own, i)
			continue
		}
		s, err := open(l, true)
		if err != nil {
			closeAll(own)
			_ = g.Close()
			return nil, g.explain(err)
		}
		g.sockets = append(g.sockets, s)
		if l.Address.Port() == 0 { // the first one's choice is the group's
			l.Address = netip.AddrPortFrom(l.Address.Addr(), s.address().Port())
			g.address = l.Address
		}
	}
	if o.Key != nil && len(g.sockets) > 1 {
		g.steer = newSteering(len(g.sockets), o.Key)
	}
	return g, nil
}

func (g *Group) explain(err error) error {
	remedy := ""
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		remedy = ": another program receives there; stop it, or give the listener another port"
	case errors.Is(err, unix.EADDRNOTAVAIL):
		remedy = ": no interface of this machine has the address"
	case errors.Is(err, unix.EACCES):
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

// Close closes the sockets; Serve returns. Any goroutine may call it, a Handler too.
// Closing twice is harmless. The address is free when Close and all calls of Serve have
// returned.
func (g *Group) Close() error {
	if !g.closed.CompareAndSwap(false, true) {
		return nil
	}
	if g.steer != nil {
		g.steer.finish()
	}
	all := slices.Concat(g.sockets, g.surplus)
	for _, s := range all {
		s.close()
	}
	for _, s := range all {
		if !s.serving.Load() {
			s.wait()
		}
	}
	return nil
}
