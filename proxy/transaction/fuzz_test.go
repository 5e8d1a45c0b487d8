package transaction

import (
	"bytes"
	"testing"
)

// A branch is ours if, and only if, it is byte for byte one that we write: what a
// reply's branch names can then be trusted, whatever else it holds.
func FuzzBranch(f *testing.F) {
	tab := testTable(f, 10, 0, 1)
	written := tab.AppendBranch(nil, makeID(3, 77, 12345, 201, 9))
	f.Add([]byte("z9hG4bKtlf0123456789abcdef0123456789abcdef"), uint64(1), 1, uint16(0), byte(0))
	f.Add([]byte("z9hG4bKtls0123456789abcdef0123456789ABCDEF"), uint64(1<<63), 1023, uint16(9), byte('s'))
	f.Add([]byte("z9hG4bK"), uint64(0), -1, uint16(500), byte('F'))
	f.Add(written, uint64(7), 5, uint16(41), byte(' '))
	f.Fuzz(func(t *testing.T, foreign []byte, word uint64, listener int, at uint16, with byte) {
		if id, kind := tab.ParseBranch(foreign); kind != Foreign && !bytes.Equal(rewrite(tab, id, kind), foreign) {
			t.Fatalf("%q is taken for %v %x", foreign, kind, uint64(id))
		}
		for _, b := range [][]byte{tab.AppendBranch(nil, ID(word)), tab.AppendStatelessBranch(nil, word, listener)} {
			if len(b) != BranchLen || !bytes.HasPrefix(b, []byte("z9hG4bK")) {
				t.Fatalf("a branch of ours is %q", b)
			}
			id, kind := tab.ParseBranch(b)
			if kind == Foreign || !bytes.Equal(rewrite(tab, id, kind), b) {
				t.Fatalf("%q is read as %v %x", b, kind, uint64(id))
			}
			if kind == Stateful && id != ID(word) || kind == Stateless && id.Listener() != listener&(MaxListeners-1) {
				t.Fatalf("%q of %x by listener %d is read as %v %x by listener %d", b, word, listener, kind, uint64(id), id.Listener())
			}
			shard, slot, gen := id.split()
			if again := makeID(shard, slot, gen, uint16(id.Listener()), id.Attempt()); again != id {
				t.Fatalf("%x is put together again as %x", uint64(id), uint64(again))
			}
			// One byte of it changed is no branch of ours, nor is one byte more or less.
			bad := bytes.Clone(b)
			if i := int(at) % len(bad); bad[i] != with {
				bad[i] = with
				if _, kind := tab.ParseBranch(bad); kind != Foreign {
					t.Fatalf("%q is taken for %v", bad, kind)
				}
			}
			for _, other := range [][]byte{append(bytes.Clone(b), with), b[:len(b)-1], b[1:]} {
				if _, kind := tab.ParseBranch(other); kind != Foreign {
					t.Fatalf("%q is taken for %v", other, kind)
				}
			}
		}
	})
}

// rewrite writes a branch from what was read of it.
func rewrite(t *Table, id ID, kind BranchKind) []byte {
	if kind == Stateful {
		return t.AppendBranch(nil, id)
	}
	return t.AppendStatelessBranch(nil, uint64(id), id.Listener())
}
