package transaction

import (
	"math/bits"
	"sync/atomic"
)

// bufRef names a buffer: the number of its slab plus one, and in the low byte its place
// there. Zero names none. It means the same to every process that has the arena.
type bufRef uint32

func makeRef(slab uint32, place int) bufRef { return bufRef((slab+1)<<8 | uint32(place)) }

func (r bufRef) split() (slab uint32, place int) { return uint32(r>>8) - 1, int(r & 0xff) }

// classSizes are the sizes of buffers in bytes. Steps of about a third keep what a
// message wastes below a quarter on average. All but the last divide slabBytes, so
// that a slab emptied of one class serves any other.
var classSizes = [...]uint32{256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192, 12288, slabBytes, bigSlabs * slabBytes}

const (
	// slabBytes is what a store grows by. A buffer of the last class takes bigSlabs of them
	// in a row, so that the largest datagram fits.
	slabBytes = 24 << 10
	bigSlabs  = 3
	bigClass  = uint8(len(classSizes) - 1)

	// slackSlabs is how many slabs of each shard may be partly used when the budget
	// is spent: messages of a call fall into about so many classes.
	slackSlabs = 4

	// keepSpare is how many empty slabs a store keeps before it turns to the pool all
	// stores share, so that it hardly ever does.
	keepSpare = 2
)

// slab is what a store knows of memory cut into buffers of one class. The class itself
// stands in the arena.
type slab struct {
	free [2]uint64 // a bit for each buffer that is free
	used uint8     // buffers handed out
	// shard is that of the store that has it.
	shard uint16
	// prev and next link the slabs of a class that have room.
	prev, next uint32
}

// store hands out the buffers of one shard, whose lock guards it and the slabs it has.
// All stores of a table share the memory and one budget: what is handed out, counted by
// the size of its class, and what was taken for slabs. An empty slab serves the class or
// shard that needs one next, so memory follows the sizes of messages instead of adding up
// over them.
type store struct {
	m      *memory
	shard  uint16
	room   [len(classSizes)]uint32 // first slab with room of each class
	spare  [keepSpare]uint32       // empty slabs
	spares int
}

func newStore(m *memory, shard int) store {
	s := store{m: m, shard: uint16(shard)}
	for k := range s.room {
		s.room[k] = none
	}
	return s
}

// classFor is the smallest class for n bytes; above bigClass: none.
func classFor(n int) uint8 {
	k := uint8(0)
	for k <= bigClass && int64(classSizes[k]) < int64(n) {
		k++
	}
	return k
}

// take returns a buffer of at least n bytes, or zero when none of that size
// exists or the budget is spent.
func (s *store) take(n int) bufRef {
	k := classFor(n)
	if k > bigClass || !s.m.take(int64(classSizes[k])) {
		s.m.refused.Add(1)
		return 0
	}
	i := s.room[k]
	if i == none {
		var ok bool
		if i, ok = s.slabFor(k); !ok {
			s.m.used.Add(-int64(classSizes[k]))
			s.m.refused.Add(1)
			return 0
		}
	}
	sl := &s.m.slabs[i]
	at := bits.TrailingZeros64(sl.free[0])
	if at == 64 {
		at += bits.TrailingZeros64(sl.free[1])
	}
	sl.free[at/64] &^= 1 << (at % 64)
	sl.used++
	if sl.free == [2]uint64{} {
		s.unlink(i)
	}
	return makeRef(i, at)
}

// slabFor gives class k a slab with room.
func (s *store) slabFor(k uint8) (uint32, bool) {
	var i uint32
	if k != bigClass && s.spares > 0 {
		s.spares--
		i = s.spare[s.spares]
	} else {
		var ok bool
		if i, ok = s.m.slab(k == bigClass); !ok {
			return 0, false
		}
	}
	s.cut(i, k)
	s.link(i)
	return i, true
}

// cut makes a slab one of class k with all its buffers free.
func (s *store) cut(i uint32, k uint8) {
	n := places(k)
	s.m.class[i] = k
	s.m.slabs[i] = slab{free: [2]uint64{1<<min(n, 64) - 1, 1<<max(n-64, 0) - 1}, shard: s.shard, prev: none, next: none}
}

// places is how many buffers of class k a slab has.
func places(k uint8) int {
	if k == bigClass {
		return 1
	}
	return int(slabBytes / classSizes[k])
}

// release takes an empty slab out of its class.
func (s *store) release(i uint32) {
	s.unlink(i)
	big := s.m.class[i] == bigClass
	if !big && s.spares < keepSpare {
		s.spare[s.spares] = i
		s.spares++
		return
	}
	s.m.giveSlab(i, big)
}

// bytes is the whole buffer.
func (s *store) bytes(r bufRef) []byte {
	i, at := r.split()
	size := int(classSizes[s.m.class[i]])
	from := int(i)*slabBytes + at*size
	return s.m.bytes[from : from+size : from+size]
}

// uncount takes a buffer out of the account; release it with free.
func (s *store) uncount(r bufRef) {
	if r != 0 {
		i, _ := r.split()
		s.m.used.Add(-int64(classSizes[s.m.class[i]]))
	}
}

// give takes a buffer back.
func (s *store) give(r bufRef) {
	s.uncount(r)
	s.free(r)
}

// free is give for a buffer that is out of the account.
func (s *store) free(r bufRef) {
	if r == 0 {
		return
	}
	i, at := r.split()
	sl := &s.m.slabs[i]
	full := sl.free == [2]uint64{}
	sl.free[at/64] |= 1 << (at % 64)
	sl.used--
	if full {
		s.link(i)
	}
	if sl.used == 0 {
		s.release(i)
	}
}

// link puts slab i among those of its class that have room.
func (s *store) link(i uint32) {
	sl := &s.m.slabs[i]
	first := &s.room[s.m.class[i]]
	sl.prev, sl.next = none, *first
	if *first != none {
		s.m.slabs[*first].prev = i
	}
	*first = i
}

func (s *store) unlink(i uint32) {
	sl := &s.m.slabs[i]
	if sl.prev != none {
		s.m.slabs[sl.prev].next = sl.next
	} else {
		s.room[s.m.class[i]] = sl.next
	}
	if sl.next != none {
		s.m.slabs[sl.next].prev = sl.prev
	}
}

// budget is the account of a table's buffers.
type budget struct {
	limit    int64 // of used
	used     atomic.Int64
	peak     atomic.Int64
	reserved atomic.Int64 // slabs that stores have, with buffers handed out or not
	refused  atomic.Uint64
}

// take counts n bytes as handed out, or reports false.
func (b *budget) take(n int64) bool {
	used := b.used.Add(n)
	if used > b.limit {
		b.used.Add(-n)
		return false
	}
	for {
		peak := b.peak.Load()
		if used <= peak || b.peak.CompareAndSwap(peak, used) {
			return true
		}
	}
}
