package writelog

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// builder writes a log by hand, with sectors of a size.
type builder struct {
	sector int
	b      []byte
}

func newBuilder(sector int) *builder {
	l := &builder{sector, make([]byte, sector)}
	le := binary.LittleEndian
	le.PutUint64(l.b[0:], magic)
	le.PutUint64(l.b[8:], version)
	le.PutUint32(l.b[24:], uint32(sector))
	return l
}

// add adds an entry; data is whole sectors.
func (l *builder) add(first, sectors, flags uint64, data string) *builder {
	b := make([]byte, l.sector)
	le := binary.LittleEndian
	le.PutUint64(b[0:], first)
	le.PutUint64(b[8:], sectors)
	le.PutUint64(b[16:], flags)
	l.b = append(append(l.b, b...), data...)
	return l
}

// sectors is a text of one letter per sector, as data.
func sectors(size int, letters string) string {
	var b strings.Builder
	for _, c := range letters {
		b.WriteString(strings.Repeat(string(c), size))
	}
	return b.String()
}

func (l *builder) read(t *testing.T) *Log {
	t.Helper()
	got, err := Read(bytes.NewReader(l.b), int64(len(l.b)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// memory is a disk.
type memory []byte

func (m memory) WriteAt(b []byte, at int64) (int, error) { return copy(m[at:], b), nil }

// letters is the disk with one letter per sector; a sector of more than one kind of byte is '?'.
func (m memory) letters() string {
	var out strings.Builder
	for at := 0; at < len(m); at += sectorBytes {
		s := m[at : at+sectorBytes]
		switch {
		case bytes.Count(s, s[:1]) != len(s):
			out.WriteByte('?')
		case s[0] == 0:
			out.WriteByte('.')
		default:
			out.WriteByte(s[0])
		}
	}
	return out.String()
}

// example writes a, b; flushes; writes c over the second half of b; d with FUA; marks; discards.
func example() *builder {
	return newBuilder(512).
		add(0, 1, 0, sectors(512, "a")).
		add(2, 2, flagMetadata, sectors(512, "bB")).
		add(0, 0, flagFlush, "").
		add(3, 2, 0, sectors(512, "cC")).
		add(1, 1, flagFUA, sectors(512, "d")).
		add(0, 0, flagMark, "").
		add(0, 5, flagDiscard, "").
		add(5, 1, 0, sectors(512, "e"))
}

func TestRead(t *testing.T) {
	l := example().read(t)
	want := []Entry{
		{Offset: 0, Length: 512}, {Offset: 1024, Length: 1024}, {Flush: true}, {Offset: 1536, Length: 1024},
		{Offset: 512, Length: 512, FUA: true}, {}, {}, {Offset: 2560, Length: 512},
	}
	if d := cmp.Diff(want, l.Entries(), cmpopts.IgnoreUnexported(Entry{})); d != "" {
		t.Error(d)
	}
	for n, want := range []string{"......", "a.....", "a.bB..", "a.bB..", "a.bcC.", "adbcC.", "adbcC.", "adbcC.", "adbcCe"} {
		d := make(memory, 6*512)
		if err := l.Replay(d, 0, n); err != nil || d.letters() != want {
			t.Errorf("after %d entries: %s, %v, want %s", n, d.letters(), err, want)
		}
		// In two steps it is the same disk.
		d = make(memory, 6*512)
		for _, part := range [][2]int{{0, n / 2}, {n / 2, n}} {
			if err := l.Replay(d, part[0], part[1]); err != nil {
				t.Fatal(err)
			}
		}
		if d.letters() != want {
			t.Errorf("after %d entries in two steps: %s, want %s", n, d.letters(), want)
		}
		if got, want := l.Durable(n), map[bool]int{false: 0, true: 3}[n >= 3]; got != want {
			t.Errorf("of %d entries %d are durable, want %d", n, got, want)
		}
	}
}

// Sectors of the log may be larger than those of the disk.
func TestSectorsOf4KiB(t *testing.T) {
	l := newBuilder(4096).add(1, 1, 0, sectors(4096, "a")).add(0, 0, flagFlush, "").read(t)
	d := make(memory, 3*4096)
	if err := l.Replay(d, 0, 2); err != nil || d.letters() != "........aaaaaaaa........" {
		t.Errorf("%s, %v", d.letters(), err)
	}
}

// A machine that was ended leaves a log whose end is missing, at whatever byte.
func TestTornLog(t *testing.T) {
	whole := example()
	ends := []int64{}
	for _, e := range whole.read(t).Entries() {
		ends = append(ends, e.end)
	}
	for size := 512; size <= len(whole.b); size++ {
		l, err := Read(bytes.NewReader(whole.b[:size]), int64(size))
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		want := 0
		for want < len(ends) && ends[want] <= int64(size) {
			want++
		}
		if len(l.Entries()) != want {
			t.Fatalf("%d bytes hold %d entries, want %d", size, len(l.Entries()), want)
		}
		if got := whole.read(t).Within(int64(size)); got != want {
			t.Fatalf("%d entries are within %d bytes, want %d", got, size, want)
		}
	}
	// A hole, behind which something was written, ends it too.
	hole := newBuilder(512).add(0, 1, 0, sectors(512, "a")).add(0, 0, 0, "").add(1, 1, 0, sectors(512, "b")).read(t)
	if n := len(hole.Entries()); n != 1 {
		t.Errorf("%d entries before the hole", n)
	}
}

func TestReadRefuses(t *testing.T) {
	change := func(at int, to byte) []byte {
		b := example().b
		b[at] = to
		return b
	}
	for name, c := range map[string]struct {
		log  []byte
		want string
	}{
		"empty":          {nil, "EOF"},
		"never flushed":  {make([]byte, 2048), "no superblock"},
		"version":        {change(8, 2), "format version 2"},
		"sector size":    {change(25, 3), "sectors of 768 bytes"},
		"no sector size": {change(25, 0), "sectors of 0 bytes"},
		"flags":          {change(512+16, 0x80), "at byte 512 is no entry"},
		"far away":       {change(512+7, 0x80), "at byte 512 is no entry"},
	} {
		if _, err := Read(bytes.NewReader(c.log), int64(len(c.log))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// A power cut leaves all that was flushed or had to be durable, and of the rest anything.
func TestCut(t *testing.T) {
	l := example().read(t)
	const n = 8
	seen := map[string]bool{}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 0))
		d := make(memory, 6*512)
		if err := l.Replay(d, 0, l.Durable(n)); err != nil {
			t.Fatal(err)
		}
		loss, err := l.Cut(d, n, random)
		if err != nil {
			t.Fatal(err)
		}
		got := d.letters()
		seen[got] = true
		if got[:3] != "adb" || !strings.Contains("Bc", got[3:4]) || !strings.Contains(".C", got[4:5]) || !strings.Contains(".e", got[5:]) {
			t.Fatalf("seed %d: %s, %v", seed, got, loss)
		}
		if loss.Whole+loss.Torn+loss.Lost != 3 || loss.Whole < 1 {
			t.Errorf("seed %d: %+v", seed, loss)
		}
		again := make(memory, 6*512)
		if err := l.Replay(again, 0, l.Durable(n)); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Cut(again, n, rand.New(rand.NewPCG(seed, 0))); err != nil || again.letters() != got {
			t.Errorf("seed %d gives %s, and then %s (%v)", seed, got, again.letters(), err)
		}
	}
	if len(seen) != 8 {
		t.Errorf("%d different disks, want each of 8: %v", len(seen), seen)
	}
	if text := (Loss{1, 2, 3}).String(); text != "6 writes since the last flush: 1 arrived, 2 in part, 3 not" {
		t.Error(text)
	}
	// Writes of one place may arrive in another order.
	l = newBuilder(512).add(0, 1, 0, sectors(512, "a")).add(0, 1, 0, sectors(512, "b")).read(t)
	seen = map[string]bool{}
	for seed := range uint64(100) {
		d := make(memory, 512)
		if _, err := l.Cut(d, 2, rand.New(rand.NewPCG(seed, 0))); err != nil {
			t.Fatal(err)
		}
		seen[d.letters()] = true
	}
	if !seen["a"] || !seen["b"] || !seen["."] {
		t.Errorf("of two writes to one sector: %v", seen)
	}
}
