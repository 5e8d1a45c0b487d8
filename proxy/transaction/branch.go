package transaction

import (
	"bytes"
	"encoding/binary"
)

// ID names one attempt of one slot: 8 bits of shard, 22 of slot, 20 of
// generation, 10 of the listener replies go out through, 4 of attempt. The zero ID
// names nothing, for generations start at one.
type ID uint64

const (
	slotBits     = 22
	genBits      = 20
	genMask      = 1<<genBits - 1
	listenerBits = 10
	attemptBits  = 4

	listenerShift = attemptBits
	genShift      = listenerShift + listenerBits
	slotShift     = genShift + genBits
	shardShift    = slotShift + slotBits

	// MaxListeners is how many listeners an ID can tell apart.
	MaxListeners = 1 << listenerBits

	// MaxAttempts is how many destinations one transaction may try.
	MaxAttempts = 1 << attemptBits

	maxShards = 1 << 8
	maxSlots  = 1 << slotBits // of one shard
)

func makeID(shard, slot, gen uint32, listener uint16, attempt int) ID {
	return ID(uint64(shard)<<shardShift | uint64(slot)<<slotShift | uint64(gen)<<genShift |
		uint64(listener&(MaxListeners-1))<<listenerShift | uint64(attempt))
}

func (id ID) split() (shard, slot, gen uint32) {
	return uint32(id >> shardShift), uint32(id>>slotShift) & (maxSlots - 1), uint32(id>>genShift) & genMask
}

// Listener is the listener the request came in through, for a reply that outlives
// its slot.
func (id ID) Listener() int { return int(id>>listenerShift) & (MaxListeners - 1) }

// Attempt is the number of the attempt the ID names.
func (id ID) Attempt() int { return int(id & (MaxAttempts - 1)) }

// BranchKind says what a branch parameter turned out to be.
type BranchKind uint8

// Kinds of branches.
const (
	Foreign   BranchKind = iota // not of our making, or tampered with
	Stateful                    // names an attempt; the slot may be gone
	Stateless                   // written on a message forwarded without state
)

// Branches are the RFC 3261 cookie, our mark, a kind and two words in hex: the ID
// (or, without state, a hash of the received message) and its MAC. Lower-case hex
// survives peers that fold case.
const (
	branchPrefix  = "z9hG4bKtl"
	statefulMark  = 'f'
	statelessMark = 's'

	// BranchLen is the length of every branch we write.
	BranchLen = len(branchPrefix) + 1 + 32
)

// Different inputs to the MAC for the two kinds, so that one never passes for the other.
const (
	statefulDomain  = 0x7374617465
	statelessDomain = 0x6e6f6e65
)

// AppendBranch appends the branch of an attempt.
func (t *Table) AppendBranch(dst []byte, id ID) []byte {
	return appendBranch(dst, statefulMark, uint64(id), t.mac.Sum64(uint64(id), statefulDomain))
}

// AppendStatelessBranch appends a branch for a message forwarded without state,
// received through a listener. sum must be the same for a retransmission of that
// message (RFC 3261 16.11).
func (t *Table) AppendStatelessBranch(dst []byte, sum uint64, listener int) []byte {
	const mask = MaxListeners - 1
	sum = sum&^(mask<<listenerShift) | uint64(listener&mask)<<listenerShift
	return appendBranch(dst, statelessMark, sum, t.mac.Sum64(sum, statelessDomain))
}

func appendBranch(dst []byte, mark byte, a, mac uint64) []byte {
	dst = append(dst, branchPrefix...)
	dst = append(dst, mark)
	dst = AppendHex(dst, a)
	return AppendHex(dst, mac)
}

// ParseBranch tells what a branch is; of a Stateless one only the ID's Listener
// has a meaning. A branch that does not carry our MAC is
// Foreign, whatever it looks like.
func (t *Table) ParseBranch(b []byte) (ID, BranchKind) {
	if len(b) != BranchLen || string(b[:len(branchPrefix)]) != branchPrefix {
		return 0, Foreign
	}
	mark := b[len(branchPrefix)]
	a, ok1 := ParseHex(b[len(branchPrefix)+1:][:16])
	mac, ok2 := ParseHex(b[len(branchPrefix)+17:])
	if !ok1 || !ok2 {
		return 0, Foreign
	}
	switch {
	case mark == statefulMark && mac == t.mac.Sum64(a, statefulDomain):
		return ID(a), Stateful
	case mark == statelessMark && mac == t.mac.Sum64(a, statelessDomain):
		return ID(a), Stateless
	}
	return 0, Foreign
}

// NextBranch finds the next of what looks like a Stateful branch in b, and what follows it;
// nil: there is none. It need not carry our MAC.
func NextBranch(b []byte) (branch, rest []byte) {
	i := bytes.Index(b, []byte(branchPrefix+string(statefulMark)))
	if i < 0 || len(b)-i < BranchLen {
		return nil, nil
	}
	// The next may begin within this one, where it is cut short.
	return b[i : i+BranchLen : i+BranchLen], b[i+len(branchPrefix):]
}

const hexDigits = "0123456789abcdef"

// AppendHex appends sixteen hex digits.
func AppendHex(dst []byte, v uint64) []byte {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], v)
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return dst
}

// ParseHex reads what AppendHex wrote; other digits, capitals among them, are refused.
func ParseHex(b []byte) (uint64, bool) {
	var v uint64
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		v = v<<4 | uint64(c)
	}
	return v, true
}
