package record

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"trunkline/proxy/shm"
)

// none ends a list of rows.
const none = ^uint32(0)

const (
	minShard  = 256 // calls of a shard, at least
	maxShards = 64
)

// Book holds the rows of the calls in progress, and those whose records wait. Its rows are in
// shards with a lock each; no function waits, and none but NewBook and Recover allocates.
//
// A call is named by its row in the table of calls and by its ID there: a late word about
// a call whose row is another's by now changes nothing.
type Book struct {
	shards     []shard
	per        int // calls of a shard
	origin     uint64
	generation uint32
	live       atomic.Int64
	waiting    atomic.Int64
	lost       atomic.Uint64 // records, for want of rows
}

type shard struct {
	mu   sync.Mutex
	rows []Row
	of   []uint32 // by the call's row: number of the row here, plus one
	// made is how many rows were ever used.
	made        *head
	free        uint32 // chained through next
	first, last uint32 // ended rows that wait, the oldest first
	_           [64]byte
}

// head is what the arena keeps of a shard beside its rows.
type head struct {
	origin uint64 // of the first shard: that of the arena
	made   uint32
	_      uint32
}

// Rows is how many rows a book of so many calls has.
func Rows(calls int) int {
	shards, per := sharded(calls)
	return shards * (per + spare(per))
}

// spare is how many rows of a shard there are beyond those of its calls.
func spare(per int) int { return max(per/8, 1) }

func sharded(calls int) (shards, per int) {
	n := max(calls, 1)
	shards = 1
	for shards < maxShards && n/(shards*2) >= minShard {
		shards *= 2
	}
	return shards, (n + shards - 1) / shards
}

// NewBook makes a book for a table of so many calls, in the arena; nil: on the heap. One in
// an adopted arena is put in order by Recover before it is used.
func NewBook(a *shm.Arena, calls int) (*Book, error) {
	shards, per := sharded(calls)
	n := per + spare(per)
	b := &Book{shards: make([]shard, shards), per: per, generation: uint32(a.Generation())}
	rows, err := shm.Take[Row](a, "records", shards*n)
	if err != nil {
		return nil, err
	}
	// As many as there are rows, so that a row takes one number of bytes.
	of, err := shm.Take[uint32](a, "record index", shards*n)
	if err != nil {
		return nil, err
	}
	heads, err := shm.Take[head](a, "record shards", shards)
	if err != nil {
		return nil, err
	}
	if !a.Adopted() {
		var seed [8]byte
		if _, err := rand.Read(seed[:]); err != nil {
			return nil, fmt.Errorf("call records: random key: %w", err)
		}
		heads[0].origin = binary.LittleEndian.Uint64(seed[:])
	}
	b.origin = heads[0].origin
	for k := range b.shards {
		s := &b.shards[k]
		s.rows, s.of, s.made = rows[k*n:][:n:n], of[k*n:][:n:n], &heads[k]
		s.free, s.first, s.last = none, none, none
	}
	return b, nil
}

// shard is that of a call, with its lock held, and the call's place there.
func (b *Book) shard(at int) (*shard, int) {
	s := &b.shards[at/b.per]
	s.mu.Lock()
	return s, at % b.per
}

// find is the open row of a call, with its shard locked; or nil, and nothing locked.
func (b *Book) find(at int, call uint64) (*shard, *Row) {
	s, i := b.shard(at)
	if n := s.of[i]; n != 0 {
		if r := &s.rows[n-1]; r.ID == call && r.is(open) {
			return s, r
		}
	}
	s.mu.Unlock()
	return nil, nil
}

// Open begins the row of a call that was let in. at is its row in the table of calls.
func (b *Book) Open(at int, call uint64, now int64, f Fields) {
	s, i := b.shard(at)
	defer s.mu.Unlock()
	n := b.take(s)
	if n == none {
		b.lost.Add(1)
		s.of[i] = 0
		return
	}
	r := &s.rows[n]
	r.fill(b.origin, call, now, f)
	s.of[i] = n + 1
	r.become(open)
	b.live.Add(1)
}

