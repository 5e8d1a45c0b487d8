package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// Fits says why a descriptor that was inherited cannot be a socket of a listener; nil: it can. It
// must be a UDP socket bound to the listener's address, and one of a SO_REUSEPORT group, or there
// could be no other beside it.
func Fits(f *os.File, l runtime.Listener) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	e := raw.Control(func(fd uintptr) { err = fits(int(fd), l) })
	return errors.Join(e, err)
}

func fits(fd int, l runtime.Listener) error {
	for _, want := range []struct {
		level, option, value int
		what                 string
		six                  bool // of IPv6 alone
	}{
		{unix.SOL_SOCKET, unix.SO_TYPE, unix.SOCK_DGRAM, "it is no datagram socket", false},
		{unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_UDP, "it is no UDP socket", false},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, "it shares its port with no other (SO_REUSEPORT)", false},
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "it takes IPv4 as well (IPV6_V6ONLY)", true},
	} {
		if want.six && !l.Address.Addr().Unmap().Is6() {
			continue
		}
		switch v, err := unix.GetsockoptInt(fd, want.level, want.option); {
		case err != nil:
			return os.NewSyscallError("getsockopt", err)
		case v != want.value:
			return errors.New(want.what)
		}
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	var at netip.AddrPort
	want := netip.AddrPortFrom(l.Address.Addr().Unmap(), l.Address.Port())
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		at = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr)
		if a.ZoneId != 0 && a.ZoneId == scope(want.Addr().Zone()) {
			ip = ip.WithZone(want.Addr().Zone())
		}
		at = netip.AddrPortFrom(ip, uint16(a.Port))
	}
	if at != want {
		return fmt.Errorf("it is bound to %s, not to %s", at, want)
	}
	return nil
}

// adopt makes sockets of those that were inherited: the ones with a worker by their index; the
// others are the group's surplus. On an error nothing of them is left.
func (g *Group) adopt(l runtime.Listener, inherited map[int]*os.File) (map[int]*socket, error) {
	own := map[int]*socket{}
	for i, f := range inherited {
		pc, err := net.FilePacketConn(f)
		if err != nil {
			closeAll(own)
			return nil, err
		}
		s, err := newSocket(pc, l)
		switch {
		case err != nil:
			closeAll(own)
			return nil, err
		case i < max(l.Workers, 1):
			own[i] = s
			g.adopted++
		default:
			g.surplus = append(g.surplus, s)
		}
	}
	return own, nil
}

func closeAll(sockets map[int]*socket) {
	for _, s := range sockets {
		s.close()
		s.wait()
	}
}

// Adopted is how many of the sockets a process before this one opened.
func (g *Group) Adopted() int { return g.adopted }

// File returns a descriptor of socket i, which the caller closes.
func (g *Group) File(i int) (*os.File, error) { return g.sockets[i].conn.File() }

// receiveSurplus takes what waits in surplus sockets of a worker, and closes them. The kernel may
// give them a packet between the two; its sender repeats it, as it does one lost on the way.
func (g *Group) receiveSurplus(own *socket, b *batch, each func(b *batch, n int)) {
	i := slices.Index(g.sockets, own)
	for k, s := range g.surplus {
		if k%len(g.sockets) != i || !s.enter() {
			continue
		}
		for failures := 0; failures <= maxFailures && !g.closed.Load(); {
			n, e := b.receive(uintptr(s.fd))
			if e == unix.EAGAIN {
				break
			}
			if e != 0 {
				failures++
				continue
			}
			g.count(own, b, n)
			each(b, n)
		}
		s.close()
		s.leave()
	}
}

// Finish ends Serve where a packet ends: all that was received is handled, and what comes from
// now on waits in the sockets, for whoever has their descriptors next. Send works until Close. All
// workers are being served.
func (g *Group) Finish() error {
	g.ending.Store(true)
	var errs []error
	for _, s := range g.sockets {
		errs = append(errs, s.conn.SetReadDeadline(time.Unix(1, 0)))
	}
	return errors.Join(errs...)
}
