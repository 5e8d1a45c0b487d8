package call

import (
	"cmp"
	"slices"
)

// Recover puts a table in order whose arena was adopted, and returns how many calls go on.
// It comes before the table is used; what the calls hold is for the caller to take again
// (Each).
func (t *Table) Recover() int {
	n := 0
	var live []uint32
	for k := range t.shards {
		s := &t.shards[k]
		s.mu.Lock()
		s.byKey.Clear()
		s.free, s.oldest, s.newest, s.live = none, none, none, 0
		made := min(s.made.Load(), uint32(len(s.slots)))
		live = live[:0]
		for i := range made {
			if c := &s.slots[i]; c.live() && c.key&t.mask == uint64(k) && c.gen != 0 && c.gen <= genMask {
				live = append(live, i)
				continue
			}
			c := &s.slots[i]
			c.state.Store(0)
			// Its ID may be known to a transaction: the next call gets another.
			c.nextGeneration()
			c.same, s.free = s.free, i
		}
		// The lists are by age.
		slices.SortStableFunc(live, func(a, b uint32) int { return cmp.Compare(s.slots[a].began, s.slots[b].began) })
		for _, i := range live {
			s.enter(i)
			s.live++
		}
		n += s.live
		s.mu.Unlock()
	}
	t.live.Store(int64(n))
	t.peak.Store(int64(n))
	return n
}

// Each tells of every call, shard by shard, with the shard locked: f must not call the
// table, and h is valid until it returns. It is not for the path of a message.
func (t *Table) Each(f func(id ID, h Holds)) {
	for k := range t.shards {
		s := &t.shards[k]
		s.mu.Lock()
		for i := s.oldest; i != none; i = s.slots[i].newer {
			id := t.id(s, i)
			f(id, s.slots[i].holds(id, t.at(s, i)))
		}
		s.mu.Unlock()
	}
}
