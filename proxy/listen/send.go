package listen

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Errors of Send that are not the kernel's own words.
var (
	// ErrFull says that the socket's send buffer had no room: the packet was dropped.
	ErrFull = fmt.Errorf("send buffer full: %w", unix.EAGAIN)
	// ErrFamily says that an IPv4 listener was asked to reach an IPv6 address, or the
	// other way round.
	ErrFamily = fmt.Errorf("the listener is of the other IP version: %w", unix.EAFNOSUPPORT)
)

// Send sends pkt from the listener's address. Any goroutine may call it. Packets
// to one address leave by one socket, in the order of the calls.
//
// It never waits: callers hold locks that other workers need, so a packet that finds
// the send buffer full is dropped and counted, as the network would do (ErrFull).
// After Close the error is net.ErrClosed.
func (g *Group) Send(pkt []byte, to netip.AddrPort) error {
	s := g.sockets[0]
	if n := len(g.sockets); n > 1 {
		a := to.Addr().As16()
		s = g.sockets[(int(a[15])^int(a[14])^int(to.Port()))%n]
	}
	if !s.enter() {
		return net.ErrClosed
	}
	err := s.sendTo(pkt, to)
	s.leave()
	if err == nil {
		s.sent.Add(1)
		s.sentBytes.Add(uint64(len(pkt)))
		return nil
	}
	if err == ErrFull {
		s.sendFull.Add(1)
	} else {
		s.sendErrors.Add(1)
	}
	return err
}

// sendTo is sendto(2) without waiting. As it cannot block, it goes past the
// scheduler's bookkeeping for calls that do.
func (s *socket) sendTo(pkt []byte, to netip.AddrPort) error {
	var a sockaddr
	n, ok := a.set(to, s.six)
	if !ok {
		return ErrFamily
	}
	_, _, e := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(s.fd), uintptr(unsafe.Pointer(unsafe.SliceData(pkt))), uintptr(len(pkt)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, uintptr(unsafe.Pointer(&a)), uintptr(n))
	switch e {
	case 0:
		return nil
	case unix.EAGAIN, unix.ENOBUFS:
		return ErrFull
	}
	return os.NewSyscallError("sendto", e)
}
