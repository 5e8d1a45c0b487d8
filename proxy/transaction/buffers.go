package transaction

import "sync/atomic"

// bufRef names a buffer of a store: class in the top byte, number below. Zero
// names none.
type bufRef uint32

// classSizes are the sizes of buffers in bytes. Steps of about a third keep what
// a message wastes below a quarter on average.
var classSizes = [...]uint32{256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192, 16384, 65536}

// slabBytes is how much a class grows by at once, at least one buffer.
const slabBytes = 32 << 10

type class struct {
	slabs [][]byte
	per   uint32   // buffers of a slab
	made  uint32   // buffers made so far
	free  []uint32 // numbers of free ones
}

// store hands out the buffers of one shard, whose lock guards it. All stores of a
// table share one budget: what is handed out, counted by the size of its class.
type store struct {
	budget  *budget
	classes [len(classSizes)]class
}

type budget struct {
	limit    int64
	used     atomic.Int64
	peak     atomic.Int64
	reserved atomic.Int64 // slabs made, handed out or not
	refused  atomic.Uint64
}

// take returns a buffer of at least n bytes, or zero when none of that size
// exists or the budget is spent.
func (s *store) take(n int) bufRef {
	k := 0
	for k < len(classSizes) && classSizes[k] < uint32(n) {
		k++
	}
	if k == len(classSizes) {
		s.budget.refused.Add(1)
		return 0
	}
	size := int64(classSizes[k])
	used := s.budget.used.Add(size)
	if used > s.budget.limit {
		s.budget.used.Add(-size)
		s.budget.refused.Add(1)
		return 0
	}
	for {
		peak := s.budget.peak.Load()
		if used <= peak || s.budget.peak.CompareAndSwap(peak, used) {
			break
		}
	}
	c := &s.classes[k]
	var i uint32
	if last := len(c.free) - 1; last >= 0 {
		i = c.free[last]
		c.free = c.free[:last]
	} else {
		if c.per == 0 {
			c.per = max(slabBytes/classSizes[k], 1)
		}
		if c.made == c.per*uint32(len(c.slabs)) {
			c.slabs = append(c.slabs, make([]byte, c.per*classSizes[k]))
			s.budget.reserved.Add(int64(c.per * classSizes[k]))
			if cap(c.free) < int(c.per)*len(c.slabs) {
				grown := make([]uint32, len(c.free), 2*int(c.per)*len(c.slabs))
				copy(grown, c.free)
				c.free = grown
			}
		}
		i = c.made
		c.made++
	}
	return bufRef(uint32(k+1)<<24 | i)
}

// bytes is the whole buffer.
func (s *store) bytes(r bufRef) []byte {
	k := r>>24 - 1
	c := &s.classes[k]
	i := uint32(r & (1<<24 - 1))
	size := classSizes[k]
	at := i % c.per * size
	return c.slabs[i/c.per][at : at+size : at+size]
}

// give takes a buffer back.
func (s *store) give(r bufRef) {
	if r == 0 {
		return
	}
	k := r>>24 - 1
	c := &s.classes[k]
	c.free = append(c.free, uint32(r&(1<<24-1)))
	s.budget.used.Add(-int64(classSizes[k]))
}
