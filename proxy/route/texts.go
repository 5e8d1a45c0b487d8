package route

import (
	"bytes"
	"slices"
)

// texts are the prefixes of a table that are no packed numbers: names, and what is longer
// than 16 characters.
type texts struct {
	entries []entry // open addressing; nil: there are none
	text    []byte
	rows    int
	longest int
	lengths [MaxPrefix + 1]bool // which lengths occur: others are not looked for
}

// entry is one prefix: its bytes in the text, its hash and its value. Length 0 marks a free
// place, for no prefix is empty.
type entry struct {
	off    uint32
	hash   uint32
	value  uint16
	length uint8
}

func (t *texts) bytes() int { return cap(t.text) + 12*cap(t.entries) }

func (t *texts) of(e entry) []byte { return t.text[e.off : e.off+uint32(e.length)] }

// The hash is FNV-1a: it grows byte by byte, so one pass over the user part gives
// the hashes of all its prefixes.
const (
	hashStart = 2166136261
	hashPrime = 16777619
)

func hashOf(prefix []byte) uint32 {
	h := uint32(hashStart)
	for _, c := range prefix {
		h = (h ^ uint32(c)) * hashPrime
	}
	return h
}

// lookup finds the longest prefix of user.
func (t *texts) lookup(user []byte) (entry, bool) {
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
			return *e, true
		}
	}
	return entry{}, false
}

// find gives the entry of prefix, or the free place where it would stand.
func (t *texts) find(hash uint32, prefix []byte) *entry {
	for i := t.home(hash); ; {
		e := &t.entries[i]
		if e.length == 0 || e.hash == hash && int(e.length) == len(prefix) && bytes.Equal(t.of(*e), prefix) {
			return e
		}
		if i++; i == len(t.entries) {
			i = 0
		}
	}
}

func (t *texts) home(hash uint32) int { return home(uint64(hash)<<32|uint64(hash), len(t.entries)) }

// add adds a prefix that is not too long; taken is the entry that it has already.
func (t *texts) add(prefix []byte, value uint16) (taken *entry) {
	if t.entries == nil {
		t.entries = make([]entry, places(8))
	}
	if places(t.rows+1) > len(t.entries) {
		t.resize(places(2 * t.rows))
	}
	h := hashOf(prefix)
	e := t.find(h, prefix)
	if e.length != 0 {
		return e
	}
	*e = entry{off: uint32(len(t.text)), hash: h, value: value, length: uint8(len(prefix))}
	t.text = append(t.text, prefix...)
	t.rows++
	t.lengths[len(prefix)] = true
	t.longest = max(t.longest, len(prefix))
	return nil
}

func (t *texts) resize(size int) {
	old := t.entries
	t.entries = make([]entry, size)
	for _, e := range old {
		if e.length != 0 {
			*t.find(e.hash, t.of(e)) = e
		}
	}
}

// trim gives back the room that is not needed.
func (t *texts) trim() {
	t.text = slices.Clip(t.text)
	if n := places(t.rows); t.rows > 0 && n < len(t.entries) {
		t.resize(n)
	}
}

// sorted gives the entries in the order of their prefixes.
func (t *texts) sorted() []entry {
	out := make([]entry, 0, t.rows)
	for _, e := range t.entries {
		if e.length != 0 {
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b entry) int { return bytes.Compare(t.of(a), t.of(b)) })
	return out
}
