package transaction

// Recovered is what Recover found.
type Recovered struct {
	Live int // transactions that go on
	// Restored were being changed when the process ended; they are as they were before
	// the message or timer that was being handled, or as they were when something was sent.
	Restored int
	Dropped  int // slots that made no sense, which are free now; 0 unless memory was damaged
}

// Recover puts a table in order whose arena was adopted: changes that were not finished are
// taken back, and what follows from the slots (index, timers, free slots and buffers) is made
// anew. Timers that came due meanwhile fire at the next Advance. It comes after Keep and
// before the table is used.
func (t *Table) Recover(now int64) Recovered {
	var r Recovered
	for k := range t.shards {
		t.recoverShard(uint32(k), now, &r)
	}
	t.live.Store(int64(r.Live))
	t.peak.Store(int64(r.Live))
	t.bytes.peak.Store(t.bytes.used.Load())
	return r
}

func (t *Table) recoverShard(k uint32, now int64, r *Recovered) {
	sh := &t.shards[k]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.made = min(sh.undo.made.Load(), uint32(len(sh.slots)))
	if i := sh.undo.slot.Load() - 1; i < sh.made {
		sh.slots[i] = sh.undo.image
		if sh.undo.image.Forked && sh.forks != nil {
			sh.forks[i] = sh.undo.fork
		}
		if t.beside != nil {
			t.beside.Restore(int(k), int(k)*len(sh.slots)+int(i), sh.undo.image.Forked)
		}
		r.Restored++
	}
	sh.undo.slot.Store(0)
	sh.index.Clear()
	sh.wheel.init(now)
	sh.free = none
	for i := range sh.made {
		s := &sh.slots[i]
		s.wake = 0
		if s.State != Free {
			if t.sound(k, s) && sh.claim(i) {
				sh.index.Insert(i)
				sh.schedule(i)
				r.Live++
				continue
			}
			r.Dropped++
			s.State = Free
		}
		s.request, s.response = 0, 0
		s.same, sh.free = sh.free, i
	}
}

// sound reports whether a slot can be what a table of this size wrote.
func (t *Table) sound(k uint32, s *Slot) bool {
	sh := &t.shards[k]
	_, twice := sh.index.Find(s.key)
	return !twice && s.State <= Accepted && int(s.attempts) <= MaxAttempts && s.cancelTo < MaxAttempts &&
		s.gen != 0 && s.gen <= genMask && uint32(s.key>>32)&uint32(len(t.shards)-1) == k && (!s.Forked || sh.forks != nil)
}

// claim takes the buffers of slot i into the account, all of them or none.
func (sh *shard) claim(i uint32) bool {
	s := &sh.slots[i]
	refs := [3]struct {
		ref bufRef
		len uint32
	}{{s.request, s.requestLen}, {s.response, s.responseLen}}
	if s.Forked {
		refs[2].ref, refs[2].len = sh.forks[i].best, sh.forks[i].bestLen
	}
	for n, x := range refs {
		if x.ref == 0 || sh.store.claim(x.ref, x.len) {
			continue
		}
		for _, x := range refs[:n] {
			sh.store.give(x.ref)
		}
		return false
	}
	return true
}

// claim takes a buffer that is in use, with n bytes in it, out of the memory. It reports
// false for one that cannot be, or has another owner.
func (s *store) claim(r bufRef, n uint32) bool {
	i, at := r.split()
	if int(i) >= len(s.m.slabs) || s.m.class[i] > bigClass {
		return false
	}
	k := s.m.class[i]
	if at >= places(k) || n > classSizes[k] {
		return false
	}
	sl := &s.m.slabs[i]
	if s.m.isEmpty(i) {
		span := 1
		if k == bigClass {
			span = bigSlabs
		}
		if !s.m.claimSlabs(i, span) {
			return false
		}
		s.cut(i, k)
		s.link(i)
	} else if sl.shard != s.shard {
		return false
	}
	if sl.free[at/64]&(1<<(at%64)) == 0 {
		return false
	}
	sl.free[at/64] &^= 1 << (at % 64)
	if sl.used++; sl.free == [2]uint64{} {
		s.unlink(i)
	}
	s.m.used.Add(int64(classSizes[k]))
	return true
}
