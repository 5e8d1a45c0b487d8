package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// table is a table that may be away.
type table struct {
	away error
	keys map[string]int
	ids  []string
}

func (x *table) Insert(_ context.Context, records [][]byte) (int, error, error) {
	if x.away != nil {
		return 0, nil, x.away
	}
	for _, b := range records {
		var r Record
		if err := json.Unmarshal(b, &r); err != nil {
			return 0, nil, err
		}
		if x.keys[r.Key]++; x.keys[r.Key] == 1 {
			x.ids = append(x.ids, r.CallID)
		}
	}
	return 0, nil, nil
}

func (*table) Close() error { return nil }

// While the table is away records are spooled, and come in their order once it is back, over
// restarts too; a spool that is full takes no more.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	x := &table{keys: map[string]int{}}
	o := DatabaseOptions{Bytes: 200_000, Segment: 10_000}
	start := func() *Database {
		d, err := NewDatabase(x, dir, o, quiet)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := start()
	n := 0
	write := func(want int) {
		t.Helper()
		for range want {
			if err := d.Write(t.Context(), some(n, 3)); err != nil {
				t.Fatal(err)
			}
			n += 3
		}
	}
	write(5)
	if st := d.Stats(); len(x.ids) != 15 || st.Spooled != 0 || st.Error != "" {
		t.Fatalf("%d in the table, %+v", len(x.ids), st)
	}
	x.away = errors.New("nothing listens there")
	write(30)
	if st := d.Stats(); st.Spooled != 90 || !strings.Contains(st.Error, "nothing listens") {
		t.Errorf("%+v", st)
	}
	d.Tend(t.Context()) // not before its time
	d.Close()
	d = start()
	if st := d.Stats(); st.Spooled != 90 {
		t.Errorf("after a restart: %+v", st)
	}
	write(1)
	x.away = nil
	write(1) // behind those that wait
	d.retry = time.Time{}
	d.Tend(t.Context())
	write(2)
	if st := d.Stats(); st.Spooled != 0 || st.Error != "" {
		t.Errorf("once it is back: %+v", st)
	}
	if len(x.ids) != n {
		t.Errorf("%d of %d in the table", len(x.ids), n)
	}
	for i, id := range x.ids {
		if id != fmt.Sprint(i) {
			t.Fatalf("in another order: %v", x.ids)
		}
	}
	d.Close()
	if d = start(); d.Stats().Spooled != 0 {
		t.Errorf("what was sent waits again: %+v", d.Stats())
	}

	x.away = errors.New("away")
	var full error
	for range 400 {
		if full = d.Write(t.Context(), some(n, 3)); full != nil {
			break
		}
		n += 3
	}
	if !errors.Is(full, errSpoolFull) || d.spool.bytes > o.Bytes {
		t.Errorf("%v, with %d bytes", full, d.spool.bytes)
	}
	x.away, d.retry = nil, time.Time{}
	for d.Stats().Spooled > 0 {
		d.Tend(t.Context())
	}
	write(1)
	if len(x.ids) != n {
		t.Errorf("%d of %d in the table", len(x.ids), n)
	}
	if d.spool.bytes != 0 {
		t.Errorf("an empty spool has %d bytes", d.spool.bytes)
	}
	d.Close()
}

// Without a disk records wait in memory.
func TestNoSpool(t *testing.T) {
	x := &table{keys: map[string]int{}, away: errors.New("away")}
	d, err := NewDatabase(x, "", DatabaseOptions{}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(t.Context(), some(0, 1)); err == nil {
		t.Error("records went nowhere")
	}
	d.retry, x.away = time.Time{}, nil
	if err := d.Write(t.Context(), some(0, 1)); err != nil || len(x.ids) != 1 {
		t.Errorf("%v, %d", err, len(x.ids))
	}
	d.Tend(t.Context())
}
