// Package call knows every call between its admission and its end, and ends each
// exactly once. What a call holds (a place under the concurrency limit, a place
// at its destination) is registered here and handed back by one function,
// Release, whichever way the call ends; a lifetime bounds calls whose end was
// never seen.
//
// The table has a fixed number of slots in shards with a lock each. A call is
// found by a 64-bit key the caller computes over Call-ID and the caller's tag
// with a keyed hash, so that nobody outside can make two calls meet. Calls that
// share a key on purpose (a forked or spiralling INVITE) are separate calls.
//
// Slots are of fixed size and hold no pointers: an ID is shard, slot and
// generation, and a stale ID finds nothing. Times are nanoseconds of one
// monotonic clock of the caller's. No function waits, and none but New and Recover
// allocates.
//
// The slots are in an arena where there is one, and the calls outlive the process: a slot
// is a live call's from the last store of Register to the first of its end, and each
// change between is one store. Lists and index follow from the slots; Recover makes them.
package call

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/proxy/index"
	"trunkline/proxy/shm"
)

// Cause says how a call ended.
type Cause uint8

// The ways a call ends.
const (
	Bye            Cause = iota // BYE got its final reply
	ByeLost                     // BYE got none
	Rejected                    // a final reply of 300 and above
	Cancelled                   // CANCEL by the caller
	Timeout                     // no final reply in time
	Exhausted                   // no destination left
	Refused                     // admission failed after the call was registered
	Expired                     // the lifetime ended
	Shutdown                    // the proxy stops
	Broken                      // not answered yet when the process before this one ended, and its INVITE is unknown
	SessionExpired              // nobody refreshed the session (RFC 4028)
	Media                       // no rtpengine took its media, or the one that did could not use it
	NumCauses
)

var causeNames = [NumCauses]string{"bye", "bye_lost", "rejected", "cancelled", "timeout", "exhausted", "refused", "expired", "shutdown", "broken", "session_expired", "media"}

func (c Cause) String() string {
	if c < NumCauses {
		return causeNames[c]
	}
	return "unknown"
}

// ID names one call for as long as it lives. The zero ID names none.
type ID uint64

// An ID is 8 bits of shard, 28 bits of slot and 28 bits of generation, which
// starts at 1.
func makeID(shard, slot, gen uint32) ID {
	return ID(uint64(shard)<<56 | uint64(slot)<<28 | uint64(gen))
}

const genMask = 1<<28 - 1

func (id ID) split() (shard, slot, gen uint32) {
	return uint32(id >> 56), uint32(id>>28) & genMask, uint32(id) & genMask
}

// NoDestination is the destination of a call that has none yet.
const NoDestination = -1

// Holds is what a call gives back at its end.
type Holds struct {
	// Destinations are the indexes of those the call has a place at; some may be
	// NoDestination. It is valid until Release returns.
	Destinations []int32
	Limits       uint64 // what Register was told
	ID           ID     // it names nothing any more once Release is told of it
	Began        int64  // when it was registered, nanoseconds of the caller's clock
	Answered     int64  // when it was answered; 0: it was not
}

// Config sizes a table.
type Config struct {
	Calls    int           // slots in all, at least 1
	Places   int           // destinations one call may be at together; 0: 1
	Lifetime time.Duration // a call ends after this at the latest; 0: no bound
	// Release gives back what a call held. It is called exactly once a call, with
	// the lock of a shard held: it must not wait and must not call the table.
	Release func(h Holds, cause Cause)

	// Arena holds the slots; nil: they end with the process. Of an adopted one, Recover
	// puts the table in order before it is used.
	Arena *shm.Arena
}

// none ends a list of slots.
const none = ^uint32(0)

type slot struct {
	key      uint64
	limits   uint64
	began    int64
	answered int64 // 0: not yet
	gen      uint32
	same     uint32 // next call of the same key, each older than the one before
	before   uint32 // the one that has this as its same
	older    uint32 // list by age, for the lifetime
	newer    uint32
	state    atomic.Uint32
}

