// Package dialog keeps of each call what it takes to end it from within: the Call-ID, and of both
// sides URI, tag, target, route set, CSeq and where it was heard from (RFC 3261 section 12). From
// that it writes the BYE that either side takes for the other's.
//
// There is one row for each row of the call table, and text in chained blocks of one size, both
// in the arena. Rows and blocks are divided into the shards of the call table, and whoever
// changes or reads a row holds the lock of its call's shard: the package has no locks.
//
// # Promises
//
// A dialog is whole or not there, whenever the process ends: new text is written into free blocks, and
// one store makes it the row's. Recover finds the blocks that are in use by the rows.
//
// Where no blocks are left, or a text is longer than MaxText or cannot stand in a request of ours,
// Put reports false and counts it; the row stays as it was. Nothing waits, nothing allocates but New and Recover.
package dialog

import (
	"fmt"
	"sync/atomic"

	"trunkline/proxy/shm"
	"trunkline/proxy/transaction"
)

// Side is one end of a call.
type Side uint8

// The ends of a call.
const (
	Caller Side = iota // it sent the INVITE
	Callee
)

// Other is the side that a request of this one goes to.
func (s Side) Other() Side { return 1 - s }

// Party is one side of a dialog as the proxy sees it.
type Party struct {
	URI    []byte // of From or To
	Tag    []byte
	Target []byte // URI of the last Contact
	Routes []byte // values of the Route header toward it from here on, without what is before the proxy; empty: none
	// At is where its messages came from and go to.
	At transaction.Endpoint
}

// Text is what changes seldom in a dialog.
type Text struct {
	CallID  []byte
	Parties [2]Party // by Side
}

// Row is what changes often. The zero row has no dialog.
type Row struct {
	// Deadline is when the session or, of a call that is being ended, the wait for its BYEs is
	// over, nanoseconds of the caller's clock; 0: never.
	Deadline int64
	CSeq     [2]uint32 // the highest of the requests of each side, 0: it sent none
	// Answered is the interval that was put into the 2xx, seconds; 0: none was.
	Answered uint32
	text     atomic.Uint32 // first block plus one; 0: there is none
	Open     uint8         // BYEs that have no final reply yet, a bit for each side; see Ending
	Ending   bool          // BYEs were sent
	Cause    uint8         // why, for the caller
	_        [1]byte
}

const (
	// BlockSize is what text grows by, bytes.
	BlockSize = 128
	blockText = BlockSize - 4

	// BlocksPerCall is how many there are for each row. The text of a usual dialog, without
	// proxies beside us, takes three.
	BlocksPerCall = 4

	// MaxText is the longest text kept, bytes, with its figures.
	MaxText = 16 * blockText
)

// block is a part of a text. In an unused one next is the next unused.
type block struct {
	next uint32 // plus one; 0: the last
	text [blockText]byte
}

type shard struct {
	rows   []Row
	blocks []block
	free   uint32         // first free block plus one
	made   *atomic.Uint32 // blocks used at least once
	used   atomic.Int64
	kept   atomic.Int64
	lost   atomic.Uint64
	_      [64]byte
}

// Table holds the dialogs.
type Table struct {
	shards []shard
	per    int
}

// New makes the table for as many shards and rows in each as the call table has. It fails for
// want of memory, and where an adopted arena holds another table; of one that was adopted,
// Recover comes before it is used.
func New(a *shm.Arena, shards, per int) (*Table, error) {
	if shards < 1 || per < 1 {
		return nil, fmt.Errorf("dialogs of %d shards of %d calls: at least one of each is needed", shards, per)
	}
	rows, err := shm.Take[Row](a, "dialogs", shards*per)
	if err != nil {
		return nil, err
	}
	n := per * BlocksPerCall
	blocks, err := shm.Take[block](a, "dialog text", shards*n)
	if err != nil {
		return nil, err
	}
	made, err := shm.Take[atomic.Uint32](a, "dialog shards", shards)
	if err != nil {
		return nil, err
	}
	t := &Table{shards: make([]shard, shards), per: per}
	for i := range t.shards {
		s := &t.shards[i]
		s.rows = rows[i*per : (i+1)*per : (i+1)*per]
		s.blocks = blocks[i*n : (i+1)*n : (i+1)*n]
		s.made = &made[i]
	}
	return t, nil
}

func (t *Table) at(row int) (*shard, *Row) {
	s := &t.shards[row/t.per]
	return s, &s.rows[row%t.per]
}

// Row is the row of a call.
func (t *Table) Row(row int) *Row {
	_, r := t.at(row)
	return r
}

