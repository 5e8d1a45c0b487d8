package transaction

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/proxy/index"
	"trunkline/proxy/shm"
)

// Config sizes a table.
type Config struct {
	Slots   int    // transactions at one time, in all
	Bytes   uint64 // stored messages, in all; 0: 8 KiB for each slot
	T1, T2  time.Duration
	Reply   time.Duration // see Timers
	Invite  time.Duration
	Wait    time.Duration
	Workers int   // how many goroutines will use the table; sets the number of shards
	Forks   bool  // transactions may have several attempts under way at once; see SetForked
	Now     int64 // the clock's present reading, ms

	// Arena holds the slots and messages, which then outlive the process; nil: they do not.
	// Of an adopted one, Recover puts the table in order before it is used.
	Arena *shm.Arena
}

// Table holds the transactions.
type Table struct {
	shards []shard
	timers Timers
	keys   Hasher // of received messages
	mac    Hasher // of our branches
	slots  int
	live   atomic.Int64
	peak   atomic.Int64
	bytes  *memory
	beside Beside // nil: there is nothing
}

type shard struct {
	mu    sync.Mutex
	slots []Slot
	forks []fork // one beside each slot, or none
	index index.Index
	free  uint32 // freed slots, chained through same
	made  uint32 // slots handed out at least once
	store store
	wheel wheel

	undo   *undo             // nil: the table ends with the process
	later  [laterSize]bufRef // buffers to be given back when the change is over
	nlater int
	_      [64]byte // a shard's lock has its own cache line
}

