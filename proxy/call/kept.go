package call

// Look tells f of a live call, its key and what it holds, with its shard locked: f must not call
// the table, and h is valid until it returns. It reports false when the call has ended. It is
// not for the path of a message.
func (t *Table) Look(id ID, f func(key uint64, h Holds)) bool {
	s, i := t.find(id)
	if s == nil {
		return false
	}
	defer s.mu.Unlock()
	f(s.slots[i].key, s.slots[i].holds(id, t.at(s, i)))
	return true
}

// Restored makes a call one that was answered in another boot: at is not 0, and may be before
// the clock began.
func (t *Table) Restored(id ID, at int64) {
	if s, i := t.find(id); s != nil {
		s.slots[i].answered = at
		s.mu.Unlock()
	}
}
