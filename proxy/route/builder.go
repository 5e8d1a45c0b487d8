package route

import (
	"errors"
	"fmt"
	"math"
)

// Errors of Builder.Add.
var (
	ErrEmpty     = errors.New("the prefix is empty and would match every call: write a route without a prefix instead")
	ErrLong      = fmt.Errorf("the prefix is longer than %d bytes", MaxPrefix)
	ErrFull      = errors.New("the table is full (4 GiB of prefixes)")
	ErrDuplicate = errors.New("the prefix has another dispatcher set in an earlier row: keep one of them")
)

// Builder makes a Table. It is for one goroutine.
type Builder struct {
	t     *Table
	grown bool // there were more rows than there was room for
}

// most that is believed of the rows to come: what a wrong figure can cost is bounded.
const mostRows = 1 << 26

// NewBuilder makes a builder with room for rows; more rows are fine. A table that is at
// least half full keeps that room; one that is not, or had to grow, has what its rows need.
func NewBuilder(rows int) *Builder {
	t := &Table{}
	if rows > 0 {
		t.room(places(min(rows, mostRows)))
	}
	return &Builder{t: t}
}

// places is how many a table of so many rows has: a third more, for the search to end soon.
func places(rows int) int { return rows + rows/3 + 1 }

func (t *Table) room(n int) { t.words, t.values = make([]uint64, n), make([]uint16, n) }

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
	case len(t.texts.text)+len(prefix) > math.MaxUint32:
		return ErrFull
	}
	word, n := pack(prefix)
	if n < len(prefix) {
		if e := t.texts.add(prefix, uint16(value)); e != nil && int(e.value) != value {
			return ErrDuplicate
		}
		return nil
	}
	if places(t.numbers+1) > len(t.words) {
		t.resize(places(t.numbers + t.numbers/2 + 16))
		b.grown = true
	}
	i, taken := t.place(word)
	if taken {
		if int(t.values[i]) != value {
			return ErrDuplicate
		}
		return nil
	}
	t.words[i], t.values[i] = word, uint16(value)
	t.numbers++
	t.lengths |= 1 << n
	return nil
}

func (t *Table) resize(n int) {
	words, values := t.words, t.values
	t.room(n)
	for i, w := range words {
		if w != 0 {
			j, _ := t.place(w)
			t.words[j], t.values[j] = w, values[i]
		}
	}
}

// Table gives the finished table. The builder is empty afterwards.
func (b *Builder) Table() *Table {
	t := b.t
	if n := places(t.numbers); n < len(t.words)/2 || b.grown {
		t.resize(n)
	}
	t.texts.trim()
	b.t, b.grown = &Table{}, false
	return t
}
