package listen

import (
	"context"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// socket is one member of a group, with the counters of its worker. The padding keeps
// what the receiving worker writes and what senders write off one cache line.
type socket struct {
	conn  *net.UDPConn    // owns the descriptor
	raw   syscall.RawConn // of conn
	fd    int             // of conn; usable between enter and leave
	six   bool            // an IPv6 socket, which reaches no IPv4 address
	inode uint64
	recv  int // SO_RCVBUF as the kernel reports it, bytes
	send  int

	packets, bytes, oversize, errors atomic.Uint64
	empty                            atomic.Uint64 // times its worker found nothing there
	_                                [64]byte
	sent, sentBytes                  atomic.Uint64
	sendErrors, sendFull             atomic.Uint64
	// users is who holds the descriptor: the group until Close, and every send that is
	// under way. The last one out closes it, so that no send ever meets a descriptor
	// that was closed and given to somebody else. Negative: closing.
	users  atomic.Int64
	shut   atomic.Bool // close was called
	closed atomic.Bool
	// serving is set once a worker receives here: then it is that worker who sees the
	// socket to its end, and not Close.
	serving atomic.Bool
	gone    chan struct{} // closed when the descriptor is
	_       [64]byte
}

// closing is what Close adds to the users of a socket.
const closing = math.MinInt64 / 2

// enter takes hold of the descriptor until leave. It reports false after Close.
func (s *socket) enter() bool {
	if s.users.Add(1) > 0 {
		return true
	}
	s.leave()
	return false
}

func (s *socket) leave() {
	if s.users.Add(-1) != closing || !s.closed.CompareAndSwap(false, true) {
		return
	}
	// Closing waits for the receiving worker to leave its call of Read, in which it
	// handles packets: the one who is last out may be that very worker.
	go func() {
		_ = s.conn.Close() // a UDP socket has nothing left to report
		close(s.gone)
	}()
}

// close lets go of the descriptor; whoever waits to receive wakes up. Closing twice is
// harmless.
func (s *socket) close() {
	if s.shut.CompareAndSwap(false, true) {
		s.users.Add(closing)
		s.leave()
	}
}

// wait waits until the descriptor is closed, after close.
func (s *socket) wait() { <-s.gone }

// open opens and binds one socket of a listener.
func open(l runtime.Listener, reuse bool) (*socket, error) {
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) {
			if reuse {
				err = setOption(int(fd), unix.SO_REUSEPORT, 1)
			}
		}); e != nil {
			return e
		}
		return err
	}}
	network := "udp4"
	if l.Address.Addr().Unmap().Is6() {
		network = "udp6" // the net package sets IPV6_V6ONLY
	}
	pc, err := lc.ListenPacket(context.Background(), network, l.Address.String())
	if err != nil {
		return nil, err
	}
	return newSocket(pc, l)
}

// newSocket prepares a socket that is bound. It closes one that it cannot use.
func newSocket(pc net.PacketConn, l runtime.Listener) (*socket, error) {
	s := &socket{conn: pc.(*net.UDPConn), six: l.Address.Addr().Unmap().Is6(), gone: make(chan struct{})}
	s.users.Store(1)
	if err := s.configure(l); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// address is what the socket is bound to.
func (s *socket) address() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

func setOption(fd, option, value int) error {
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, value))
}

// configure prepares the socket for its work.
func (s *socket) configure(l runtime.Listener) error {
	var err error
	if s.raw, err = s.conn.SyscallConn(); err != nil {
		return err
	}
	var failed error
	err = s.raw.Control(func(fd uintptr) {
		s.fd = int(fd)
		if failed = s.typeOfService(l.TOS); failed == nil {
			failed = s.buffers(l)
		}
	})
	return errors.Join(err, failed)
}

// typeOfService sets what packets are sent with: the type of service of IPv4 (ip(7)), the
// traffic class of IPv6 (RFC 3542 section 6.5). An adopted socket may have had another one.
func (s *socket) typeOfService(tos int) error {
	level, option := unix.IPPROTO_IP, unix.IP_TOS
	if s.six {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, level, option, tos))
}

// buffers sets the buffers and reads back what the kernel made of them: it doubles what
// is asked for, and without CAP_NET_ADMIN caps it at net.core.rmem_max (socket(7)).
func (s *socket) buffers(l runtime.Listener) error {
	for _, b := range []struct{ force, plain, size int }{
		{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, l.RecvBuffer},
		{unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, l.SendBuffer},
	} {
		if b.size <= 0 || setOption(s.fd, b.force, b.size) == nil {
			continue
		}
		if err := setOption(s.fd, b.plain, b.size); err != nil {
			return err
		}
	}
	var err1, err2 error
	s.recv, err1 = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	s.send, err2 = unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
	if err := errors.Join(err1, err2); err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	s.inode = st.Ino
	return nil
}
