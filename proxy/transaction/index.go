package transaction

// index finds slots by key: open addressing with linear probing over slot numbers
// plus one. The keys stand in the slots. It never grows, never allocates, and
// holds no pointers.
type index struct {
	cells []uint32
}

// indexSize is how many cells an index of so many slots has. It is not rounded up, so that
// a table takes what its rows take.
func indexSize(slots int) int { return max(2*slots, 4) }

func newIndex(cells []uint32) index { return index{cells: cells} }

// home is where a key is looked for first. The high bits of all keys of a shard are alike.
func (x *index) home(key uint64) uint64 { return uint64(uint32(key)) * uint64(len(x.cells)) >> 32 }

// after is the cell behind c.
func (x *index) after(c uint64) uint64 {
	if c++; c == uint64(len(x.cells)) {
		return 0
	}
	return c
}

// distance is how many cells lie between from and to, forwards.
func (x *index) distance(from, to uint64) uint64 {
	if to < from {
		to += uint64(len(x.cells))
	}
	return to - from
}

func (x *index) find(slots []Slot, key uint64) (uint32, bool) {
	for c := x.home(key); x.cells[c] != 0; c = x.after(c) {
		if i := x.cells[c] - 1; slots[i].key == key {
			return i, true
		}
	}
	return 0, false
}

// insert adds a slot whose key is not in the index.
func (x *index) insert(key uint64, i uint32) {
	c := x.home(key)
	for x.cells[c] != 0 {
		c = x.after(c)
	}
	x.cells[c] = i + 1
}

// remove takes a slot out and closes the gap, so that no tombstones build up.
func (x *index) remove(slots []Slot, i uint32) {
	c := x.home(slots[i].key)
	for x.cells[c] != i+1 {
		if x.cells[c] == 0 {
			return
		}
		c = x.after(c)
	}
	gap := c
	for {
		c = x.after(c)
		if x.cells[c] == 0 {
			break
		}
		home := x.home(slots[x.cells[c]-1].key)
		// Move a later entry into the gap unless its home lies after the gap.
		if x.distance(home, c) >= x.distance(gap, c) {
			x.cells[gap] = x.cells[c]
			gap = c
		}
	}
	x.cells[gap] = 0
}
