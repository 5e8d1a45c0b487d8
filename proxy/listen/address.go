package listen

import (
	"encoding/binary"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sockaddr is room for an IPv4 or IPv6 socket address as the kernel reads and writes
// it (ip(7), ipv6(7)). It is a plain value, so that filling one allocates nothing.
type sockaddr struct {
	unix.RawSockaddrInet6 // the larger one; an IPv4 address lies in its first 16 bytes
}

func (s *sockaddr) inet4() *unix.RawSockaddrInet4 {
	return (*unix.RawSockaddrInet4)(unsafe.Pointer(&s.RawSockaddrInet6))
}

// set stores an address for a socket of one family and returns its length in bytes. It
// reports false where the socket cannot reach the address's family.
func (s *sockaddr) set(a netip.AddrPort, six bool) (uint32, bool) {
	ip := a.Addr().Unmap()
	if !six {
		if !ip.Is4() {
			return 0, false
		}
		in := s.inet4()
		in.Family, in.Addr = unix.AF_INET, ip.As4()
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&in.Port))[:], a.Port())
		return unix.SizeofSockaddrInet4, true
	}
	if !ip.Is6() {
		return 0, false
	}
	s.Family, s.Addr = unix.AF_INET6, ip.As16()
	s.Flowinfo, s.Scope_id = 0, scope(ip.Zone())
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&s.Port))[:], a.Port())
	return unix.SizeofSockaddrInet6, true
}

// get reads an address of n bytes that the kernel wrote. It is never an IPv4-mapped
// one. It reports false when there is none.
func (s *sockaddr) get(n uint32) (netip.AddrPort, bool) {
	switch {
	case n >= unix.SizeofSockaddrInet4 && s.Family == unix.AF_INET:
		in := s.inet4()
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&in.Port))[:])), true
	case n >= unix.SizeofSockaddrInet6 && s.Family == unix.AF_INET6:
		ip := netip.AddrFrom16(s.Addr).Unmap()
		if s.Scope_id != 0 {
			ip = ip.WithZone(zone(s.Scope_id))
		}
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&s.Port))[:])), true
	}
	return netip.AddrPort{}, false
}

// scope is the index of the interface a zone names, 0 for none (RFC 4007 section 11).
// Zones come with link-local addresses alone, so looking one up may take its time.
func scope(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32)
	return uint32(n)
}

func zone(scope uint32) string {
	if i, err := net.InterfaceByIndex(int(scope)); err == nil {
		return i.Name
	}
	return strconv.FormatUint(uint64(scope), 10)
}
