package limit

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"sync"

	"trunkline/appliance/runtime"
	"trunkline/proxy/shm"
)

// rule is a limit for each address alone, of all groups of a class that have one: the least
// of each figure.
type rule struct {
	*counter              // of the group that said it last, for the count of refusals
	concurrent      int64 // 0: not limited
	interval, depth int64 // as in Rate; 0: not limited
}

// and is the rule with those of one more group.
func (r *rule) and(g group) *rule {
	n := &rule{counter: g.counter, concurrent: int64(g.cfg.ConcurrentCalls)}
	if g.cfg.CPS > 0 {
		rate := NewRate(g.cfg.CPS, g.cfg.Burst, nil)
		n.interval, n.depth = rate.interval, rate.depth
	}
	if r == nil {
		return n
	}
	if r.concurrent > 0 && (n.concurrent == 0 || r.concurrent < n.concurrent) {
		n.concurrent = r.concurrent
	}
	if r.interval > 0 {
		if n.interval == 0 {
			n.depth = r.depth
		}
		n.interval, n.depth = max(n.interval, r.interval), min(n.depth, r.depth)
	}
	return n
}

const (
	// ways is how many places an address may have its row in.
	ways = 16
	// spread is how many rows there are for an address, so that hardly ever all its places
	// are taken by others.
	spread = 4
	// stripes is how many locks the rows share.
	stripes = 64

	// RowBytes is what an address takes, bytes.
	RowBytes = spread * 32
)

// Rows is how many addresses can have calls at one time under limits for each address:
// as many as there are, or twice as many as there can be calls.
func Rows(cfg *runtime.Appliance) int {
	total := 0.0
	for _, x := range cfg.Limits.Sources {
		if !x.PerAddress {
			continue
		}
		for _, p := range x.Prefixes {
			total += float64(uint64(1) << min(p.Addr().BitLen()-p.Bits(), 62))
		}
	}
	return int(min(total, 2*float64(cfg.State.Calls)))
}

// row is an address with calls, or whose bucket is not full again.
type row struct {
	addr [16]byte
	live int64
	Bucket
}

// addresses are the rows of all addresses: sets of ways rows, chosen by a hash, with a
// lock for every so many sets. A nil one has none.
type addresses struct {
	key   [2]uint64
	rows  []row
	locks [stripes]sync.Mutex
}

func newAddresses(a *shm.Arena, n int) (*addresses, error) {
	key, err := a.Key(3)
	if err != nil {
		return nil, err
	}
	sets := (n*spread + ways - 1) / ways
	t := &addresses{key: [2]uint64{binary.LittleEndian.Uint64(key[:8]), binary.LittleEndian.Uint64(key[8:])}}
	t.rows, err = shm.Take[row](a, "limited addresses", sets*ways)
	return t, err
}

// set is the number of the set of an address.
func (t *addresses) set(addr [16]byte) int {
	hi, lo := bits.Mul64(binary.BigEndian.Uint64(addr[:8])^t.key[0], binary.BigEndian.Uint64(addr[8:])^t.key[1])
	hi, _ = bits.Mul64((hi^lo)*0x9e3779b97f4a7c15, uint64(len(t.rows)/ways))
	return int(hi)
}

// take takes a place for a call from an address, and returns its row plus one.
func (t *addresses) take(now int64, src netip.Addr, r *rule) (uint32, Why) {
	addr := src.As16()
	set := t.set(addr)
	mu := &t.locks[set%stripes]
	mu.Lock()
	defer mu.Unlock()
	i, ok := t.find(now, set*ways, addr)
	if !ok {
		return 0, NoRoom
	}
	x := &t.rows[i]
	switch {
	case r.concurrent > 0 && x.live >= r.concurrent:
		return 0, Crowded
	case r.interval > 0 && !x.take(now, r.interval, r.depth):
		return 0, TooFast
	}
	x.live++
	return uint32(i) + 1, Admitted
}

// find finds the row of an address among those from first on, or gives it one that
// nobody needs any more. The lock of the set is held.
func (t *addresses) find(now int64, first int, addr [16]byte) (int, bool) {
	free := -1
	for i := first; i < first+ways; i++ {
		x := &t.rows[i]
		if x.addr == addr {
			return i, true
		}
		if free < 0 && x.live == 0 && x.full.Load() <= now {
			free = i
		}
	}
	if free < 0 {
		return 0, false
	}
	t.rows[free].addr = addr
	t.rows[free].full.Store(0)
	return free, true
}

// again takes one more place where h has one.
func (t *addresses) again(h Held) { t.change(h, 1) }

// leave gives a place back.
func (t *addresses) leave(h Held) { t.change(h, -1) }

func (t *addresses) change(h Held, by int64) {
	_, _, row := h.split()
	if t == nil || row == 0 || int(row) > len(t.rows) {
		return
	}
	mu := &t.locks[int(row-1)/ways%stripes]
	mu.Lock()
	t.rows[row-1].live += by
	mu.Unlock()
}

// recover forgets the places of the process before.
func (t *addresses) recover() {
	if t == nil {
		return
	}
	for i := range t.rows {
		if t.rows[i].live != 0 {
			t.rows[i].live = 0
		}
	}
}