// New makes an empty table with fresh random keys. The error names a figure that
// cannot work.
func New(cfg Config) (*Table, error) {
	if cfg.Slots < 1 {
		return nil, fmt.Errorf("transaction table of %d slots: at least 1 is needed", cfg.Slots)
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{{"T1", cfg.T1}, {"T2", cfg.T2}, {"reply timeout", cfg.Reply}, {"invite timeout", cfg.Invite}, {"wait", cfg.Wait}} {
		if d.d < time.Millisecond {
			return nil, fmt.Errorf("transaction timer %s is %v: at least 1ms is needed", d.name, d.d)
		}
	}
	var keys [2][16]byte
	for i := range keys {
		var err error
		if keys[i], err = cfg.Arena.Key(i); err != nil {
			return nil, fmt.Errorf("random key for branches: %w", err)
		}
	}
	shards := 1
	for shards < maxShards && shards < 4*cfg.Workers && cfg.Slots/(shards*2) >= 256 {
		shards *= 2
	}
	per := (cfg.Slots + shards - 1) / shards
	if per > maxSlots {
		return nil, fmt.Errorf("transaction table of %d slots: at most %d fit", cfg.Slots, maxSlots*shards)
	}
	t := &Table{
		shards: make([]shard, shards),
		timers: Timers{
			T1: cfg.T1.Milliseconds(), T2: cfg.T2.Milliseconds(), Reply: cfg.Reply.Milliseconds(),
			Invite: cfg.Invite.Milliseconds(), Wait: cfg.Wait.Milliseconds(),
		},
		keys:  NewHasher(keys[0]),
		mac:   NewHasher(keys[1]),
		slots: per * shards,
	}
	if cfg.Bytes == 0 {
		cfg.Bytes = uint64(cfg.Slots) * defaultBytes
	}
	if err := t.take(cfg, per); err != nil {
		return nil, err
	}
	for i := range t.shards {
		sh := &t.shards[i]
		sh.free = none
		sh.store = newStore(t.bytes, i)
		sh.wheel.init(cfg.Now)
	}
	return t, nil
}

// defaultBytes are for the messages of a slot where nothing is said.
const defaultBytes = 8 << 10

// take takes the memory of the table from the arena.
func (t *Table) take(cfg Config, per int) error {
	n := len(t.shards)
	if cfg.Bytes > 1<<40 {
		return fmt.Errorf("%d bytes of messages: more than a table takes", cfg.Bytes)
	}
	slots, err := shm.Take[Slot](cfg.Arena, "transactions", n*per)
	if err != nil {
		return err
	}
	cells, err := shm.Take[uint32](cfg.Arena, "transaction index", n*index.Cells(per))
	if err != nil {
		return err
	}
	var forks []fork
	if cfg.Forks {
		if forks, err = shm.Take[fork](cfg.Arena, "forks", n*per); err != nil {
			return err
		}
	}
	var undos []undo
	if cfg.Arena != nil {
		if undos, err = shm.Take[undo](cfg.Arena, "changes", n); err != nil {
			return err
		}
	}
	if t.bytes, err = newMemory(cfg.Arena, int64(cfg.Bytes), n); err != nil {
		return err
	}
	size := index.Cells(per)
	for i := range t.shards {
		sh := &t.shards[i]
		sh.slots = slots[i*per : (i+1)*per : (i+1)*per]
		sh.index = index.New(cells[i*size:(i+1)*size:(i+1)*size], sh.slots, func(s *Slot) *uint64 { return &s.key }, 0)
		if forks != nil {
			sh.forks = forks[i*per : (i+1)*per : (i+1)*per]
		}
		if undos != nil {
			sh.undo = &undos[i]
		}
	}
	return nil
}

// Shards is the number of shards.
func (t *Table) Shards() int { return len(t.shards) }

// Keep says what is kept beside the slots. It comes before the table is used.
func (t *Table) Keep(b Beside) { t.beside = b }

// Timers are the timers in force.
func (t *Table) Timers() *Timers { return &t.timers }

// Hash is the keyed hash of the table, for keys of the caller's own.
func (t *Table) Hash() Hasher { return t.keys }

// Capacity is the number of slots.
func (t *Table) Capacity() int { return t.slots }

// Live is the number of transactions.
func (t *Table) Live() int { return int(t.live.Load()) }

// Bytes is the size of the buffers in use.
func (t *Table) Bytes() int64 { return t.bytes.used.Load() }

// ByteLimit is the most bytes of stored messages at one time.
func (t *Table) ByteLimit() int64 { return t.bytes.limit }

// Stats are the figures of a table at one moment.
type Stats struct {
	Live          int64  `json:"live"`
	Peak          int64  `json:"peak"`
	Capacity      int    `json:"capacity"`
	Shards        int    `json:"shards"`
	Bytes         int64  `json:"message_bytes"`          // stored messages, counted by the size of their buffers
	BytesPeak     int64  `json:"message_bytes_peak"`     //
	BytesLimit    int64  `json:"message_bytes_limit"`    //
	BytesReserved int64  `json:"message_bytes_reserved"` // memory taken for buffers, in use or free
	BytesRefused  uint64 `json:"message_bytes_refused"`  // messages that found no buffer
}

// Stats reads the figures.
func (t *Table) Stats() Stats {
	return Stats{
		Live: t.live.Load(), Peak: t.peak.Load(), Capacity: t.slots, Shards: len(t.shards),
		Bytes: t.bytes.used.Load(), BytesPeak: t.bytes.peak.Load(), BytesLimit: t.bytes.limit,
		BytesReserved: t.bytes.reserved.Load(), BytesRefused: t.bytes.refused.Load(),
	}
}

// Tx is a slot with its shard locked; Slot is nil while nothing was found or
// created. It is valid until Unlock.
type Tx struct {
	*Slot
	t   *Table
	sh  *shard
	n   uint32 // shard
	i   uint32 // slot
	key uint64
}

// Lock locks the shard of a key and finds the key's slot, if there is one. The
// caller must Unlock in either case.
func (t *Table) Lock(key uint64) Tx {
	n := uint32(key >> 32 & uint64(len(t.shards)-1))
	sh := &t.shards[n]
	sh.mu.Lock()
	tx := Tx{t: t, sh: sh, n: n, key: key}
	if i, ok := sh.index.Find(key); ok {
		tx.i, tx.Slot = i, &sh.slots[i]
		tx.begin()
	}
	return tx
}

// LockID locks the slot an ID names. It reports false, with nothing locked, when
// the slot is gone.
func (t *Table) LockID(id ID) (Tx, bool) {
	n, i, gen := id.split()
	if int(n) >= len(t.shards) {
		return Tx{}, false
	}
	sh := &t.shards[n]
	sh.mu.Lock()
	if int(i) >= len(sh.slots) || sh.slots[i].State == Free || sh.slots[i].gen != gen {
		sh.mu.Unlock()
		return Tx{}, false
	}
	tx := Tx{t: t, sh: sh, n: n, i: i, Slot: &sh.slots[i], key: sh.slots[i].key}
	tx.begin()
	return tx, true
}

// Each calls f for every transaction, shard by shard, with the shard locked. f reports
// whether it changed the transaction. It visits every slot: it is not for the path of a
// message.
func (t *Table) Each(f func(Tx) (changed bool)) {
	for k := range t.shards {
		sh := &t.shards[k]
		sh.mu.Lock()
		for i := range sh.made {
			if sh.slots[i].State == Free {
				continue
			}
			tx := Tx{t: t, sh: sh, n: uint32(k), i: i, Slot: &sh.slots[i], key: sh.slots[i].key}
			tx.begin()
			if f(tx) && tx.State != Free {
				sh.schedule(i)
			}
			sh.settled()
		}
		sh.mu.Unlock()
	}
}

// Key is the key that was locked.
func (tx *Tx) Key() uint64 { return tx.key }

// Found reports whether the Tx has a slot.
func (tx *Tx) Found() bool { return tx.Slot != nil }

// Create takes a free slot for the key that was locked. It reports false when the
// shard has none.
func (tx *Tx) Create(now int64, invite bool) bool {
	sh := tx.sh
	var i uint32
	switch {
	case sh.free != none:
		i = sh.free
		sh.free = sh.slots[i].same
	case int(sh.made) < len(sh.slots):
		i = sh.made
		sh.made++
		if sh.undo != nil {
			sh.undo.made.Store(sh.made)
		}
	default:
		return false
	}
	s := &sh.slots[i]
	gen := (s.gen + 1) & genMask
	if gen == 0 {
		gen = 1
	}
	tx.i, tx.Slot = i, s
	tx.begin()
	*s = Slot{key: tx.key, gen: gen}
	s.begin(now, invite, &tx.t.timers)
	sh.index.Insert(i)
	live := tx.t.live.Add(1)
	for {
		peak := tx.t.peak.Load()
		if live <= peak || tx.t.peak.CompareAndSwap(peak, live) {
			return true
		}
	}
}

// Unlock arms the slot's timers and gives the shard up.
func (tx *Tx) Unlock() {
	if tx.Slot != nil && tx.State != Free {
		tx.sh.schedule(tx.i)
	}
	tx.sh.settled()
	tx.sh.mu.Unlock()
}

// Free gives the slot and its buffers back. The Tx still has to be unlocked.
func (tx *Tx) Free() {
	s := tx.Slot
	if s == nil || s.State == Free {
		return
	}
	tx.sh.unschedule(tx.i)
	tx.sh.index.Remove(tx.i)
	tx.DropRequest()
	tx.DropResponse()
	if s.Forked {
		f := tx.fork()
		tx.sh.give(f.best)
		f.best, f.bestLen = 0, 0
	}
	s.State = Free
	s.same, tx.sh.free = tx.sh.free, tx.i
	tx.t.live.Add(-1)
}

// Index is the number of the slot among all slots of the table, for what the
// caller keeps beside it.
func (tx *Tx) Index() int { return int(tx.n)*len(tx.sh.slots) + int(tx.i) }

// ID names an attempt of the slot.
func (tx *Tx) ID(attempt int) ID { return makeID(tx.n, tx.i, tx.gen, tx.Upstream.Listener, attempt) }

// SetRequest stores the received request. It reports false when the budget for
// messages is spent.
func (tx *Tx) SetRequest(b []byte) bool {
	r := tx.sh.store.take(len(b))
	if r == 0 {
		return false
	}
	tx.request, tx.requestLen = r, uint32(copy(tx.sh.store.bytes(r), b))
	return true
}

// Request is the stored request, nil once it was dropped.
func (tx *Tx) Request() []byte {
	if tx.request == 0 {
		return nil
	}
	return tx.sh.store.bytes(tx.request)[:tx.requestLen]
}

// DropRequest frees the stored request: nothing will be built from it again.
func (tx *Tx) DropRequest() {
	r := tx.request
	tx.request, tx.requestLen = 0, 0
	tx.sh.give(r)
}

// SetResponse stores the last response sent upstream in place of an earlier one.
// It reports false when the budget for messages is spent; a retransmitted request
// then goes unanswered by us.
func (tx *Tx) SetResponse(b []byte) bool {
	// Into another buffer: the one there is may be what the next process finds.
	tx.DropResponse()
	r := tx.sh.store.take(len(b))
	if r == 0 {
		return false
	}
	tx.response, tx.responseLen = r, uint32(copy(tx.sh.store.bytes(r), b))
	return true
}

// Response is the last response sent upstream, nil when there is none.
func (tx *Tx) Response() []byte {
	if tx.response == 0 {
		return nil
	}
	return tx.sh.store.bytes(tx.response)[:tx.responseLen]
}

// DropResponse frees the stored response.
func (tx *Tx) DropResponse() {
	r := tx.response
	tx.response, tx.responseLen = 0, 0
	tx.sh.give(r)
}

// ServerKey is the key of the server transaction a request belongs to (17.2.3):
// the branch, the sent-by it came with and the method, where ACK and CANCEL
// belong to the INVITE. scratch is memory to build it in; it must be long enough
// to be reused without growing.
func (t *Table) ServerKey(scratch *[]byte, branch, host []byte, port uint16, method string) uint64 {
	b := (*scratch)[:0]
	b = append(b, method...)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, port)
	for _, c := range host {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	b = append(b, 0)
	b = append(b, branch...)
	*scratch = b
	return t.keys.Sum(b)
}

// LegacyKey is the key for a request whose branch lacks the RFC 3261 cookie. Parts
// are what 17.2.3 compares: Request-URI, From tag, Call-ID, CSeq number and the
// top Via. (The To tag is left out: an ACK has one where its INVITE had none.)
func (t *Table) LegacyKey(scratch *[]byte, method string, cseq uint32, parts ...[]byte) uint64 {
	b := (*scratch)[:0]
	b = append(b, 1)
	b = binary.BigEndian.AppendUint32(b, cseq)
	b = append(b, method...)
	for _, p := range parts {
		b = append(b, 0)
		b = append(b, p...)
	}
	*scratch = b
	return t.keys.Sum(b)
}
