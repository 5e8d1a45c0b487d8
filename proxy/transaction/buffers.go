package transaction

import (
	"math/bits"
	"sync"
	"sync/atomic"
)

// bufRef names a buffer of a store: the number of its slab plus one, and in the low
// byte its place there. Zero names none.
type bufRef uint32

// classSizes are the sizes of buffers in bytes. Steps of about a third keep what a
// message wastes below a quarter on average. All but the last divide slabBytes, so
// that a slab emptied of one class serves any other.
var classSizes = [...]uint32{256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192, 12288, slabBytes, 65536}

const (
	// slabBytes is what a store grows by. Buffers of the last class stand alone.
	slabBytes = 24 << 10
	bigClass  = uint8(len(classSizes) - 1)

	// slackSlabs is how many slabs of each shard may be partly used when the budget
	// is spent: messages of a call fall into about so many classes.
	slackSlabs = 4

	// keepSpare is how many empty slabs a store keeps before it turns to the pool all
	// stores share, so that it hardly ever does.
	keepSpare = 2
)

// slab is memory cut into buffers of one class.
type slab struct {
	mem   []byte
	free  [2]uint64 // a bit for each buffer that is free
	used  uint8     // buffers handed out
	class uint8
	// prev and next link the slabs of a class that have room; next also those without
	// memory.
	prev, next uint32
}

// store hands out the buffers of one shard, whose lock guards it. All stores of a
// table share one budget: what is handed out, counted by the size of its class,
// and what was taken for slabs. An empty slab serves the class or shard that needs
// one next, so memory follows the sizes of messages instead of adding up over them.
type store struct {
	budget *budget
	slabs  []slab
	room   [len(classSizes)]uint32 // first slab with room of each class
	bare   uint32                  // first slab without memory
	spare  [keepSpare][]byte       // memory of empty slabs, slabBytes each
	spares int
}

type budget struct {
	limit    int64 // of used
	ceiling  int64 // of reserved
	used     atomic.Int64
	peak     atomic.Int64
	reserved atomic.Int64 // slabs made, handed out or not
	refused  atomic.Uint64

	mu   sync.Mutex
	pool [2][][]byte // memory of empty slabs: of slabBytes, and of the last class
}

func newStore(b *budget) store {
	s := store{budget: b, bare: none}
	for k := range s.room {
		s.room[k] = none
	}
	return s
}

// take returns a buffer of at least n bytes, or zero when none of that size
// exists or the budget is spent.
func (s *store) take(n int) bufRef {
	k := uint8(0)
	for k <= bigClass && int64(classSizes[k]) < int64(n) {
		k++
	}
	if k > bigClass || !s.budget.take(int64(classSizes[k])) {
		s.budget.refused.Add(1)
		return 0
	}
	i := s.room[k]
	if i == none {
		var ok bool
		if i, ok = s.slabFor(k); !ok {
			s.budget.used.Add(-int64(classSizes[k]))
			s.budget.refused.Add(1)
			return 0
		}
	}
	sl := &s.slabs[i]
	at := bits.TrailingZeros64(sl.free[0])
	if at == 64 {
		at += bits.TrailingZeros64(sl.free[1])
	}
	sl.free[at/64] &^= 1 << (at % 64)
	sl.used++
	if sl.free == [2]uint64{} {
		s.unlink(i)
	}
	return bufRef((i+1)<<8 | uint32(at))
}

// slabFor gives class k a slab with room.
func (s *store) slabFor(k uint8) (uint32, bool) {
	var mem []byte
	if k != bigClass && s.spares > 0 {
		s.spares--
		mem, s.spare[s.spares] = s.spare[s.spares], nil
	} else if mem = s.budget.slab(k == bigClass); mem == nil {
		return 0, false
	}
	i := s.bare
	if i != none {
		s.bare = s.slabs[i].next
	} else {
		i = uint32(len(s.slabs))
		s.slabs = append(s.slabs, slab{})
	}
	n := len(mem) / int(classSizes[k])
	s.slabs[i] = slab{mem: mem, class: k, free: [2]uint64{1<<min(n, 64) - 1, 1<<max(n-64, 0) - 1}}
	s.link(i)
	return i, true
}

// release takes an empty slab's memory away from it.
func (s *store) release(i uint32) {
	s.unlink(i)
	sl := &s.slabs[i]
	if sl.class != bigClass && s.spares < keepSpare {
		s.spare[s.spares] = sl.mem
		s.spares++
	} else {
		s.budget.giveSlab(sl.mem, sl.class == bigClass)
	}
	sl.mem = nil
	sl.next, s.bare = s.bare, i
}

// bytes is the whole buffer.
func (s *store) bytes(r bufRef) []byte {
	sl := &s.slabs[r>>8-1]
	size := classSizes[sl.class]
	at := uint32(r&0xff) * size
	return sl.mem[at : at+size : at+size]
}

// give takes a buffer back.
func (s *store) give(r bufRef) {
	if r == 0 {
		return
	}
	i, at := uint32(r>>8-1), r&0xff
	sl := &s.slabs[i]
	s.budget.used.Add(-int64(classSizes[sl.class]))
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
	sl := &s.slabs[i]
	first := &s.room[sl.class]
	sl.prev, sl.next = none, *first
	if *first != none {
		s.slabs[*first].prev = i
	}
	*first = i
}

func (s *store) unlink(i uint32) {
	sl := &s.slabs[i]
	if sl.prev != none {
		s.slabs[sl.prev].next = sl.next
	} else {
		s.room[sl.class] = sl.next
	}
	if sl.next != none {
		s.slabs[sl.next].prev = sl.prev
	}
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

// slab returns memory for a slab: from the pool, else new. It returns nil when that
// would break the ceiling even without what lies unused in the other size.
func (b *budget) slab(big bool) []byte {
	kind, size := 0, int64(slabBytes)
	if big {
		kind, size = 1, int64(classSizes[bigClass])
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.pool[kind]) - 1; n >= 0 {
		mem := b.pool[kind][n]
		b.pool[kind][n], b.pool[kind] = nil, b.pool[kind][:n]
		return mem
	}
	other := &b.pool[1-kind]
	for b.reserved.Load()+size > b.ceiling {
		n := len(*other) - 1
		if n < 0 {
			return nil
		}
		b.reserved.Add(-int64(len((*other)[n])))
		(*other)[n], *other = nil, (*other)[:n]
	}
	b.reserved.Add(size)
	return make([]byte, size)
}

func (b *budget) giveSlab(mem []byte, big bool) {
	kind := 0
	if big {
		kind = 1
	}
	b.mu.Lock()
	b.pool[kind] = append(b.pool[kind], mem)
	b.mu.Unlock()
}
