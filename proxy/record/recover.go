package record

import (
	"cmp"
	"slices"
)

// Recover puts a book in order whose arena was adopted. live gives the row of a call that
// goes on, in the table of calls. Calls that do not have ended with the process before, which
// could not note it any more: their records are made now, with this cause. It returns how
// many records wait.
func (b *Book) Recover(live func(call uint64) (at int, ok bool), now int64, cause uint8) int {
	for k := range b.shards {
		s := &b.shards[k]
		s.mu.Lock()
		clear(s.of)
		s.free, s.first, s.last = none, none, none
		s.made.made = min(s.made.made, uint32(len(s.rows)))
		var waiting []uint32
		for n := range s.made.made {
			r := &s.rows[n]
			switch {
			case r.is(open):
				at, ok := live(r.Call)
				if ok && at/b.per == k && s.of[at%b.per] == 0 {
					s.of[at%b.per] = n + 1
					b.live.Add(1)
					continue
				}
				r.Ended, r.Cause, r.Generation = max(now, r.Began), cause, b.generation
				r.become(ended)
				waiting = append(waiting, n)
			case r.is(ended):
				waiting = append(waiting, n)
			default:
				r.become(free)
				r.next, s.free = s.free, n
			}
		}
		slices.SortStableFunc(waiting, func(x, y uint32) int { return cmp.Compare(s.rows[x].Ended, s.rows[y].Ended) })
		for _, n := range waiting {
			s.push(n)
		}
		b.waiting.Add(int64(len(waiting)))
		s.mu.Unlock()
	}
	return int(b.waiting.Load())
}
