package call

// Find names the youngest call of a key, for what a message within it needs. It allocates
// nothing.
func (t *Table) Find(key uint64) (ID, bool) {
	n := uint32(key & t.mask)
	s := &t.shards[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.byKey.Find(key)
	if !ok {
		return 0, false
	}
	return makeID(n, i, s.slots[i].gen), true
}

// Was names the call of a row that has this generation: the lowest 28 bits of its ID. It need
// not live any more.
func (t *Table) Was(row int, generation uint32) ID {
	per := len(t.shards[0].slots)
	return makeID(uint32(row/per), uint32(row%per), generation&genMask)
}
