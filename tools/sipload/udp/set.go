package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batch = 32
	// MaxDatagram is the largest datagram that is received whole, bytes. A larger
	// one arrives cut short and is counted.
	MaxDatagram = 9216
)

// Stats are the figures of a Set, since it was opened.
type Stats struct {
	Received, ReceivedBytes uint64
	Sent, SentBytes         uint64
	SendErrors              uint64 // datagrams the kernel did not take
	ReceiveErrors           uint64 // receive calls that failed
	Truncated               uint64 // received datagrams longer than MaxDatagram
	Drops                   uint64 // datagrams lost because a receive queue was full
}

// Set is a number of sockets, known by their index.
type Set struct {
	epoll   int
	sockets []socket
	stats   Stats
	events  []unix.EpollEvent

	in  lane
	out lane
	// Datagrams to be sent, chained by socket: next[i] is the one after i.
	queued int
	next   [batch]int16
	dirty  []int32 // sockets with anything queued
	run    [batch]mmsghdr
}

type socket struct {
	fd          int
	local       netip.AddrPort
	first, last int16 // of the datagrams queued, -1: none
}

// lane is the memory of one batch.
type lane struct {
	msgs [batch]mmsghdr
	iovs [batch]unix.Iovec
	addr [batch]unix.RawSockaddrInet6 // the larger of the two families
	data [batch][]byte
}

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

func (l *lane) init(size int) {
	for i := range l.msgs {
		l.data[i] = make([]byte, size)
		l.iovs[i].Base = &l.data[i][0]
		l.iovs[i].SetLen(size)
		l.msgs[i].hdr.Iov = &l.iovs[i]
		l.msgs[i].hdr.SetIovlen(1)
		l.msgs[i].hdr.Name = (*byte)(unsafe.Pointer(&l.addr[i]))
		l.msgs[i].hdr.Namelen = unix.SizeofSockaddrInet6
	}
}

// Open binds a socket to each address, in order; port 0 lets the kernel choose.
// buffer is the size asked for of every receive queue, bytes. The error names the
// address and what to do; no socket is left open then.
func Open(locals []netip.AddrPort, buffer int) (*Set, error) {
	s := &Set{sockets: make([]socket, 0, len(locals)), events: make([]unix.EpollEvent, min(len(locals), 256)), dirty: make([]int32, 0, batch)}
	s.in.init(MaxDatagram)
	s.out.init(MaxDatagram)
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, fmt.Errorf("epoll: %w", err)
	}
	for i, local := range locals {
		if err := s.open(i, local, buffer); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	return s, nil
}

// LockThread ties the calling goroutine to its thread, until
// runtime.UnlockOSThread, and lets that thread's waits end when they should
// (prctl(2), PR_SET_TIMERSLACK): 50 us late is usual otherwise. That the kernel
// refuses costs only precision.
func LockThread() {
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}

func (s *Set) open(i int, local netip.AddrPort, buffer int) error {
	family := unix.AF_INET
	var sa unix.Sockaddr = &unix.SockaddrInet4{Port: int(local.Port()), Addr: v4(local)}
	if local.Addr().Is6() {
		family, sa = unix.AF_INET6, &unix.SockaddrInet6{Port: int(local.Port()), Addr: local.Addr().As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("cannot open socket %d for %s: %w%s", i+1, local, err, remedy(err))
	}
	s.sockets = append(s.sockets, socket{fd: fd, first: -1, last: -1})
	for _, option := range [][2]int{{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF}} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[0], buffer) != nil {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, option[1], buffer); err != nil {
				return fmt.Errorf("buffers of %s: %w", local, err)
			}
		}
	}
	if err := unix.Bind(fd, sa); err != nil {
		return fmt.Errorf("cannot open %s/udp: %w%s", local, err, remedy(err))
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("address of %s: %w", local, err)
	}
	port := 0
	switch b := bound.(type) {
	case *unix.SockaddrInet4:
		port = b.Port
	case *unix.SockaddrInet6:
		port = b.Port
	}
	s.sockets[i].local = netip.AddrPortFrom(local.Addr(), uint16(port))
	if err := unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return nil
}

func v4(a netip.AddrPort) (b [4]byte) {
	if a.Addr().Is4() {
		b = a.Addr().As4()
	}
	return b
}

func remedy(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": another program receives there; stop it, or name another address or port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ": no interface of this machine (or this network namespace) has the address"
	case errors.Is(err, syscall.EACCES):
		return ": ports below 1024 need CAP_NET_BIND_SERVICE"
	case errors.Is(err, syscall.EMFILE):
		return ": raise the limit of open files (ulimit -n), or use fewer sockets"
	}
	return ""
}

// Local is the address socket i is bound to.
func (s *Set) Local(i int) netip.AddrPort { return s.sockets[i].local }

// Stats are the figures of all sockets so far.
func (s *Set) Stats() (Stats, error) {
	out := s.stats
	for i := range s.sockets {
		d, err := drops(s.sockets[i].fd)
		if err != nil {
			return out, fmt.Errorf("drops of %s: %w", s.sockets[i].local, err)
		}
		out.Drops += uint64(d)
	}
	return out, nil
}