// Kept reports whether a row has a dialog.
func (r *Row) Kept() bool { return r.text.Load() != 0 }

// Put keeps the text of a dialog in place of what the row had.
func (t *Table) Put(row int, x *Text) bool {
	s, r := t.at(row)
	first, ok := uint32(0), x.sound()
	if ok {
		first, ok = s.write(x)
	}
	if !ok {
		s.lost.Add(1)
		return false
	}
	old := r.text.Load()
	r.text.Store(first)
	if old == 0 {
		s.kept.Add(1)
	}
	s.give(old)
	return true
}

// Drop empties a row.
func (t *Table) Drop(row int) {
	s, r := t.at(row)
	old := r.text.Load()
	r.text.Store(0)
	if old != 0 {
		s.kept.Add(-1)
		s.give(old)
	}
	r.clear()
}

func (r *Row) clear() {
	r.Deadline, r.CSeq, r.Answered, r.Open, r.Ending, r.Cause = 0, [2]uint32{}, 0, 0, false, 0
}

func (r *Row) unused() bool {
	return r.text.Load() == 0 && r.Deadline == 0 && r.CSeq == [2]uint32{} && r.Answered == 0 && r.Open == 0 && !r.Ending && r.Cause == 0
}

// take takes n blocks that are chained.
func (s *shard) take(n int) (first uint32, ok bool) {
	made := s.made.Load()
	if int(s.used.Load())+n > len(s.blocks) {
		return 0, false
	}
	for range n {
		i := s.free
		if i != 0 {
			s.free = s.blocks[i-1].next
		} else {
			made++
			i = made
		}
		s.blocks[i-1].next = first
		first = i
	}
	s.made.Store(made)
	s.used.Add(int64(n))
	return first, true
}

// give takes a chain back.
func (s *shard) give(first uint32) {
	for first != 0 {
		b := &s.blocks[first-1]
		first, b.next, s.free = b.next, s.free, first
		s.used.Add(-1)
	}
}

// Stats are the figures of a table at one moment.
type Stats struct {
	Kept     int64  `json:"kept"`
	Capacity int    `json:"capacity"`
	Bytes    int64  `json:"text_bytes"`       // of blocks in use
	Limit    int64  `json:"text_bytes_limit"` // of all blocks
	Lost     uint64 `json:"lost"`             // texts for which there was no room
}

// Stats reads the figures.
func (t *Table) Stats() Stats {
	st := Stats{Capacity: len(t.shards) * t.per}
	for i := range t.shards {
		s := &t.shards[i]
		st.Kept += s.kept.Load()
		st.Bytes += s.used.Load() * BlockSize
		st.Limit += int64(len(s.blocks)) * BlockSize
		st.Lost += s.lost.Load()
	}
	return st
}

// Recover puts a table in order whose arena was adopted. live tells of the rows whose calls go on;
// the others are emptied. Connections of the process before are no more.
func (t *Table) Recover(live func(row int) bool) {
	for k := range t.shards {
		s := &t.shards[k]
		made := min(s.made.Load(), uint32(len(s.blocks)))
		s.made.Store(made)
		inUse := make([]bool, made)
		s.free = 0
		s.used.Store(0)
		s.kept.Store(0)
		for i := range s.rows {
			r := &s.rows[i]
			first := r.text.Load()
			if !live(k*t.per + i) {
				if !r.unused() { // pages that were never written take no memory
					r.text.Store(0)
					r.clear()
				}
				continue
			}
			if first == 0 {
				continue
			}
			n, ok := s.claim(first, inUse)
			if !ok {
				r.text.Store(0)
				continue
			}
			s.endFlows(first)
			s.used.Add(int64(n))
			s.kept.Add(1)
		}
		for i := made; i > 0; i-- {
			if !inUse[i-1] {
				s.blocks[i-1].next, s.free = s.free, i
			}
		}
	}
}

// claim takes the blocks of a chain that is in use, and reports false for what can be none.
func (s *shard) claim(first uint32, inUse []bool) (n int, ok bool) {
	const most = MaxText / blockText
	var chain [most]uint32
	for i := first; i != 0; i = s.blocks[i-1].next {
		if int(i) > len(inUse) || inUse[i-1] || n == most {
			for _, c := range chain[:n] {
				inUse[c-1] = false
			}
			return 0, false
		}
		inUse[i-1] = true
		chain[n] = i
		n++
	}
	if _, ok := s.decode(first, nil, nil); !ok {
		for _, c := range chain[:n] {
			inUse[c-1] = false
		}
		return 0, false
	}
	return n, true
}