// take is a row for a new call: a free one, or that of the record that has waited longest.
func (b *Book) take(s *shard) uint32 {
	n := s.free
	switch {
	case n != none:
		s.free = s.rows[n].next
	case int(s.made.made) < len(s.rows):
		n = s.made.made
		s.made.made = n + 1
	case s.first != none:
		n = s.pop()
		s.rows[n].become(free)
		b.waiting.Add(-1)
		b.lost.Add(1)
	}
	return n
}

// Answered notes that a call was answered, by which destination, and with which code.
func (b *Book) Answered(at int, call uint64, now int64, code int, dest uint16) {
	if s, r := b.find(at, call); r != nil {
		r.Answered, r.Code, r.Dest = max(now, 1), uint16(code), dest
		s.mu.Unlock()
	}
}

// Final notes the final reply that a call's caller got, and the destination tried last.
func (b *Book) Final(at int, call uint64, code int, dest uint16) {
	if s, r := b.find(at, call); r != nil {
		r.Code, r.Dest = uint16(code), dest
		s.mu.Unlock()
	}
}

// HungUp notes who ends a call.
func (b *Book) HungUp(at int, call uint64, by Side) {
	if s, r := b.find(at, call); r != nil {
		r.By = by
		s.mu.Unlock()
	}
}

// End notes that a call has ended: its record waits to be written. It reports false for a
// call without a row.
func (b *Book) End(at int, call uint64, now int64, cause uint8) bool {
	s, r := b.find(at, call)
	if r == nil {
		return false
	}
	n := s.of[at%b.per] - 1
	s.of[at%b.per] = 0
	b.end(s, n, now, cause)
	s.mu.Unlock()
	b.live.Add(-1)
	return true
}

func (b *Book) end(s *shard, n uint32, now int64, cause uint8) {
	r := &s.rows[n]
	r.Ended, r.Cause, r.Generation = now, cause, b.generation
	r.become(ended)
	s.push(n)
	b.waiting.Add(1)
}

// push makes row n the last that waits.
func (s *shard) push(n uint32) {
	s.rows[n].next = none
	if s.last == none {
		s.first = n
	} else {
		s.rows[s.last].next = n
	}
	s.last = n
}

// pop takes the row that has waited longest.
func (s *shard) pop() uint32 {
	n := s.first
	if s.first = s.rows[n].next; s.first == none {
		s.last = none
	}
	return n
}

// taken is a row that is being written: a copy, and where it lies.
type taken struct {
	Row
	shard int
	n     uint32
}

// waitingRows copies rows that wait, the oldest of each shard first, and appends them to dst
// until it is full. They are the caller's until done or giveBack.
func (b *Book) waitingRows(dst []taken) []taken {
	for k := range b.shards {
		s := &b.shards[k]
		s.mu.Lock()
		for s.first != none && len(dst) < cap(dst) {
			n := s.pop()
			dst = append(dst, taken{s.rows[n], k, n})
		}
		s.mu.Unlock()
	}
	return dst
}

// done frees rows whose records were written.
func (b *Book) done(rows []taken) {
	for i := range rows {
		s := &b.shards[rows[i].shard]
		s.mu.Lock()
		n := rows[i].n
		s.rows[n].become(free)
		s.rows[n].next, s.free = s.free, n
		s.mu.Unlock()
	}
	b.waiting.Add(-int64(len(rows)))
}

// giveBack has rows wait again, before all that came meanwhile. They are in the order of
// their ends.
func (b *Book) giveBack(rows []taken) {
	for i := len(rows) - 1; i >= 0; i-- {
		s := &b.shards[rows[i].shard]
		s.mu.Lock()
		n := rows[i].n
		if s.rows[n].next = s.first; s.first == none {
			s.last = n
		}
		s.first = n
		s.mu.Unlock()
	}
}
