package record

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// FileOptions bound the files of records. Zero values are the defaults.
type FileOptions struct {
	Size  int64 // bytes after which another file begins; 16 MiB
	Files int   // that are kept at most; 256
}

// File writes records as lines of JSON into files of a directory, records-NUMBER.jsonl. The
// oldest file goes when there are more than Files, or when no more than an eighth of
// the file system (8 MiB at least) is free.
//
// What is written is synced within a second, so that a power cut takes no more than that.
// A record that was written when the process before this one was killed is not written again.
type File struct {
	s     *segments
	o     FileOptions
	log   *slog.Logger
	lines bytes.Buffer
	dirty bool
	due   time.Time              // of the next sync
	seen  map[string]struct{}    // keys at the end of what was there
	err   atomic.Pointer[string] // of the last sync
}

const syncEvery = time.Second

// OpenFile opens the files of a directory, which it makes.
func OpenFile(dir string, o FileOptions, log *slog.Logger) (*File, error) {
	if o.Size <= 0 {
		o.Size = 16 << 20
	}
	if o.Files <= 0 {
		o.Files = 256
	}
	s, err := openSegments(dir, "records")
	if err != nil {
		return nil, fmt.Errorf("call records: %w", err)
	}
	f := &File{s: s, o: o, log: log, seen: map[string]struct{}{}}
	for i, left := len(s.numbers)-1, int64(fileBatch*maxLine); i >= 0 && left > 0; i-- {
		n, err := f.see(s.numbers[i], left)
		if err != nil {
			return nil, fmt.Errorf("call records: %w", err)
		}
		left -= n
	}
	return f, nil
}

// see remembers the keys in the last bytes of a file, and returns how many bytes it read. Records
// that the process before may have written and not noted as written are one batch.
func (f *File) see(n uint64, last int64) (int64, error) {
	file, err := os.Open(f.s.path(n))
	if err != nil {
		return 0, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return 0, err
	}
	tail, err := readTail(file, st.Size(), last)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(tail) {
		var r struct{ Key string }
		if json.Unmarshal(line, &r) == nil && r.Key != "" { // the first may be half a line
			f.seen[r.Key] = struct{}{}
		}
	}
	return int64(len(tail)), nil
}

const fileBatch = 256

// Batch implements Sink.
func (f *File) Batch() int { return fileBatch }

// Write implements Sink.
func (f *File) Write(_ context.Context, records []Record) error {
	f.lines.Reset()
	for i := range records {
		if _, there := f.seen[records[i].Key]; there {
			continue
		}
		if err := appendLine(&f.lines, &records[i]); err != nil {
			return err
		}
	}
	if err := f.makeRoom(int64(f.lines.Len())); err != nil {
		return fmt.Errorf("call records: %w", err)
	}
	if err := f.s.append(f.lines.Bytes()); err != nil {
		return fmt.Errorf("call records: %w", err)
	}
	f.dirty = true
	return nil
}

// makeRoom begins another file and removes old ones as needed for n bytes more.
func (f *File) makeRoom(n int64) error {
	if f.s.size > 0 && f.s.size+n > f.o.Size {
		if err := f.s.next(); err != nil {
			return err
		}
	}
	for len(f.s.numbers) > f.o.Files {
		if err := f.s.removeFirst(); err != nil {
			return err
		}
	}
	for {
		left, err := room(f.s.dir)
		if err != nil {
			return err
		}
		if left >= n {
			return nil
		}
		if len(f.s.numbers) == 1 {
			return fmt.Errorf("no room is left on the state partition: make the disk of the appliance larger, and restart it")
		}
		if err := f.s.removeFirst(); err != nil {
			return err
		}
	}
}

// Tend implements Sink.
func (f *File) Tend(context.Context) {
	if now := time.Now(); f.dirty && !now.Before(f.due) {
		f.due = now.Add(syncEvery)
		err := f.s.sync()
		switch before := f.err.Load(); {
		case err == nil:
			f.dirty = false
			f.err.Store(nil)
		case before == nil || *before != err.Error():
			text := err.Error()
			f.err.Store(&text)
			f.log.Error("call records may not outlive a power cut", "error", err)
		}
	}
}

// Stats implements Sink.
func (f *File) Stats() SinkStats {
	st := SinkStats{Name: "file"}
	if e := f.err.Load(); e != nil {
		st.Error = *e
	}
	return st
}

// Close implements Sink.
func (f *File) Close() error { return f.s.close() }
