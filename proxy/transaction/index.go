package transaction

// index finds slots by key: open addressing with linear probing over slot numbers
// plus one. The keys stand in the slots. It never grows, never allocates, and
// holds no pointers.
type index struct {
	cells []uint32
	mask  uint64
}

// indexSize is how many cells an index of so many slots has.
func indexSize(slots int) int {
	n := 4
	for n < 2*slots {
		n *= 2
	}
	return n
}

func newIndex(cells []uint32) index {
	return index{cells: cells, mask: uint64(len(cells) - 1)}
}

func (x *index) find(slots []Slot, key uint64) (uint32, bool) {
	for c := key & x.mask; x.cells[c] != 0; c = (c + 1) & x.mask {
		if i := x.cells[c] - 1; slots[i].key == key {
			return i, true
		}
	}
	return 0, false
}

// insert adds a slot whose key is not in the index.
func (x *index) insert(key uint64, i uint32) {
	c := key & x.mask
	for x.cells[c] != 0 {
		c = (c + 1) & x.mask
	}
	x.cells[c] = i + 1
}

// remove takes a slot out and closes the gap, so that no tombstones build up.
func (x *index) remove(slots []Slot, i uint32) {
	c := slots[i].key & x.mask
	for x.cells[c] != i+1 {
		if x.cells[c] == 0 {
			return
		}
		c = (c + 1) & x.mask
	}
	gap := c
	for {
		c = (c + 1) & x.mask
		if x.cells[c] == 0 {
			break
		}
		home := slots[x.cells[c]-1].key & x.mask
		// Move a later entry into the gap unless its home lies after the gap.
		if (c-home)&x.mask >= (c-gap)&x.mask {
			x.cells[gap] = x.cells[c]
			gap = c
		}
	}
	x.cells[gap] = 0
}