// What the state of a slot says; 0: it is free.
const (
	isLive   = 1 << iota // a call's
	isEnding             // a BYE named it
)

func (c *slot) live() bool { return c.state.Load()&isLive != 0 }

func (c *slot) ending() bool { return c.state.Load()&isEnding != 0 }

func (c *slot) holds(id ID, at []int32) Holds {
	return Holds{Destinations: at, Limits: c.limits, ID: id, Began: c.began, Answered: c.answered}
}

type shard struct {
	mu     sync.Mutex
	slots  []slot
	places []int32 // of slot i from i*Table.places: the destinations it is at
	byKey  index.Index
	made   *atomic.Uint32 // slots used at least once
	free   uint32         // freed slots, chained through same
	oldest uint32
	newest uint32
	live   int
	_      [64]byte // a shard's lock has its own cache line
}

// Table holds the calls.
type Table struct {
	shards   []shard
	mask     uint64
	places   int
	lifetime int64
	release  func(Holds, Cause)
	live     atomic.Int64
	peak     atomic.Int64
	ended    [NumCauses]atomic.Uint64
}

// endingLook bounds how many calls of one key Ending looks at.
const endingLook = 16

// maxShards bounds the shards of a table; the ID has room for this many.
const maxShards = 64

// New makes an empty table. It fails for want of memory, and where an adopted arena holds
// another table.
func New(cfg Config) (*Table, error) {
	n := max(cfg.Calls, 1)
	shards := 1
	for shards < maxShards && n/(shards*2) >= 256 {
		shards *= 2
	}
	t := &Table{
		shards:   make([]shard, shards),
		mask:     uint64(shards - 1),
		places:   max(cfg.Places, 1),
		lifetime: int64(cfg.Lifetime),
		release:  cfg.Release,
	}
	if t.release == nil {
		t.release = func(Holds, Cause) {}
	}
	per := (n + shards - 1) / shards
	if per > genMask {
		return nil, fmt.Errorf("call table of %d slots: at most %d fit", n, genMask*shards)
	}
	slots, err := shm.Take[slot](cfg.Arena, "calls", shards*per)
	if err != nil {
		return nil, err
	}
	places, err := shm.Take[int32](cfg.Arena, "call places", shards*per*t.places)
	if err != nil {
		return nil, err
	}
	cells, err := shm.Take[uint32](cfg.Arena, "call index", shards*index.Cells(per))
	if err != nil {
		return nil, err
	}
	made, err := shm.Take[atomic.Uint32](cfg.Arena, "call shards", shards)
	if err != nil {
		return nil, err
	}
	for i := range t.shards {
		s := &t.shards[i]
		s.slots = part(slots, i, per)
		s.places = part(places, i, per*t.places)
		s.byKey = index.New(part(cells, i, index.Cells(per)), s.slots, func(c *slot) *uint64 { return &c.key }, 8)
		s.made = &made[i]
		s.free, s.oldest, s.newest = none, none, none
	}
	return t, nil
}

// part is the i-th n of all.
func part[T any](all []T, i, n int) []T { return all[i*n : (i+1)*n : (i+1)*n] }

// Keeper keeps something beside the slots of calls (Row).
type Keeper interface {
	// Keep is told of a new call before anybody else can know of it, with its shard locked:
	// it must not wait and must not call the table, except for Row.
	Keep(id ID, now int64)
}

// Register creates a call, which has the places under limits that the caller means by limits. It reports false when the table is full; then nothing
// was registered and Release was not called.
func (t *Table) Register(key uint64, now int64, limits uint64) (ID, bool) {
	return t.RegisterWith(key, now, limits, nil)
}

