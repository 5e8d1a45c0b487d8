package call

// index finds the youngest call of a key: open addressing with linear probing over slot
// numbers plus one. The keys stand in the slots. It never grows and holds no pointers.
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

func newIndex(cells []uint32) index { return index{cells: cells, mask: uint64(len(cells) - 1)} }

// home is where a key is looked for first. The low bits of all keys of a shard are alike.
func (x *index) home(key uint64) uint64 { return key >> 8 & x.mask }

func (x *index) find(slots []slot, key uint64) (uint32, bool) {
	for c := x.home(key); x.cells[c] != 0; c = (c + 1) & x.mask {
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
		c = (c + 1) & x.mask
	}
	x.cells[c] = i + 1
}

// cell is where slot i stands.
func (x *index) cell(slots []slot, i uint32) (uint64, bool) {
	for c := x.home(slots[i].key); x.cells[c] != 0; c = (c + 1) & x.mask {
		if x.cells[c] == i+1 {
			return c, true
		}
	}
	return 0, false
}

// replace puts another slot of the same key in the place of slot i.
func (x *index) replace(slots []slot, i, by uint32) {
	if c, ok := x.cell(slots, i); ok {
		x.cells[c] = by + 1
	}
}

// remove takes a slot out and closes the gap, so that no tombstones build up.
func (x *index) remove(slots []slot, i uint32) {
	gap, ok := x.cell(slots, i)
	if !ok {
		return
	}
	for c := (gap + 1) & x.mask; x.cells[c] != 0; c = (c + 1) & x.mask {
		// Move a later entry into the gap unless its home lies after the gap.
		if home := x.home(slots[x.cells[c]-1].key); (c-home)&x.mask >= (c-gap)&x.mask {
			x.cells[gap] = x.cells[c]
			gap = c
		}
	}
	x.cells[gap] = 0
}
