package persist

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

var quiet = slog.New(slog.DiscardHandler)

// calls are calls of a test: by row.
type calls struct {
	rows [40]struct{ id, version uint64 }
	next uint64
}

func (c *calls) Capacity() int { return len(c.rows) }

func (c *calls) Each(f func(row int, id, version uint64)) {
	for i, r := range c.rows {
		if r.id != 0 {
			f(i, r.id, r.version)
		}
	}
}

func (c *calls) Encode(dst []byte, id uint64) ([]byte, bool) {
	for _, r := range c.rows {
		if r.id == id {
			return fmt.Appendf(dst, "call %d as of %d", id, r.version), true
		}
	}
	return dst, false
}

// now is what a store should have of the calls.
func (c *calls) now() map[uint64]string {
	out := map[uint64]string{}
	for _, r := range c.rows {
		if r.id != 0 {
			out[r.id] = fmt.Sprintf("call %d as of %d", r.id, r.version)
		}
	}
	return out
}

func (c *calls) change(rng *rand.Rand) {
	r := &c.rows[rng.IntN(len(c.rows))]
	switch rng.IntN(3) {
	case 0:
		c.next++
		r.id, r.version = c.next, 1
	case 1:
		r.version++
	default:
		r.id = 0
	}
}

func load(t *testing.T, s Store) (Head, map[uint64]string) {
	t.Helper()
	h, got, ok, err := s.Load(t.Context())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	out := map[uint64]string{}
	for id, b := range got {
		out[id] = string(b)
	}
	return h, out
}

var head = Head{Binding: [32]byte{1, 2}, Secret: [16]byte{3}}

// A power cut at any byte of the file leaves the calls as they were after some batch, the last
// one that is whole.
func TestPowerCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	d, err := OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, ok, err := d.Load(t.Context()); ok || err != nil {
		t.Fatalf("an empty directory: %v, %v", ok, err)
	}
	c := &calls{}
	k := NewKeeper(d, head, c, 0, quiet)
	type moment struct {
		size int64
		has  map[uint64]string
	}
	var moments []moment
	for range 12 {
		for range rng.IntN(12) {
			c.change(rng)
		}
		k.Flush(t.Context())
		moments = append(moments, moment{d.size, c.now()})
	}
	if st := k.Stats(); st.Error != "" || st.Calls != int64(len(c.now())) || st.Batches == 0 {
		t.Errorf("%+v with %d calls", st, len(c.now()))
	}
	b, err := os.ReadFile(d.path())
	if err != nil || int64(len(b)) != d.size {
		t.Fatal(len(b), d.size, err)
	}
	cut := t.TempDir()
	at := 0
	for n := headSize; n <= len(b); n++ {
		// The disk may have lengthened the file and not written it.
		for _, rest := range [][]byte{nil, make([]byte, 100)} {
			whole := n
			for rest != nil && whole < len(b) && b[whole] == 0 {
				whole++ // as good as written
			}
			for at = 0; at+1 < len(moments) && moments[at+1].size <= int64(whole); {
				at++
			}
			want := moments[at].has
			if int64(whole) < moments[0].size {
				want = map[uint64]string{}
			}
			if err := os.WriteFile(filepath.Join(cut, fileName), append(b[:n:n], rest...), 0o600); err != nil {
				t.Fatal(err)
			}
			x, err := OpenDisk(cut)
			if err != nil {
				t.Fatal(err)
			}
			if h, got := load(t, x); h != head || !maps.Equal(got, want) {
				t.Fatalf("cut at %d of %d bytes: %v, want %v", n, len(b), got, want)
			}
		}
	}
	// A bit that turned is found.
	b[len(b)-3] ^= 4
	if err := os.WriteFile(filepath.Join(cut, fileName), b, 0o600); err != nil {
		t.Fatal(err)
	}
	x, _ := OpenDisk(cut)
	last := 0
	for i, m := range moments {
		if m.size < int64(len(b)) {
			last = i
		}
	}
	if _, got := load(t, x); !maps.Equal(got, moments[last].has) {
		t.Errorf("with a bit turned: %v", got)
	}
}

