package call

// Locked is a live call with its shard locked, for who keeps rows beside the calls: the lock
// guards them, too. Unlock gives it up; nothing of the table may be called before.
type Locked struct {
	t    *Table
	s    *shard
	n, i uint32
	look int
}

// Shards is how many shards the table has. Rows are theirs in turn: shard k has those from
// k times Capacity/Shards on.
func (t *Table) Shards() int { return len(t.shards) }

// Lock locks a call. It reports false, with nothing locked, when it has ended.
func (t *Table) Lock(id ID) (Locked, bool) {
	s, i := t.find(id)
	if s == nil {
		return Locked{}, false
	}
	n, _, _ := id.split()
	return Locked{t: t, s: s, n: n, i: i}, true
}

// LockKey locks the youngest call of a key. It reports false, with nothing locked, when there is
// none.
func (t *Table) LockKey(key uint64) (Locked, bool) {
	n := uint32(key & t.mask)
	s := &t.shards[n]
	s.mu.Lock()
	i, ok := s.byKey.Find(key)
	if !ok {
		s.mu.Unlock()
		return Locked{}, false
	}
	return Locked{t: t, s: s, n: n, i: i}, true
}

// Older goes on to the next older call of the same key; false: there is none, or as many
// were looked at as Ending does. The shard stays locked.
func (l *Locked) Older() bool {
	next := l.s.slots[l.i].same
	if next == none || l.look == endingLook {
		return false
	}
	l.i = next
	l.look++
	return true
}

// ID names the call.
func (l *Locked) ID() ID { return l.t.id(l.s, l.i) }

// Row is as Table.Row.
func (l *Locked) Row() int { return int(l.n)*len(l.s.slots) + int(l.i) }

// Holds is what the call holds, valid until Unlock.
func (l *Locked) Holds() Holds { return l.s.slots[l.i].holds(l.ID(), l.t.at(l.s, l.i)) }

// Unlock gives the shard up.
func (l *Locked) Unlock() { l.s.mu.Unlock() }

// Sweep looks at up to rows slots from the one that at names, and calls f for each live call
// with its shard locked, until f reports false. It returns where the next Sweep is to go on;
// after the last slot comes the first. f must not call the table.
func (t *Table) Sweep(at, rows int, f func(l Locked) bool) int {
	per := len(t.shards[0].slots)
	for rows > 0 {
		n := at / per
		if n >= len(t.shards) {
			n, at = 0, 0
		}
		s := &t.shards[n]
		s.mu.Lock()
		i, end := at%per, min(at%per+rows, int(s.made.Load()))
		for ; i < end; i++ {
			if s.slots[i].live() && !f(Locked{t: t, s: s, n: uint32(n), i: uint32(i)}) {
				s.mu.Unlock()
				return at + 1
			}
			at++
			rows--
		}
		if rows > 0 { // the rest of the shard is unused
			rows -= min(rows, (n+1)*per-at)
			at = (n + 1) * per
		}
		s.mu.Unlock()
	}
	return at
}