// RegisterWith is Register that tells k, unless it is nil.
func (t *Table) RegisterWith(key uint64, now int64, limits uint64, k Keeper) (ID, bool) {
	n := uint32(key & t.mask)
	s := &t.shards[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.free
	switch made := s.made.Load(); {
	case i != none:
		s.free = s.slots[i].same
	case int(made) < len(s.slots):
		i = made
		s.made.Store(made + 1)
	default:
		return 0, false
	}
	c := &s.slots[i]
	if c.gen == 0 {
		c.gen = 1
	}
	c.key, c.limits, c.began, c.answered = key, limits, now, 0
	for k := range t.at(s, i) {
		t.at(s, i)[k] = NoDestination
	}
	s.enter(i)
	c.state.Store(isLive) // the last store: now it is a whole call
	s.live++
	live := t.live.Add(1)
	for {
		peak := t.peak.Load()
		if live <= peak || t.peak.CompareAndSwap(peak, live) {
			break
		}
	}
	id := makeID(n, i, c.gen)
	if k != nil {
		k.Keep(id, now)
	}
	return id, true
}

// enter puts slot i into the index and the lists, as the youngest.
func (s *shard) enter(i uint32) {
	c := &s.slots[i]
	c.same, c.before = none, none
	if first, ok := s.byKey.Find(c.key); ok {
		c.same = first
		s.slots[first].before = i
		s.byKey.Replace(first, i)
	} else {
		s.byKey.Insert(i)
	}
	c.older, c.newer = s.newest, none
	if s.newest != none {
		s.slots[s.newest].newer = i
	} else {
		s.oldest = i
	}
	s.newest = i
}

// find returns the slot of a live call, with its shard locked, or nil and nothing
// locked.
func (t *Table) find(id ID) (*shard, uint32) {
	n, i, gen := id.split()
	if id == 0 || int(n) >= len(t.shards) {
		return nil, 0
	}
	s := &t.shards[n]
	s.mu.Lock()
	if int(i) >= len(s.slots) || !s.slots[i].live() || s.slots[i].gen != gen {
		s.mu.Unlock()
		return nil, 0
	}
	return s, i
}

// at are the places of slot i.
func (t *Table) at(s *shard, i uint32) []int32 {
	return s.places[int(i)*t.places:][:t.places]
}

// id names the live call of slot i.
func (t *Table) id(s *shard, i uint32) ID {
	return makeID(uint32(s.slots[i].key&t.mask), i, s.slots[i].gen)
}

// Row is where a call lies among all slots, below Capacity: for rows that others keep beside
// them. It is the call's from Register until Release returns.
func (t *Table) Row(id ID) int {
	n, i, _ := id.split()
	return int(n)*len(t.shards[0].slots) + int(i)
}

// SetDestination records which destination a call is at, and returns the one it
// was at before. The caller moves its counts; it reports false for a call that
// has ended, which then holds no place anywhere. A call at several destinations uses
// Join and Part instead.
func (t *Table) SetDestination(id ID, dest int32) (before int32, ok bool) {
	s, i := t.find(id)
	if s == nil {
		return NoDestination, false
	}
	at := t.at(s, i)
	before, at[0] = at[0], dest
	s.mu.Unlock()
	return before, true
}

// Join records that a call is at one more destination. It reports false, with nothing
// recorded, for a call that has ended or is at as many as the table has places for.
func (t *Table) Join(id ID, dest int32) bool { return t.replace(id, NoDestination, dest) }

// Part records that a call is at a destination no longer. It reports false when it was
// not, or has ended: then its place was given back already.
func (t *Table) Part(id ID, dest int32) bool { return t.replace(id, dest, NoDestination) }

func (t *Table) replace(id ID, old, dest int32) bool {
	s, i := t.find(id)
	if s == nil {
		return false
	}
	defer s.mu.Unlock()
	at := t.at(s, i)
	for k := range at {
		if at[k] == old {
			at[k] = dest
			return true
		}
	}
	return false
}

// Answer records that a call was answered at the time now, unless it was before: from now
// on only BYE or its lifetime ends it.
func (t *Table) Answer(id ID, now int64) {
	if s, i := t.find(id); s != nil {
		if c := &s.slots[i]; c.answered == 0 {
			c.answered = max(now, 1)
		}
		s.mu.Unlock()
	}
}

// Limits is what Register was told of a call; false: it has ended.
func (t *Table) Limits(id ID) (uint64, bool) {
	s, i := t.find(id)
	if s == nil {
		return 0, false
	}
	limits := s.slots[i].limits
	s.mu.Unlock()
	return limits, true
}

// Answered reports whether the call lives and was answered.
func (t *Table) Answered(id ID) bool {
	s, i := t.find(id)
	if s == nil {
		return false
	}
	answered := s.slots[i].answered != 0
	s.mu.Unlock()
	return answered
}

// Ending finds the call of a key that a BYE is about to end, the youngest first.
// Of several with one key it names each once before it names one again, so that as
// many BYEs end as many calls, also when they are under way at the same time. It
// looks at endingLook calls at most: one sender may make any number with one key.
func (t *Table) Ending(key uint64) (ID, bool) {
	n := uint32(key & t.mask)
	s := &t.shards[n]
	s.mu.Lock()
	defer s.mu.Unlock()
	first, ok := s.byKey.Find(key)
	if !ok {
		return 0, false
	}
	i := first
	for look := 0; i != none && s.slots[i].ending(); look++ {
		if i = s.slots[i].same; look == endingLook {
			i = none
		}
	}
	if i == none {
		i = first
	}
	s.slots[i].state.Store(isLive | isEnding)
	return makeID(n, i, s.slots[i].gen), true
}

// Release ends one call and gives back what it holds. A call that has ended
// already is left alone, so every path may call it.
func (t *Table) Release(id ID, cause Cause) bool {
	s, i := t.find(id)
	if s == nil {
		return false
	}
	t.end(s, i, cause)
	s.mu.Unlock()
	return true
}

// Expire ends the calls whose lifetime is over at the time now and returns how
// many. It looks only at calls that are due.
func (t *Table) Expire(now int64) int {
	if t.lifetime == 0 {
		return 0
	}
	n := 0
	for k := range t.shards {
		s := &t.shards[k]
		s.mu.Lock()
		for s.oldest != none && s.slots[s.oldest].began+t.lifetime <= now {
			t.end(s, s.oldest, Expired)
			n++
		}
		s.mu.Unlock()
	}
	return n
}

// ReleaseAll ends every call; the proxy stops.
func (t *Table) ReleaseAll() int {
	n := 0
	for k := range t.shards {
		s := &t.shards[k]
		s.mu.Lock()
		for s.oldest != none {
			t.end(s, s.oldest, Shutdown)
			n++
		}
		s.mu.Unlock()
	}
	return n
}

// end takes a live call out of every list of its shard and releases what it
// holds. The shard is locked.
func (t *Table) end(s *shard, i uint32, cause Cause) {
	c := &s.slots[i]
	c.state.Store(0) // the first store: its places are free from here on
	switch {
	case c.before != none:
		s.slots[c.before].same = c.same
	case c.same != none:
		s.byKey.Replace(i, c.same)
	default:
		s.byKey.Remove(i)
	}
	if c.same != none {
		s.slots[c.same].before = c.before
	}
	if c.older != none {
		s.slots[c.older].newer = c.newer
	} else {
		s.oldest = c.newer
	}
	if c.newer != none {
		s.slots[c.newer].older = c.older
	} else {
		s.newest = c.older
	}
	holds := c.holds(t.id(s, i), t.at(s, i))
	c.nextGeneration()
	c.same, s.free = s.free, i
	s.live--
	t.live.Add(-1)
	t.ended[cause].Add(1)
	t.release(holds, cause)
}

func (c *slot) nextGeneration() {
	if c.gen = (c.gen + 1) & genMask; c.gen == 0 {
		c.gen = 1
	}
}
