package record

import (
	"cmp"
	"slices"
	"unsafe"
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
				at, ok := live(r.ID)
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

// RowSize is the length of what Kept gives, bytes.
const RowSize = int(unsafe.Sizeof(Row{}))

// Kept appends the open row of a call, for Restore in another process of the same program.
func (b *Book) Kept(dst []byte, at int, call uint64) []byte {
	s, r := b.find(at, call)
	if r == nil {
		return dst
	}
	dst = append(dst, unsafe.Slice((*byte)(unsafe.Pointer(r)), RowSize)...)
	s.mu.Unlock()
	return dst
}

// Restore is Open for a call that was kept over a boot and has another ID now: its record
// has the key it had. It reports false for what Kept did not give.
func (b *Book) Restore(at int, call uint64, began, answered int64, kept []byte) bool {
	if len(kept) != RowSize {
		return false
	}
	b.Open(at, call, began, Fields{})
	s, r := b.find(at, call)
	if r == nil {
		return false
	}
	defer s.mu.Unlock()
	r.become(free) // until it is whole
	copy(unsafe.Slice((*byte)(unsafe.Pointer(r)), RowSize), kept)
	r.ID, r.Began, r.Answered, r.Ended, r.next = call, began, answered, 0, none
	r.become(open)
	return true
}
