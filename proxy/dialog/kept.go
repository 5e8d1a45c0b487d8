package dialog

import (
	"encoding/binary"

	"trunkline/proxy/transaction"
)

// Version is a number that is another one once the dialog of a row has changed; the row's shard
// is locked.
func (t *Table) Version(row int) uint64 {
	_, r := t.at(row)
	v := uint64(0xcbf29ce484222325)
	for _, x := range [...]uint64{uint64(r.Deadline), uint64(r.CSeq[0])<<32 | uint64(r.CSeq[1]), uint64(r.Answered)<<32 | uint64(r.text.Load())} {
		v = (v ^ x) * 0x9e3779b97f4a7c15
		v ^= v >> 29
	}
	return v
}

// keptHead is what stands before the text in what Kept gives: deadline, CSeqs, interval.
const keptHead = 8 + 4 + 4 + 4

// Kept appends the dialog of a row, for Restore in another boot; nothing where it has none. shift is
// what makes a time of the caller's clock one of the day, nanoseconds. The row's shard is locked.
func (t *Table) Kept(dst []byte, row int, shift int64) []byte {
	s, r := t.at(row)
	first := r.text.Load()
	if first == 0 {
		return dst
	}
	from := len(dst)
	deadline := r.Deadline
	if deadline != 0 {
		deadline += shift
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(deadline))
	dst = binary.LittleEndian.AppendUint32(dst, r.CSeq[0])
	dst = binary.LittleEndian.AppendUint32(dst, r.CSeq[1])
	dst = binary.LittleEndian.AppendUint32(dst, r.Answered)
	var x Text
	dst, ok := s.decode(first, &x, dst)
	if !ok {
		return dst[:from]
	}
	return dst
}

// Restore gives a row the dialog that Kept gave in another boot, whose connections are no more. shift is what makes
// a time of the day one of the caller's clock. It reports false for what is no dialog, and where there is no
// room. Nobody else knows of the call yet.
func (t *Table) Restore(row int, kept []byte, shift int64) bool {
	if len(kept) < keptHead+headSize {
		return false
	}
	text := kept[keptHead:]
	var x Text
	rest := text[headSize:]
	for i, p := range x.parts() {
		n := int(binary.LittleEndian.Uint16(text[2*i:]))
		if n > len(rest) {
			return false
		}
		*p, rest = rest[:n:n], rest[n:]
	}
	if len(rest) != 0 {
		return false
	}
	for i := range x.Parties {
		x.Parties[i].At = endpoint(text[2*numParts+i*endpointSize:])
		if at := &x.Parties[i].At; at.Flow() != 0 {
			*at = at.WithFlow(transaction.GoneFlow)
		}
	}
	if !t.Put(row, &x) {
		return false
	}
	_, r := t.at(row)
	if r.Deadline = int64(binary.LittleEndian.Uint64(kept)); r.Deadline != 0 {
		if r.Deadline += shift; r.Deadline == 0 {
			r.Deadline = -1
		}
	}
	r.CSeq = [2]uint32{binary.LittleEndian.Uint32(kept[8:]), binary.LittleEndian.Uint32(kept[12:])}
	r.Answered = binary.LittleEndian.Uint32(kept[16:])
	return true
}
