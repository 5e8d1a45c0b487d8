package listen

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// truesize is what the kernel counts against a receive buffer for one packet, bytes: a
// head of 2,048 and an sk_buff of 256, for packets below 1,500 bytes from a network card.
// From the loopback it is about half.
const truesize = 2304

// Fields of SO_MEMINFO (include/uapi/linux/sock_diag.h).
const (
	memRmemAlloc = 0
	memRcvbuf    = 1
	memDrops     = 8
	memFields    = 9
)

// Backlog is how a worker keeps up with its socket.
type Backlog struct {
	Packets uint64 // received, ever
	Empty   uint64 // times the worker found nothing more there, ever
	Drops   uint64 // by the kernel because the queue was full, ever, modulo 2^32
	// Waiting is about how many packets wait in the socket, rather fewer than more: the
	// kernel gives memory back late, up to a quarter of the buffer (udp_rmem_release in
	// net/ipv4/udp.c), and that quarter is not counted.
	Waiting int
}

// Backlogs appends the backlog of every socket to dst. It costs a system call a socket
// and allocates nothing where dst has room. Of a closed socket, or where the kernel does
// not tell, Drops and Waiting are 0.
func (g *Group) Backlogs(dst []Backlog) []Backlog {
	for _, s := range g.sockets {
		b := Backlog{Packets: s.packets.Load(), Empty: s.empty.Load()}
		if m, ok := s.memory(); ok {
			b.Drops = uint64(m[memDrops])
			b.Waiting = max(int(m[memRmemAlloc])-int(m[memRcvbuf])/4, 0) / truesize
		}
		dst = append(dst, b)
	}
	return dst
}

// memory reads SO_MEMINFO of the socket (Linux 4.12).
func (s *socket) memory() (m [memFields]uint32, ok bool) {
	if !s.enter() {
		return m, false
	}
	defer s.leave()
	size := uint32(unsafe.Sizeof(m))
	_, _, e := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&m)), uintptr(unsafe.Pointer(&size)), 0)
	return m, e == 0
}
