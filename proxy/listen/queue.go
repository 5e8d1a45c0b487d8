package listen

import (
	"net/netip"
	"sync"
)

// Bounds of one pile of packets that wait for a worker. Two piles are set aside for each
// worker of a steered group; what no packet ever reaches is never backed by memory.
const (
	pilePackets = 1024
	pileBytes   = 1 << 20
)

// pile is packets, one after the other.
type pile struct {
	src  []netip.AddrPort
	ends []int // where packet i ends in data
	data []byte
}

func newPile() pile {
	return pile{src: make([]netip.AddrPort, 0, pilePackets), ends: make([]int, 0, pilePackets), data: make([]byte, 0, pileBytes)}
}

// each calls h for every packet in the order they came, and leaves the pile empty.
func (p *pile) each(h Handler) {
	start := 0
	for i, end := range p.ends {
		h(p.data[start:end:end], p.src[i])
		start = end
	}
	p.src, p.ends, p.data = p.src[:0], p.ends[:0], p.data[:0]
}

// queue is packets that wait for a worker: what is put in on one pile, while the other
// is being handled. Its lock is held for the copy of one packet at most.
type queue struct {
	mu sync.Mutex
	in pile
}

// put copies a packet in. It reports false when there is no room.
func (q *queue) put(pkt []byte, src netip.AddrPort) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.in.ends) == cap(q.in.ends) || len(q.in.data)+len(pkt) > cap(q.in.data) {
		return false
	}
	q.in.data = append(q.in.data, pkt...)
	q.in.ends = append(q.in.ends, len(q.in.data))
	q.in.src = append(q.in.src, src)
	return true
}

// swap takes what is in and leaves the empty pile out in its place. It reports whether
// there was anything.
func (q *queue) swap(out *pile) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.in.ends) == 0 {
		return false
	}
	q.in, *out = *out, q.in
	return true
}