// drops reads the count of SK_MEMINFO_DROPS.
func drops(fd int) (uint32, error) {
	var info [9]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if e != 0 {
		return 0, e
	}
	return info[8], nil
}

// Close closes all sockets. What was not flushed is lost.
func (s *Set) Close() error {
	var errs []error
	for _, k := range s.sockets {
		errs = append(errs, unix.Close(k.fd))
	}
	s.sockets = nil
	return errors.Join(append(errs, unix.Close(s.epoll))...)
}

// Receiver takes what arrives. b is overwritten by later datagrams.
type Receiver interface {
	Receive(socket int, from netip.AddrPort, b []byte)
}

// Receive waits until a datagram arrives or the time is over, and hands over what
// is there: at most one batch of each socket. It returns how many sockets had
// something.
func (s *Set) Receive(wait time.Duration, r Receiver) (int, error) {
	n, err := s.wait(wait)
	if err != nil {
		return 0, err
	}
	for _, e := range s.events[:n] {
		s.receive(int(e.Fd), r)
	}
	return n, nil
}

func (s *Set) wait(wait time.Duration) (int, error) {
	ts := unix.NsecToTimespec(max(0, wait.Nanoseconds()))
	p, n := uintptr(unsafe.Pointer(&s.events[0])), uintptr(len(s.events))
	// A raw call, although it may block: told of a blocking call, the Go scheduler
	// gives our place to others and takes it back each time, and its monitor thread
	// polls every 20 us meanwhile, which costs more than the call. Others who need
	// this place get it all the same: preemption, by a signal, ends the wait.
	r, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT2, uintptr(s.epoll), p, n, uintptr(unsafe.Pointer(&ts)), 0, 0)
	switch e {
	case 0:
		return int(r), nil
	case unix.EINTR:
		return 0, nil
	case unix.ENOSYS:
		return 0, errors.New("epoll_pwait2 is missing: Linux 5.11 or later is needed")
	}
	return 0, fmt.Errorf("epoll_pwait2: %w", e)
}

func (s *Set) receive(i int, r Receiver) {
	l := &s.in
	for k := range l.msgs {
		l.msgs[k].hdr.Namelen = unix.SizeofSockaddrInet6
	}
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.sockets[i].fd), uintptr(unsafe.Pointer(&l.msgs[0])), batch, unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		if e != unix.EAGAIN && e != unix.EINTR {
			s.stats.ReceiveErrors++
		}
		return
	}
	for k := range int(n) {
		m := &l.msgs[k]
		s.stats.Received++
		s.stats.ReceivedBytes += uint64(m.n)
		if m.hdr.Flags&unix.MSG_TRUNC != 0 {
			s.stats.Truncated++
		}
		r.Receive(i, address(&l.addr[k]), l.data[k][:m.n])
	}
}

func address(sa *unix.RawSockaddrInet6) netip.AddrPort {
	if sa.Family == unix.AF_INET {
		s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(s4.Addr), swap(s4.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), swap(sa.Port))
}

// swap changes between network order and that of the machine.
func swap(port uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&port))
	return uint16(b[0])<<8 | uint16(b[1])
}

// Send copies b to be sent from socket i. A datagram of more than MaxDatagram
// bytes is counted as a send error.
func (s *Set) Send(i int, to netip.AddrPort, b []byte) {
	if len(b) > MaxDatagram {
		s.stats.SendErrors++
		return
	}
	if s.queued == batch {
		s.Flush()
	}
	l, k := &s.out, int16(s.queued)
	s.queued++
	l.iovs[k].SetLen(copy(l.data[k], b))
	l.msgs[k].hdr.Namelen = putAddress(&l.addr[k], to)
	q := &s.sockets[i]
	s.next[k] = -1
	if q.first < 0 {
		q.first = k
		s.dirty = append(s.dirty, int32(i))
	} else {
		s.next[q.last] = k
	}
	q.last = k
}

func putAddress(sa *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	if to.Addr().Is4() {
		s4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		*s4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: swap(to.Port()), Addr: to.Addr().As4()}
		return unix.SizeofSockaddrInet4
	}
	*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap(to.Port()), Addr: to.Addr().As16()}
	return unix.SizeofSockaddrInet6
}

// Flush sends everything that waits.
func (s *Set) Flush() {
	for _, i := range s.dirty {
		q := &s.sockets[i]
		n := 0
		for k := q.first; k >= 0; k = s.next[k] {
			s.run[n] = s.out.msgs[k]
			n++
		}
		q.first, q.last = -1, -1
		s.transmit(q.fd, s.run[:n])
	}
	s.dirty, s.queued = s.dirty[:0], 0
}

func (s *Set) transmit(fd int, run []mmsghdr) {
	for len(run) > 0 {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&run[0])), uintptr(len(run)), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case 0:
			for k := range run[:n] {
				s.stats.Sent++
				s.stats.SentBytes += uint64(run[k].n)
			}
			run = run[n:]
		case unix.EINTR:
		case unix.EAGAIN: // the send queue is full: wait for room, but not for ever
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
			if n, err := unix.Poll(fds, 100); err == nil && n > 0 {
				continue
			}
			fallthrough
		default:
			s.stats.SendErrors++
			run = run[1:]
		}
	}
}
