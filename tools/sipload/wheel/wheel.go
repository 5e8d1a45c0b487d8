// Package wheel keeps one timer for each of a fixed number of owners, in a
// hierarchical timing wheel (Varghese and Lauck, 1987: scheme 7). Setting, clearing
// and expiring cost constant time and allocate nothing.
//
// Instants are durations since a moment of the caller's choice; the wheel reads no
// clock. A timer never expires early, and late by less than one tick when Advance
// is called in time. A Wheel belongs to one goroutine.
package wheel

import (
	"math/bits"
	"time"
)

const (
	slotBits = 8
	slots    = 1 << slotBits
	levels   = 4
	none     = -1
)

// Wheel is a set of timers; make one with New.
type Wheel struct {
	tick  time.Duration
	now   int64 // the last tick that was worked off
	armed int
	heads [levels][slots]int32
	used  [slots / 64]uint64 // which buckets of level 0 hold a timer
	nodes []node
}

type node struct {
	when       int64 // ticks
	next, prev int32
	level      int8 // none: not set
	slot       uint8
}

// New makes a wheel for owners 0 to n-1 whose timers expire on multiples of tick.
// It reaches 2^32 ticks ahead; a timer further away expires then.
func New(n int, tick time.Duration) *Wheel {
	w := &Wheel{tick: tick, nodes: make([]node, n)}
	for l := range w.heads {
		for s := range w.heads[l] {
			w.heads[l][s] = none
		}
	}
	for i := range w.nodes {
		w.nodes[i].level = none
	}
	return w
}

// Armed is the number of timers that are set.
func (w *Wheel) Armed() int { return w.armed }

// Set lets the timer of id expire at the instant at, rounded up to a tick, and
// replaces what was set before. An instant that has passed means the next tick.
func (w *Wheel) Set(id int32, at time.Duration) {
	w.Clear(id)
	n := &w.nodes[id]
	n.when = min(max(int64((at+w.tick-1)/w.tick), w.now+1), w.now+1<<(slotBits*levels)-1)
	w.link(id)
	w.armed++
}

// Clear takes the timer of id back; without one it does nothing.
func (w *Wheel) Clear(id int32) {
	if w.nodes[id].level != none {
		w.unlink(id)
		w.armed--
	}
}

func (w *Wheel) link(id int32) {
	n := &w.nodes[id]
	level := 0
	for delta := n.when - w.now; delta >= slots; delta >>= slotBits {
		level++
	}
	slot := uint8(n.when >> (slotBits * level))
	head := &w.heads[level][slot]
	n.level, n.slot, n.prev, n.next = int8(level), slot, none, *head
	if *head != none {
		w.nodes[*head].prev = id
	}
	*head = id
	if level == 0 {
		w.used[slot/64] |= 1 << (slot % 64)
	}
}

func (w *Wheel) unlink(id int32) {
	n := &w.nodes[id]
	if n.prev != none {
		w.nodes[n.prev].next = n.next
	} else {
		w.heads[n.level][n.slot] = n.next
		if n.level == 0 && n.next == none {
			w.used[n.slot/64] &^= 1 << (n.slot % 64)
		}
	}
	if n.next != none {
		w.nodes[n.next].prev = n.prev
	}
	n.level = none
}

// Expirer is told of a timer that has expired; at is the instant of its tick. It
// may set and clear any timer.
type Expirer interface {
	Expire(id int32, at time.Duration)
}

// Advance works off all timers that are due at the instant to, in the order of
// their ticks.
func (w *Wheel) Advance(to time.Duration, x Expirer) {
	target := int64(to / w.tick)
	for w.now < target {
		if w.armed == 0 {
			w.now = target
			return
		}
		w.now = min(w.step(), target)
		if w.now%slots == 0 {
			w.cascade()
		}
		head := &w.heads[0][w.now%slots]
		for *head != none {
			id := *head
			w.unlink(id)
			w.armed--
			x.Expire(id, time.Duration(w.now)*w.tick)
		}
	}
}

// Next is an instant by which Advance has to be called for no timer to be late.
// It may lie before the earliest timer; ok is false when none is set.
func (w *Wheel) Next() (at time.Duration, ok bool) {
	if w.armed == 0 {
		return 0, false
	}
	return time.Duration(w.step()) * w.tick, true
}

// step is the next tick that has anything to do: a bucket of level 0 in use, or
// the end of the round, where the levels above are looked at.
func (w *Wheel) step() int64 {
	from := (w.now + 1) % slots
	if from == 0 {
		return w.now + 1
	}
	for word := from / 64; word < slots/64; word++ {
		b := w.used[word]
		if word == from/64 {
			b &= ^uint64(0) << (from % 64)
		}
		if b != 0 {
			return w.now + 1 - from + word*64 + int64(bits.TrailingZeros64(b))
		}
	}
	return w.now + 1 - from + slots
}

// cascade moves the timers of a finished round one level down.
func (w *Wheel) cascade() {
	for level := 1; level < levels; level++ {
		slot := w.now >> (slotBits * level) % slots
		id := w.heads[level][slot]
		w.heads[level][slot] = none
		for id != none {
			next := w.nodes[id].next
			w.link(id)
			id = next
		}
		if slot != 0 {
			return
		}
	}
}
