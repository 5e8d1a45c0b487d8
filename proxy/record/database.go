package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Table is a table of a database that takes records.
type Table interface {
	// Insert has the table take records, given as JSON, that it does not have yet (by key). It
	// waits no longer than a few seconds. refused are those that it will never take, with the
	// reason for one of them. An error says that none was taken, or that it is not known.
	Insert(ctx context.Context, records [][]byte) (refused int, why, err error)
	Close() error
}

// DatabaseOptions bound the spool. Zero values are the defaults.
type DatabaseOptions struct {
	Bytes   int64 // of the spool; 256 MiB
	Segment int64 // bytes of one of its files; 1 MiB
}

// Database writes records to a table. While the table takes none, they go to a spool on the
// disk, and from there to the table in their order once it does again, which is tried after 1 s at
// first and every 30 s at last. A full spool takes none: records wait in their rows.
type Database struct {
	table   Table
	spool   *spool // nil: there is no disk
	log     *slog.Logger
	lines   bytes.Buffer
	retry   time.Time
	pause   time.Duration
	spooled atomic.Int64
	refused atomic.Uint64
	mu      sync.Mutex
	err     error // of the table; guarded by mu
}

const (
	databaseBatch = 256
	firstPause    = time.Second
	lastPause     = 30 * time.Second
	// tendFor bounds how long the spool is sent until new records are looked at.
	tendFor = time.Second
)

// NewDatabase makes the sink. dir is where the spool is; empty: there is none.
func NewDatabase(t Table, dir string, o DatabaseOptions, log *slog.Logger) (*Database, error) {
	if o.Bytes <= 0 {
		o.Bytes = 256 << 20
	}
	if o.Segment <= 0 {
		o.Segment = 1 << 20
	}
	d := &Database{table: t, log: log}
	if dir == "" {
		return d, nil
	}
	var err error
	if d.spool, err = openSpool(dir, o.Bytes, o.Segment); err != nil {
		return nil, fmt.Errorf("spool of call records: %w", err)
	}
	d.spooled.Store(d.spool.count)
	return d, nil
}

// Batch implements Sink.
func (d *Database) Batch() int { return databaseBatch }

// Write implements Sink.
func (d *Database) Write(ctx context.Context, records []Record) error {
	d.lines.Reset()
	for i := range records {
		if err := appendLine(&d.lines, &records[i]); err != nil {
			return err
		}
	}
	err := d.error()
	if (d.spool == nil || d.spool.count == 0) && !time.Now().Before(d.retry) {
		if err = d.insert(ctx, bytes.SplitAfter(bytes.TrimSuffix(d.lines.Bytes(), []byte("\n")), []byte("\n"))); err == nil {
			return nil
		}
	}
	if d.spool == nil {
		return err
	}
	if full := d.spool.append(d.lines.Bytes(), len(records)); full != nil {
		return errors.Join(err, fmt.Errorf("spool of call records: %w", full))
	}
	d.spooled.Store(d.spool.count)
	return nil
}

// Tend implements Sink: it sends what is spooled.
func (d *Database) Tend(ctx context.Context) {
	if d.spool == nil {
		return
	}
	for until := time.Now().Add(tendFor); d.spool.count > 0 && ctx.Err() == nil; {
		if now := time.Now(); now.Before(d.retry) || now.After(until) {
			return
		}
		lines, size, err := d.spool.first(databaseBatch)
		switch {
		case err != nil:
			d.failed(err)
			return
		case len(lines) == 0: // somebody has made the file shorter
			d.log.Error("spooled call records are gone", "count", d.spool.count)
			d.spool.count = 0
		case d.insert(ctx, lines) != nil:
			return
		}
		if err := d.spool.remove(len(lines), size); err != nil {
			d.failed(err)
			return
		}
		d.spooled.Store(d.spool.count)
	}
}

func (d *Database) insert(ctx context.Context, lines [][]byte) error {
	if len(lines) == 0 {
		return nil
	}
	refused, why, err := d.table.Insert(ctx, lines)
	if err != nil {
		d.failed(err)
		return err
	}
	if refused > 0 {
		d.refused.Add(uint64(refused))
		d.log.Error("call records that the database does not take are lost", "count", refused, "error", why)
	}
	d.mu.Lock()
	before := d.err
	d.err = nil
	d.mu.Unlock()
	if before != nil {
		d.log.Info("the database takes call records again")
	}
	d.pause = 0
	return nil
}

// failed has the table left alone for a while.
func (d *Database) failed(err error) {
	d.mu.Lock()
	before := d.err
	d.err = err
	d.mu.Unlock()
	if before == nil {
		d.log.Error("call records do not reach the database, and are kept for it", "error", err)
	}
	d.pause = min(max(2*d.pause, firstPause), lastPause)
	d.retry = time.Now().Add(d.pause)
}

func (d *Database) error() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.err
}

// Stats implements Sink.
func (d *Database) Stats() SinkStats {
	st := SinkStats{Name: "database", Spooled: d.spooled.Load(), Refused: d.refused.Load()}
	if err := d.error(); err != nil {
		st.Error = err.Error()
	}
	return st
}

// Close implements Sink.
func (d *Database) Close() error {
	err := d.table.Close()
	if d.spool != nil {
		err = errors.Join(err, d.spool.s.close())
	}
	return err
}
