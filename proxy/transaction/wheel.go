package transaction

// The wheel of a shard: buckets of slots by the tick they wake at. A slot is on
// it at most once, at or before its earliest timer. A timer that moves later costs
// nothing: the slot wakes, finds nothing due, and is put where it belongs.
const (
	tickMs    = 10
	wheelSize = 512 // 5.12 s; what is due later is looked at on the way
)

const none = ^uint32(0)

type wheel struct {
	buckets [wheelSize]uint32 // first slot of each
	tick    int64             // the last tick advanced to
}

func (w *wheel) init(now int64) {
	for i := range w.buckets {
		w.buckets[i] = none
	}
	w.tick = now / tickMs
}

// schedule sees to it that slot i wakes at its earliest timer.
func (sh *shard) schedule(i uint32) {
	s := &sh.slots[i]
	at := sh.earliest(i)
	if at == 0 {
		if s.wake != 0 {
			sh.unschedule(i)
		}
		return
	}
	// Rounded up: a timer never fires early.
	tick := max((at+tickMs-1)/tickMs, sh.wheel.tick+1)
	tick = min(tick, sh.wheel.tick+wheelSize-1)
	if s.wake != 0 {
		if s.wake <= tick {
			return
		}
		sh.unschedule(i)
	}
	b := &sh.wheel.buckets[tick%wheelSize]
	s.wake, s.prev, s.next = tick, none, *b
	if *b != none {
		sh.slots[*b].prev = i
	}
	*b = i
}

func (sh *shard) unschedule(i uint32) {
	s := &sh.slots[i]
	if s.wake == 0 {
		return
	}
	if s.prev != none {
		sh.slots[s.prev].next = s.next
	} else {
		sh.wheel.buckets[s.wake%wheelSize] = s.next
	}
	if s.next != none {
		sh.slots[s.next].prev = s.prev
	}
	s.wake = 0
}

// Advance fires every timer that is due at now, shard by shard, calling fire with
// the slot locked. One goroutine calls it, every tick or coarser; it returns how
// many slots it looked at.
func (t *Table) Advance(now int64, fire func(tx Tx, ev Event)) int {
	n := 0
	for k := range t.shards {
		n += t.advanceShard(uint32(k), now, fire)
	}
	return n
}

// batch is how many slots fire before the shard's lock is given up once, so that
// a storm of timers does not keep messages waiting.
const batch = 64

func (t *Table) advanceShard(k uint32, now int64, fire func(Tx, Event)) int {
	sh := &t.shards[k]
	to := now / tickMs
	n := 0
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if to-sh.wheel.tick > wheelSize {
		// The clock jumped (a suspended machine): one turn visits every bucket.
		sh.wheel.tick = to - wheelSize
		sh.rebase()
	}
	for sh.wheel.tick < to {
		tick := sh.wheel.tick + 1
		b := &sh.wheel.buckets[tick%wheelSize]
		for *b != none {
			i := *b
			sh.unschedule(i)
			tx := Tx{t: t, sh: sh, n: k, i: i, Slot: &sh.slots[i]}
			tx.begin()
			if ev := tx.events(now); ev != 0 {
				if ev&Done != 0 {
					tx.Free()
				} else {
					fire(tx, ev)
				}
			}
			if tx.State != Free {
				// Never into the bucket being emptied.
				sh.wheel.tick = tick
				sh.schedule(i)
				sh.wheel.tick = tick - 1
			}
			sh.settled()
			if n++; n%batch == 0 {
				sh.mu.Unlock()
				sh.mu.Lock()
			}
		}
		sh.wheel.tick = tick
	}
	return n
}

// rebase puts every scheduled slot where its wake-up belongs after a jump.
func (sh *shard) rebase() {
	for i := range sh.slots {
		if sh.slots[i].wake != 0 {
			sh.unschedule(uint32(i))
			sh.schedule(uint32(i))
		}
	}
}
