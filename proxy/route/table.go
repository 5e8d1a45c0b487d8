package route

import (
	"bytes"
	"math/bits"
	"slices"
)

// MaxPrefix is the longest prefix a table takes, bytes.
const MaxPrefix = 255

// Table maps prefixes to values and finds the longest prefix of a user part. It is
// immutable, holds no pointers per row (the garbage collector passes over it) and
// may be read by any number of goroutines.
//
// A prefix that is a number (digits, +, *, #; at most 16) takes RowBytes; others lie beside
// them and take 16 bytes and their length.
type Table struct {
	words   []uint64 // open addressing; 0: free
	values  []uint16 // of the words, by place
	numbers int      // words that are taken
	lengths uint32   // bit n: there is a number of n characters; others are not looked for
	texts   texts
}

// RowBytes is the memory of a row whose prefix is a number: a word and a value, and a third
// more places than rows.
const RowBytes = (8 + 2) * 4.0 / 3

// Len is the number of prefixes.
func (t *Table) Len() int {
	if t == nil {
		return 0
	}
	return t.numbers + t.texts.rows
}

// Bytes is the memory the table holds.
func (t *Table) Bytes() int {
	if t == nil {
		return 0
	}
	return 8*cap(t.words) + 2*cap(t.values) + t.texts.bytes()
}

// Lookup finds the longest prefix of user and gives its value and length. It does
// not allocate; its time is proportional to the length of user, not of the table.
func (t *Table) Lookup(user []byte) (value, length int, ok bool) {
	if t == nil {
		return 0, 0, false
	}
	if t.numbers > 0 {
		word, n := pack(user)
		// Lengths that do not occur are passed over.
		for left := t.lengths & (1<<(n+1) - 1); left != 0; left &^= 1 << length {
			length = bits.Len32(left) - 1
			if i, taken := t.place(cut(word, length)); taken {
				value, ok = int(t.values[i]), true
				break
			}
		}
		if !ok {
			length = 0
		}
	}
	if t.texts.rows > 0 {
		if e, found := t.texts.lookup(user); found && int(e.length) > length {
			return int(e.value), int(e.length), true
		}
	}
	return value, length, ok
}

// get gives the value of exactly this prefix.
func (t *Table) get(prefix []byte) (value int, ok bool) {
	if word, n := pack(prefix); n == len(prefix) {
		if t.numbers == 0 {
			return 0, false
		}
		i, taken := t.place(word)
		return int(t.values[i]), taken
	}
	if t.texts.rows == 0 {
		return 0, false
	}
	e := t.texts.find(hashOf(prefix), prefix)
	return int(e.value), e.length != 0
}

// place gives where a word is, or the free place where it would stand.
func (t *Table) place(word uint64) (i int, taken bool) {
	for i = home(word, len(t.words)); t.words[i] != 0; {
		if t.words[i] == word {
			return i, true
		}
		if i++; i == len(t.words) {
			i = 0
		}
	}
	return i, false
}

// home is where the search for a word begins: its hash, scaled to the number of places
// instead of cut to a power of two, so that a table is as large as its rows ask for.
func home(word uint64, places int) int {
	h := word * 0x9e3779b97f4a7c15
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	hi, _ := bits.Mul64(h, uint64(places))
	return int(hi)
}

// Each gives the rows in the order of their prefixes until yield returns false. The
// prefix is valid until yield returns. It takes 8 bytes a row while it runs.
func (t *Table) Each(yield func(prefix []byte, value int) bool) {
	if t == nil {
		return
	}
	words := make([]uint64, 0, t.numbers)
	for _, w := range t.words {
		if w != 0 {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	others := t.texts.sorted()
	var number [packed]byte
	for len(words) > 0 || len(others) > 0 {
		var prefix []byte
		if len(words) > 0 {
			prefix = unpack(number[:0], words[0])
		}
		if len(others) > 0 {
			if text := t.texts.of(others[0]); len(words) == 0 || bytes.Compare(text, prefix) < 0 {
				if !yield(text, int(others[0].value)) {
					return
				}
				others = others[1:]
				continue
			}
		}
		i, _ := t.place(words[0])
		if !yield(prefix, int(t.values[i])) {
			return
		}
		words = words[1:]
	}
}

// Equal reports whether two tables have the same rows.
func (t *Table) Equal(o *Table) bool {
	if t.Len() != o.Len() {
		return false
	}
	if t.Len() == 0 {
		return true
	}
	if t.numbers != o.numbers {
		return false
	}
	for i, w := range t.words {
		if w == 0 {
			continue
		}
		if j, taken := o.place(w); !taken || o.values[j] != t.values[i] {
			return false
		}
	}
	for _, e := range t.texts.entries {
		if e.length == 0 {
			continue
		}
		if x := o.texts.find(e.hash, t.texts.of(e)); x.length == 0 || x.value != e.value {
			return false
		}
	}
	return true
}

// most is the largest value of any row, for the check of a table as a whole; and a prefix
// that has it.
func (t *Table) most() (value int, prefix []byte) {
	value = -1
	for i, w := range t.words {
		if w != 0 && int(t.values[i]) > value {
			value, prefix = int(t.values[i]), unpack(nil, w)
		}
	}
	for _, e := range t.texts.entries {
		if e.length != 0 && int(e.value) > value {
			value, prefix = int(e.value), t.texts.of(e)
		}
	}
	return value, prefix
}
