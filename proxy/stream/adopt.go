package stream

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"trunkline/appliance/runtime"
)

// Fits says why a descriptor that was inherited cannot be the listening socket of a listener; nil:
// it can. It must be a listening TCP socket at the listener's address.
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
		{unix.SOL_SOCKET, unix.SO_TYPE, unix.SOCK_STREAM, "it is no stream socket", false},
		{unix.SOL_SOCKET, unix.SO_PROTOCOL, unix.IPPROTO_TCP, "it is no TCP socket", false},
		{unix.SOL_SOCKET, unix.SO_ACCEPTCONN, 1, "it takes no connections", false},
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
	want := netip.AddrPortFrom(l.Address.Addr().Unmap(), l.Address.Port())
	if at := peerOf(sa); at != want {
		return fmt.Errorf("it is bound to %s, not to %s", at, want)
	}
	return nil
}

// adopt takes over the inherited listening socket, with the options of this configuration.
func (g *Group) adopt() error {
	g.file, g.address = g.o.Inherited, g.l.Address
	raw, err := g.file.SyscallConn()
	if err != nil {
		return err
	}
	g.raw = raw
	return g.configure("", "", raw)
}

// Adopted reports whether a process before this one opened the listening socket.
func (g *Group) Adopted() bool { return g.o.Inherited != nil }

// File returns a descriptor of the listening socket, which the caller closes.
func (g *Group) File() (*os.File, error) {
	var fd int
	var err error
	e := g.raw.Control(func(from uintptr) { fd, err = unix.FcntlInt(from, unix.F_DUPFD_CLOEXEC, 3) })
	if err := errors.Join(e, err); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return os.NewFile(uintptr(fd), g.l.Name), nil
}
