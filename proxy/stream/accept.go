package stream

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Accepting goes on after the system had no descriptor left, but not at once.
const acceptPause = 50 * time.Millisecond

// accept takes connections until Close.
func (g *Group) accept() {
	for {
		var failure error
		err := g.raw.Read(func(fd uintptr) bool {
			for g.ctx.Err() == nil {
				nfd, sa, err := unix.Accept4(int(fd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
				switch err {
				case nil:
					g.admit(nfd, peerOf(sa))
				case unix.EAGAIN:
					return false
				case unix.EINTR, unix.ECONNABORTED, unix.EPROTO, unix.EPERM, unix.ENETDOWN, unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EHOSTDOWN, unix.ENOPROTOOPT, unix.ETIMEDOUT:
					// Of one connection, not of the socket (accept(2)).
				default:
					failure = os.NewSyscallError("accept4", err)
					return true
				}
			}
			return true
		})
		switch {
		case g.ctx.Err() != nil:
			return
		case errors.Is(failure, unix.EMFILE), errors.Is(failure, unix.ENFILE), errors.Is(failure, unix.ENOBUFS), errors.Is(failure, unix.ENOMEM):
			g.stats.refused[refusedSystem].Add(1)
			select {
			case <-time.After(acceptPause):
			case <-g.ctx.Done():
				return
			}
		case failure != nil || err != nil:
			select {
			case g.failed <- errors.Join(failure, err):
			default:
			}
			return
		}
	}
}

// peerOf reads the address the kernel reports, never as an IPv4-mapped one.
func peerOf(sa unix.Sockaddr) netip.AddrPort {
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(a.Addr).Unmap()
		if a.ZoneId != 0 { // link-local
			if i, err := net.InterfaceByIndex(int(a.ZoneId)); err == nil {
				ip = ip.WithZone(i.Name)
			} else {
				ip = ip.WithZone(strconv.FormatUint(uint64(a.ZoneId), 10))
			}
		}
		return netip.AddrPortFrom(ip, uint16(a.Port))
	}
	return netip.AddrPort{}
}

// admit judges an accepted socket and makes a connection of it.
func (g *Group) admit(fd int, peer netip.AddrPort) {
	if !peer.IsValid() || g.o.Admit != nil && !g.o.Admit(peer.Addr()) {
		g.refuse(fd, refusedSource)
		return
	}
	if (g.secure || g.ws) && g.stats.handshaking.Load() >= int64(g.o.MaxHandshakes) {
		g.refuse(fd, refusedHandshakes)
		return
	}
	if why := g.sources.accept(peer.Addr(), g.now()); why != refusedNot {
		g.refuse(fd, why)
		return
	}
	tcp, err := connection(fd)
	if err == nil {
		err = g.take(tcp, peer)
	}
	if err != nil {
		g.sources.release(peer.Addr(), false)
		g.stats.refused[refusedSystem].Add(1)
	}
}

// refuse resets a connection: neither side keeps anything of it.
func (g *Group) refuse(fd int, why refusal) {
	g.stats.refused[why].Add(1)
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	_ = unix.Close(fd)
}

// connection hands a socket to the net package.
func connection(fd int) (*net.TCPConn, error) {
	f := os.NewFile(uintptr(fd), "connection")
	c, err := net.FileConn(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// take starts an accepted connection.
func (g *Group) take(tcp *net.TCPConn, peer netip.AddrPort) error {
	c := g.newConn(peer, false)
	if err := c.attach(tcp); err != nil {
		_ = tcp.Close()
		return err
	}
	g.table.hold(c)
	g.stats.accepted.Add(1)
	g.stats.live.Add(1)
	if g.secure || g.ws {
		g.stats.handshaking.Add(1)
	}
	if !g.spawn(c.serve) {
		c.leave(net.ErrClosed)
		c.finished()
	}
	return nil
}