// The file does not grow for ever, and a new keeper writes all that is there.
func TestCompaction(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	d, err := OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &big{}
	k := NewKeeper(d, head, c, 0, quiet)
	largest := int64(0)
	for range 300 {
		for range 10 {
			c.change(rng)
		}
		k.Flush(t.Context())
		largest = max(largest, d.size)
	}
	if limit := int64(2*len(c.rows)*bigCall + 2*slack); largest > limit || largest < slack {
		t.Errorf("the file had %d bytes, at most %d were expected", largest, limit)
	}
	if _, got := load(t, d); len(got) != len(c.now()) {
		t.Errorf("%d calls kept of %d", len(got), len(c.now()))
	}
	next := NewKeeper(d, Head{Secret: [16]byte{9}}, c, 0, quiet)
	c.change(rng)
	next.Flush(t.Context())
	if h, got := load(t, d); h.Secret[0] != 9 || len(got) != len(c.now()) {
		t.Errorf("%d calls kept of %d, %v", len(got), len(c.now()), h)
	}
}

// big is calls of bigCall bytes each.
type big struct{ calls }

const bigCall = 10_000

func (c *big) Encode(dst []byte, id uint64) ([]byte, bool) {
	return append(dst, make([]byte, bigCall)...), true
}

// failing is a store that fails when it is told to, before or after it has done its work.
type failing struct {
	*Disk
	before, after error
}

func (f *failing) Apply(ctx context.Context, b *Batch) error {
	if f.before != nil {
		return f.before
	}
	return errors.Join(f.Disk.Apply(ctx, b), f.after)
}

func (f *failing) Begin(ctx context.Context, h Head, b *Batch) error {
	if f.before != nil {
		return f.before
	}
	return errors.Join(f.Disk.Begin(ctx, h, b), f.after)
}

// A store that failed has all once it works again.
func TestStoreFails(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	d, err := OpenDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	f := &failing{Disk: d}
	c := &calls{}
	k := NewKeeper(f, head, c, 0, quiet)
	for i := range 200 {
		for range 5 {
			c.change(rng)
		}
		c.next++
		c.rows[0].id, c.rows[0].version = c.next, 1
		f.before, f.after = nil, nil
		switch i % 4 {
		case 1:
			f.before = errors.New("away")
		case 2:
			f.after = errors.New("went away")
		}
		k.Flush(t.Context())
		if (k.Stats().Error != "") != (i%4 == 1 || i%4 == 2) {
			t.Fatalf("round %d: %+v", i, k.Stats())
		}
		if i%4 == 0 || i%4 == 3 {
			if _, got := load(t, d); !maps.Equal(got, c.now()) {
				t.Fatalf("round %d: %v, want %v", i, got, c.now())
			}
		}
	}
}

func TestCall(t *testing.T) {
	for _, c := range []Call{
		{Key: 1, Began: 2, Answered: 3, Source: netip.MustParseAddr("192.0.2.1"), Listener: 4, Places: []uint16{5, 6}, Record: []byte("record"), Dialog: []byte("dialog")},
		{Key: 1 << 63, Began: -2, Source: netip.MustParseAddr("2001:db8::1"), Record: []byte{}, Dialog: []byte{}},
	} {
		b := c.AppendTo(nil)
		got, err := ParseCall(b)
		if err != nil || !reflect.DeepEqual(got, c) {
			t.Errorf("got %+v, %v, want %+v", got, err, c)
		}
		for n := range len(b) {
			if _, err := ParseCall(b[:n]); err == nil {
				t.Errorf("%d of %d bytes are a call", n, len(b))
			}
		}
		if _, err := ParseCall(append(b, 0)); err == nil {
			t.Error("a byte more is no call")
		}
	}
}

// BenchmarkFlush is a batch of the changes of one second at 1,000 calls/s, synced.
func BenchmarkFlush(b *testing.B) {
	d, err := OpenDisk(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	batch := &Batch{}
	for i := range uint64(1000) {
		batch.Put = append(batch.Put, Entry{i, make([]byte, 1000)})
		batch.Gone = append(batch.Gone, i+1000)
	}
	if err := d.Begin(b.Context(), head, batch); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := d.Apply(b.Context(), batch); errors.Is(err, ErrAnew) {
			if err := d.Begin(b.Context(), head, batch); err != nil {
				b.Fatal(err)
			}
		} else if err != nil {
			b.Fatal(err)
		}
	}
}
