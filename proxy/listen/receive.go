package listen

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many packets one receive call takes at most.
const batchSize = 32

// maxFailures is how many receive calls in a row may fail before a socket is dead.
const maxFailures = 100

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32 // bytes received
	_   [4]byte
}

// batch is the memory of one worker's receive calls.
type batch struct {
	msgs [batchSize]mmsghdr
	iov  [batchSize]unix.Iovec
	from [batchSize]sockaddr
	used int // messages whose headers the kernel has written
}

// newBatch makes room for packets of up to size bytes.
func newBatch(size int) *batch {
	b := &batch{used: batchSize}
	// An odd number of cache lines from one buffer to the next keeps the beginnings of
	// packets, which are all that most use, off the same sets of the CPU's caches. What
	// no packet ever reaches is never backed by memory.
	const line = 64
	stride := ((size+line-1)/line | 1) * line
	mem := make([]byte, stride*batchSize)
	for i := range b.msgs {
		b.iov[i].Base = &mem[i*stride]
		b.iov[i].SetLen(size)
		h := &b.msgs[i].hdr
		h.Iov = &b.iov[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&b.from[i]))
	}
	return b
}

// packet is packet i of the last receive call.
func (b *batch) packet(i int) []byte { return unsafe.Slice(b.iov[i].Base, b.msgs[i].n) }

// source is where packet i came from. It reports false for one that is not to be handled.
func (b *batch) source(i int) (netip.AddrPort, bool) { return b.from[i].get(b.msgs[i].hdr.Namelen) }

// receive takes what is there, up to the size of the batch, without waiting
// (recvmmsg(2)). As it cannot block, it goes past the scheduler's bookkeeping for calls
// that do.
func (b *batch) receive(fd uintptr) (int, syscall.Errno) {
	for i := range b.msgs[:b.used] {
		b.msgs[i].hdr.Namelen = uint32(unsafe.Sizeof(b.from[i]))
	}
	b.used = 0
	n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.msgs)), batchSize, unix.MSG_DONTWAIT, 0, 0)
	if e != 0 {
		return 0, e
	}
	b.used = int(n)
	return b.used, 0
}

// count counts a batch that came in by s. Packets larger than the listener takes lose
// their source, and with it go no further.
func (g *Group) count(s *socket, b *batch, n int) {
	bytes, over := 0, 0
	for i := range n {
		size := int(b.msgs[i].n)
		bytes += size
		if size > g.max {
			over++
			b.msgs[i].hdr.Namelen = 0
		}
	}
	s.packets.Add(uint64(n))
	s.bytes.Add(uint64(bytes))
	if over > 0 {
		s.oversize.Add(uint64(over))
	}
}

// Handler takes one received packet. pkt belongs to the worker and is overwritten
// after the call; src is an IPv4 or IPv6 address, never an IPv4-mapped one.
type Handler func(pkt []byte, src netip.AddrPort)

// Serve receives on socket i and calls h for every packet, until Close or Finish. It
// returns nil after these and an error when the socket stopped working. Each socket
// is served by one call of Serve.
func (g *Group) Serve(i int, h Handler) error {
	if g.steer != nil {
		return g.steer.serve(g, i, h)
	}
	return g.receive(g.sockets[i], func(b *batch, n int) {
		for k := range n {
			if src, ok := b.source(k); ok {
				h(b.packet(k), src)
			}
		}
	})
}

// receive receives on a socket until Close and gives on what came, batch by batch.
//
// All of it happens in one call of the raw connection's Read: what is there is taken
// until nothing is left, and only then does the goroutine park in Go's poller. This
// costs one wake-up for whatever came while the worker was at work, and half the CPU
// of a Read per packet; the package's doc has the figures and what else was tried.
func (g *Group) receive(s *socket, each func(b *batch, n int)) error {
	// One byte more than the largest message tells a larger one.
	b := newBatch(min(g.max, DefaultMaxMessage) + 1)
	s.serving.Store(true)
	var failed error
	failures := 0
	var naps naps
	g.receiveSurplus(s, b, each)
	err := s.raw.Read(func(fd uintptr) bool {
		for !g.closed.Load() && !g.ending.Load() {
			n, e := b.receive(fd)
			switch e {
			case 0:
				failures = 0
				naps.fresh += n
				g.count(s, b, n)
				each(b, n)
			case unix.EAGAIN:
				s.empty.Add(1)
				if !naps.worth() {
					return false
				}
				nap()
			case unix.EINTR:
			default:
				// An ICMP error of an earlier send may show up here and harms nobody; a
				// socket that only fails is dead.
				s.errors.Add(1)
				if failures++; failures > maxFailures {
					failed = e
					return true
				}
			}
		}
		return true
	})
	s.serving.Store(false)
	switch {
	case g.closed.Load() || errors.Is(err, net.ErrClosed):
		s.wait()
		return nil
	case g.ending.Load() && (err == nil && failed == nil || errors.Is(err, os.ErrDeadlineExceeded)):
		return nil
	case failed != nil:
		err = failed
	}
	return fmt.Errorf("listener %s: receiving on %s: %w", g.name, g.address, err)
}
