package record

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/proxy/shm"
)

var quiet = slog.New(slog.DiscardHandler)

func fields(i int) Fields {
	return Fields{CallID: fmt.Appendf(nil, "call-%d", i), Caller: []byte("sip:alice@example.net"), Callee: []byte("sip:bob@example.net"),
		Called: []byte("+49301234"), Source: netip.MustParseAddrPort("192.0.2.1:5060")}
}

func names() Names {
	return Names{Appliance: "edge", Listener: func(i int) string { return fmt.Sprint("l", i) }, Carrier: func(netip.Addr) string { return "telco" },
		Destination: func(i int) (string, string) { return "core", fmt.Sprint("d", i) },
		Cause:       func(c uint8) string { return []string{"bye", "rejected", "broken"}[c] },
		Ends:        func(c uint8) Side { return []Side{Nobody, Callee, Nobody}[c] },
		Wall:        func(ns int64) time.Time { return time.Unix(1e9, 0).Add(time.Duration(ns)) }}
}

func newBook(t testing.TB, a *shm.Arena, calls int) *Book {
	t.Helper()
	b, err := NewBook(a, calls)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kept is a sink that keeps what it gets, and fails when it is told to.
type kept struct {
	records []Record
	fail    error
	batch   int
}

func (k *kept) Batch() int { return max(k.batch, 1) }
func (k *kept) Write(_ context.Context, r []Record) error {
	if k.fail == nil {
		k.records = append(k.records, r...)
	}
	return k.fail
}
func (*kept) Tend(context.Context) {}
func (*kept) Stats() SinkStats     { return SinkStats{Name: "kept"} }
func (*kept) Close() error         { return nil }

// What a record says is what was told of its call.
func TestRecord(t *testing.T) {
	b := newBook(t, nil, 10)
	f := fields(1)
	f.Caller = []byte("sip:alice:secret@example.net;user=phone?Authorization=none")
	f.Callee = []byte("sip:" + strings.Repeat("b", 100) + "@example.net")
	f.Called = []byte("a\x00\xffb")
	f.Listener, f.Emergency = 2, true
	b.Open(3, 77, 1e9, f)
	b.Answered(3, 77, 3e9, 200, 4)
	b.HungUp(3, 77, Caller)
	b.Answered(3, 78, 4e9, 202, 5) // of another call
	if b.End(3, 78, 9e9, 1) || b.End(4, 77, 9e9, 1) {
		t.Error("a call ended that has no row")
	}
	if !b.End(3, 77, 10.5e9, 0) || b.End(3, 77, 11e9, 1) {
		t.Error("a call ends once")
	}
	k := &kept{batch: 4}
	w := NewWriter(b, k, names(), quiet)
	w.Look(t.Context())
	if len(k.records) != 1 {
		t.Fatalf("%d records", len(k.records))
	}
	got := k.records[0]
	answered := got.Answered.String()
	got.Answered = nil
	want := Record{Key: Key(b.origin, 77), Appliance: "edge", CallID: "call-1", Caller: "sip:alice@example.net;user=phone", Callee: "sip:" + strings.Repeat("b", MaxCallee-4),
		Called: "a\uFFFD\uFFFDb", Source: "192.0.2.1:5060", Listener: "l2", Carrier: "telco", Dispatcher: "core", Destination: "d4",
		Began: Time(time.Unix(1e9+1, 0)), Ended: Time(time.Unix(1e9+10, 5e8)), DurationMS: 9500, TalkMS: 7500, Cause: "bye", Code: 200, EndedBy: "caller", Emergency: true, Cut: "callee"}
	if got != want || answered != "2001-09-09T01:46:43.000Z" {
		t.Errorf("got %+v, answered %s\nwant %+v", got, answered, want)
	}
	if st := w.Stats(); st.Written != 1 || st.Waiting != 0 || st.Open != 0 || st.Lost != 0 {
		t.Errorf("%+v", st)
	}
}

func TestPlainURI(t *testing.T) {
	for in, want := range map[string]string{
		"sip:alice@a.example":          "sip:alice@a.example",
		"sip:alice:pw@a.example:5060":  "sip:alice@a.example:5060",
		"sips:a:b:c@[2001:db8::1]:1":   "sips:a@[2001:db8::1]:1",
		"sip:[2001:db8::1]:5060":       "sip:[2001:db8::1]:5060",
		"tel:+4930":                    "tel:+4930",
		"sip:a@b?Replaces=x%40y":       "sip:a@b",
		"urn:service:sos":              "urn:service:sos",
		"sip:alice;phone-context=+1@b": "sip:alice;phone-context=+1@b",
		"":                             "",
	} {
		head, tail := plainURI([]byte(in))
		if got := string(head) + string(tail); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// succeed gives a second process's view of an arena.
func succeed(t *testing.T, a *shm.Arena) *shm.Arena {
	t.Helper()
	fd, err := unix.Dup(int(a.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	b, err := shm.Adopt(os.NewFile(uintptr(fd), "arena"), shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// Calls in random order, a sink that fails now and then, and processes that take over at any
// moment: each call that ended has exactly one record, none of the others has, and rows are
// lost by number only.
func TestEachOnce(t *testing.T) {
	const calls = 300
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 7))
		arena, err := shm.Create(shm.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { arena.Close() })
		b := newBook(t, arena, calls)
		if err := arena.Serve(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		openFile := func() *File {
			f, err := OpenFile(dir, FileOptions{Size: 20000, Files: 1000}, quiet)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		file := openFile()
		w := NewWriter(b, file, names(), quiet)
		live := map[int]uint64{} // by row
		ended := map[string]uint8{}
		next := uint64(1)
		for now := int64(1); now < 3000; now++ {
			switch at := rng.IntN(calls); {
			case rng.IntN(200) == 0: // the process is killed; some calls end that it can note no more
				if rng.IntN(2) == 0 { // and a batch was written that it could not note, either
					w.rows = b.waitingRows(w.rows[:0])
					var batch []Record
					for i := range w.rows {
						batch = append(batch, w.names.Record(&w.rows[i].Row))
					}
					if err := file.Write(t.Context(), batch); err != nil {
						t.Fatal(err)
					}
				}
				for at, id := range live {
					if rng.IntN(10) == 0 {
						ended[Key(b.origin, id)] = 2
						delete(live, at)
					}
				}
				rows := map[uint64]int{}
				for at, id := range live {
					rows[id] = at
				}
				file.s.f.Close() // and no more: it was killed
				arena = succeed(t, arena)
				b = newBook(t, arena, calls)
				b.Recover(func(id uint64) (int, bool) { at, ok := rows[id]; return at, ok }, now, 2)
				if err := arena.Serve(); err != nil {
					t.Fatal(err)
				}
				file = openFile()
				w = NewWriter(b, file, names(), quiet)
			case rng.IntN(40) == 0:
				w.Look(t.Context())
			case live[at] == 0:
				b.Open(at, next, now, fields(int(next)))
				live[at] = next
				next++
			default:
				cause := uint8(rng.IntN(2))
				if !b.End(at, live[at], now, cause) {
					t.Fatal("a live call has no row")
				}
				ended[Key(b.origin, live[at])] = cause
				delete(live, at)
			}
		}
		lost := b.lost.Load()
		w.Look(t.Context())
		if err := w.Finish(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := readRecords(t, dir)
		seen := map[string]bool{}
		for _, r := range got {
			cause, ok := ended[r.Key]
			if !ok || seen[r.Key] || r.Cause != names().Cause(cause) {
				t.Errorf("seed %d: record %s of cause %s: ended %v, seen %v", seed, r.Key, r.Cause, ok, seen[r.Key])
			}
			seen[r.Key] = true
		}
		if len(got) != len(ended) || lost != 0 {
			t.Errorf("seed %d: %d records of %d calls that ended, %d lost", seed, len(got), len(ended), lost)
		}
		if st := w.Stats(); st.Waiting != 0 || st.Open != int64(len(live)) {
			t.Errorf("seed %d: %+v with %d live", seed, st, len(live))
		}
	}
}

// When no sink takes records, those that waited longest make room for new calls.
func TestOldestGo(t *testing.T) {
	b := newBook(t, nil, 16)
	k := &kept{batch: 8, fail: errors.New("the disk is full")}
	w := NewWriter(b, k, names(), quiet)
	for i := range uint64(50) {
		b.Open(int(i%16), i+1, int64(i), fields(int(i)))
		b.End(int(i%16), i+1, int64(i), 0)
		w.retry = time.Time{}
		w.Look(t.Context())
	}
	if st := w.Stats(); st.Waiting != 18 || st.Lost != 32 || !strings.Contains(st.Error, "disk is full") {
		t.Errorf("%+v", st)
	}
	k.fail, w.retry = nil, time.Time{}
	w.Look(t.Context())
	for i, r := range k.records {
		if want := fmt.Sprint("call-", 32+i); r.CallID != want {
			t.Errorf("record %d is of %s, want %s", i, r.CallID, want)
		}
	}
	if st := w.Stats(); st.Waiting != 0 || st.Written != 18 || st.Error != "" {
		t.Errorf("%+v", st)
	}
	// All rows are in use by calls that live: one more goes without.
	for i := range 18 {
		b.Open(i%16, uint64(100+i), 1, fields(i))
	}
	b.Open(0, 200, 1, fields(0))
	if b.End(0, 200, 2, 0) || b.lost.Load() != 33 {
		t.Errorf("lost %d", b.lost.Load())
	}
}

func TestNoAllocation(t *testing.T) {
	b := newBook(t, nil, 1000)
	k := &kept{batch: 1, fail: errors.New("no")}
	_ = NewWriter(b, k, names(), quiet)
	id := uint64(0)
	if n := testing.AllocsPerRun(5000, func() {
		id++
		at := int(id % 1000)
		b.Open(at, id, 1, Fields{CallID: []byte("x"), Caller: []byte("sip:a@b"), Callee: []byte("sip:c@d"), Called: []byte("c")})
		b.Answered(at, id, 2, 200, 1)
		b.HungUp(at, id, Callee)
		b.End(at, id, 3, 0)
	}); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}
