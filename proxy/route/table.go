package route

import (
	"errors"
	"fmt"
	"math"
)

// MaxPrefix is the longest prefix a table takes, bytes.
const MaxPrefix = 255

// Errors of Builder.Add.
var (
	ErrEmpty     = errors.New("the prefix is empty and would match every call: write a route without a prefix instead")
	ErrLong      = fmt.Errorf("the prefix is longer than %d bytes", MaxPrefix)
	ErrFull      = errors.New("the table is full (4 GiB of prefixes)")
	ErrDuplicate = errors.New("the prefix has another dispatcher set in an earlier row: keep one of them")
)

// entry is one prefix: its bytes in the table's text, its hash and its value.
// Length 0 marks a free place, for no prefix is empty.
type entry struct {
	off    uint32
	hash   uint32
	value  uint16
	length uint8
}

// Table maps prefixes to values and finds the longest prefix of a user part. It is
// immutable, holds no pointers per row (the garbage collector passes over it) and
// may be read by any number of goroutines.
type Table struct {
	entries []entry // open addressing, a power of two
	text    []byte
	rows    int
	longest int
	lengths [MaxPrefix + 1]bool // which lengths occur: others are not looked for
}

// Len is the number of prefixes.
func (t *Table) Len() int { return t.rows }

// Bytes is the memory the table holds.
func (t *Table) Bytes() int { return cap(t.text) + 12*cap(t.entries) }

// The hash is FNV-1a: it grows byte by byte, so one pass over the user part gives
// the hashes of all its prefixes.
const (
	hashStart = 2166136261
	hashPrime = 16777619
)

// spread mixes the high bits into those that choose the place.
func spread(h uint32) uint32 {
	h ^= h >> 15
	h *= 0x85ebca6b
	return h ^ h>>13
}

// Lookup finds the longest prefix of user and gives its value and length. It does
// not allocate; its time is proportional to the length of user, not of the table.
func (t *Table) Lookup(user []byte) (value, length int, ok bool) {
	if t == nil || t.rows == 0 {
		return 0, 0, false
	}
	var hashes [MaxPrefix + 1]uint32
	n := min(len(user), t.longest)
	h := uint32(hashStart)
	for i := range n {
		h = (h ^ uint32(user[i])) * hashPrime
		hashes[i+1] = h
	}
	for l := n; l > 0; l-- {
		if !t.lengths[l] {
			continue
		}
		if e := t.find(hashes[l], user[:l]); e.length != 0 {
			return int(e.value), l, true
		}
	}
	return 0, 0, false
}

// find gives the entry of prefix, or the free place where it would stand.
func (t *Table) find(hash uint32, prefix []byte) *entry {
	mask := uint32(len(t.entries) - 1)
	for i := spread(hash) & mask; ; i = (i + 1) & mask {
		e := &t.entries[i]
		if e.length == 0 || e.hash == hash && int(e.length) == len(prefix) &&
			string(t.text[e.off:e.off+uint32(e.length)]) == string(prefix) {
			return e
		}
	}
}

// Builder makes a Table. It is for one goroutine.
type Builder struct{ t *Table }

// NewBuilder makes a builder with room for rows; more rows are fine.
func NewBuilder(rows int) *Builder {
	size := 16
	// Room for a load of 3/4; what a wrong figure can cost is bounded.
	for size*3/4 < min(rows, 1<<26) {
		size *= 2
	}
	return &Builder{t: &Table{entries: make([]entry, size)}}
}

// Add adds a prefix with its value. A prefix that is there already with the same
// value is no error and counts once. The prefix may be reused by the caller.
func (b *Builder) Add(prefix []byte, value int) error {
	t := b.t
	switch {
	case len(prefix) == 0:
		return ErrEmpty
	case len(prefix) > MaxPrefix:
		return ErrLong
	case value < 0 || value > math.MaxUint16:
		return fmt.Errorf("value %d does not fit a table", value)
	case len(t.text)+len(prefix) > math.MaxUint32:
		return ErrFull
	}
	if (t.rows+1)*4 > len(t.entries)*3 {
		b.grow()
	}
	h := uint32(hashStart)
	for _, c := range prefix {
		h = (h ^ uint32(c)) * hashPrime
	}
	e := t.find(h, prefix)
	if e.length != 0 {
		if int(e.value) != value {
			return ErrDuplicate
		}
		return nil
	}
	*e = entry{off: uint32(len(t.text)), hash: h, value: uint16(value), length: uint8(len(prefix))}
	t.text = append(t.text, prefix...)
	t.rows++
	t.lengths[len(prefix)] = true
	t.longest = max(t.longest, len(prefix))
	return nil
}

func (b *Builder) grow() {
	old := b.t.entries
	b.t.entries = make([]entry, 2*len(old))
	mask := uint32(len(b.t.entries) - 1)
	for _, e := range old {
		if e.length == 0 {
			continue
		}
		i := spread(e.hash) & mask
		for b.t.entries[i].length != 0 {
			i = (i + 1) & mask
		}
		b.t.entries[i] = e
	}
}

// Table gives the finished table. The builder is empty afterwards.
func (b *Builder) Table() *Table {
	t := b.t
	b.t = NewBuilder(0).t
	return t
}
