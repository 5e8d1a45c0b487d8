// Package index finds rows of a table by a 64-bit key which stands in each of them: open
// addressing with linear probing over row numbers. It never grows, never allocates, and its
// cells hold no pointers, so that they may lie in an arena (package shm).
//
// Keys are hashes already: an index takes 32 bits of one for its place. It takes no lock; who
// has the rows guards both.
package index

import "unsafe"

// Index finds rows. New makes one; the zero Index must not be used.
type Index struct {
	cells  []uint32       // row number plus one; 0: empty
	keys   unsafe.Pointer // the key of row 0
	stride uintptr        // bytes from a key to the next
	rows   int
	shift  uint8
}

// Cells is how many cells an index of so many rows has: half of them stay empty. It is not
// rounded up, so that a table takes what its rows take.
func Cells(rows int) int { return max(2*rows, 4) }

// New makes an index of rows, of which key names the field with the key. It has Cells(len(rows))
// cells, all of them 0. shift drops as many low bits of each key, which are alike in all keys.
func New[Row any](cells []uint32, rows []Row, key func(*Row) *uint64, shift uint8) Index {
	x := Index{cells: cells, stride: unsafe.Sizeof(*new(Row)), rows: len(rows), shift: shift}
	if len(rows) > 0 {
		x.keys = unsafe.Pointer(key(&rows[0]))
	}
	return x
}

// key is the key of row i.
func (x *Index) key(i uint32) uint64 {
	if int(i) >= x.rows {
		panic("index: a row that is not there")
	}
	return *(*uint64)(unsafe.Add(x.keys, uintptr(i)*x.stride))
}

// home is where a key is looked for first.
func (x *Index) home(key uint64) uint64 {
	return uint64(uint32(key>>x.shift)) * uint64(len(x.cells)) >> 32
}

// after is the cell behind c.
func (x *Index) after(c uint64) uint64 {
	if c++; c == uint64(len(x.cells)) {
		return 0
	}
	return c
}

// distance is how many cells lie between from and to, forwards.
func (x *Index) distance(from, to uint64) uint64 {
	if to < from {
		to += uint64(len(x.cells))
	}
	return to - from
}

// Find is the row of a key.
func (x *Index) Find(key uint64) (uint32, bool) {
	for c := x.home(key); x.cells[c] != 0; c = x.after(c) {
		if i := x.cells[c] - 1; x.key(i) == key {
			return i, true
		}
	}
	return 0, false
}

// Insert adds row i, whose key is not in the index.
func (x *Index) Insert(i uint32) {
	c := x.home(x.key(i))
	for x.cells[c] != 0 {
		c = x.after(c)
	}
	x.cells[c] = i + 1
}

// cell is where row i stands.
func (x *Index) cell(i uint32) (uint64, bool) {
	for c := x.home(x.key(i)); x.cells[c] != 0; c = x.after(c) {
		if x.cells[c] == i+1 {
			return c, true
		}
	}
	return 0, false
}

// Replace puts another row of the same key in the place of row i.
func (x *Index) Replace(i, by uint32) {
	if c, ok := x.cell(i); ok {
		x.cells[c] = by + 1
	}
}

// Remove takes row i out, if it is in, and closes the gap, so that no tombstones build up. Its key still
// stands in the row.
func (x *Index) Remove(i uint32) {
	gap, ok := x.cell(i)
	if !ok {
		return
	}
	for c := x.after(gap); x.cells[c] != 0; c = x.after(c) {
		// A later entry moves into the gap unless its home lies after it.
		if x.distance(x.home(x.key(x.cells[c]-1)), c) >= x.distance(gap, c) {
			x.cells[gap] = x.cells[c]
			gap = c
		}
	}
	x.cells[gap] = 0
}

// Clear takes all rows out.
func (x *Index) Clear() { clear(x.cells) }

// Len is how many rows are in. It looks at every cell.
func (x *Index) Len() (n int) {
	for _, c := range x.cells {
		if c != 0 {
			n++
		}
	}
	return n
}
