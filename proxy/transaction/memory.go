package transaction

import (
	"fmt"
	"math/bits"
	"sync"

	"trunkline/proxy/shm"
)

// memory is what the buffers of a table are cut from: slabs in the arena. Which of them
// stores have is not written there; it follows from the slots.
type memory struct {
	budget
	bytes []byte  // slab i from i*slabBytes
	class []uint8 // of each slab that a store has; meaningless for others
	slabs []slab

	mu    sync.Mutex
	empty []uint64 // a bit for each slab that no store has
}

// newMemory takes room for limit bytes of buffers and for the slabs that so many shards
// have partly used.
func newMemory(a *shm.Arena, limit int64, shards int) (*memory, error) {
	n := int((limit+slabBytes-1)/slabBytes) + shards*slackSlabs
	if n > 1<<24-2 {
		return nil, fmt.Errorf("%d bytes of messages, at most %d fit", limit, (int64(1)<<24-2)*slabBytes)
	}
	m := &memory{budget: budget{limit: limit}, slabs: make([]slab, n), empty: make([]uint64, (n+63)/64)}
	var err error
	if m.class, err = shm.Take[uint8](a, "message classes", n); err != nil {
		return nil, err
	}
	if m.bytes, err = shm.Take[uint8](a, "messages", n*slabBytes); err != nil {
		return nil, err
	}
	for i := range n {
		m.empty[i/64] |= 1 << (i % 64)
	}
	return m, nil
}

func (m *memory) isEmpty(i uint32) bool { return m.empty[i/64]&(1<<(i%64)) != 0 }

func (m *memory) setEmpty(i uint32, n int, empty bool) {
	for ; n > 0; i, n = i+1, n-1 {
		if empty {
			m.empty[i/64] |= 1 << (i % 64)
		} else {
			m.empty[i/64] &^= 1 << (i % 64)
		}
	}
}

// slab takes a slab that no store has: the first, and for a big buffer the last bigSlabs
// in a row, so that what is cut small leaves rows of them.
func (m *memory) slab(big bool) (uint32, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if big {
		return m.row()
	}
	for k, word := range m.empty {
		if word != 0 {
			i := uint32(k*64 + bits.TrailingZeros64(word))
			m.setEmpty(i, 1, false)
			m.reserved.Add(slabBytes)
			return i, true
		}
	}
	return 0, false
}

// row takes the last bigSlabs empty slabs in a row.
func (m *memory) row() (uint32, bool) {
	run := 0
	for i := len(m.slabs) - 1; i >= 0; i-- {
		if i%64 == 63 && m.empty[i/64] == 0 {
			i -= 63
			run = 0
			continue
		}
		if !m.isEmpty(uint32(i)) {
			run = 0
			continue
		}
		if run++; run == bigSlabs {
			m.setEmpty(uint32(i), bigSlabs, false)
			m.reserved.Add(bigSlabs * slabBytes)
			return uint32(i), true
		}
	}
	return 0, false
}

func (m *memory) giveSlab(i uint32, big bool) {
	n := 1
	if big {
		n = bigSlabs
	}
	m.mu.Lock()
	m.setEmpty(i, n, true)
	m.mu.Unlock()
	m.reserved.Add(-int64(n) * slabBytes)
}

// claimSlabs takes n slabs from i on, all of them empty, or none.
func (m *memory) claimSlabs(i uint32, n int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range uint32(n) {
		if int(i+k) >= len(m.slabs) || !m.isEmpty(i+k) {
			return false
		}
	}
	m.setEmpty(i, n, false)
	m.reserved.Add(int64(n) * slabBytes)
	return true
}
