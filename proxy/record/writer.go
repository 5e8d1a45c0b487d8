package record

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Sink is where records go. Its methods are for one goroutine, except Stats.
type Sink interface {
	// Batch is how many records it takes at a time.
	Batch() int
	// Write takes records, all or none. It may wait, but not for ever.
	Write(ctx context.Context, records []Record) error
	// Tend does what is due beside new records; it is called every few moments.
	Tend(ctx context.Context)
	Stats() SinkStats
	Close() error
}

// SinkStats are the figures of a sink.
type SinkStats struct {
	Name    string `json:"sink"`              // "journal", "file", "database"
	Spooled int64  `json:"spooled,omitempty"` // records on the disk that a database will get
	Refused uint64 `json:"refused,omitempty"` // records that a database does not take
	// Error is what is the matter now; empty: nothing.
	Error string `json:"error,omitempty"`
}

// Stats are the figures of records.
type Stats struct {
	SinkStats
	Written uint64 `json:"written"` // by this process, to the sink or to its spool
	Waiting int64  `json:"waiting"` // of ended calls
	Open    int64  `json:"open"`    // rows of calls in progress
	Lost    uint64 `json:"lost"`    // for want of rows
}

const (
	lookEvery  = 100 * time.Millisecond
	retryAfter = time.Second
)

// Writer takes rows that have ended to a sink.
type Writer struct {
	book    *Book
	sink    Sink
	names   Names
	log     *slog.Logger
	rows    []taken
	records []Record
	retry   time.Time // not before
	mu      sync.Mutex
	failed  error // of the last Write; guarded by mu
	written atomic.Uint64
}

// NewWriter makes the writer of a book. The sink is its own from here on.
func NewWriter(b *Book, s Sink, n Names, log *slog.Logger) *Writer {
	return &Writer{book: b, sink: s, names: n, log: log, rows: make([]taken, 0, max(s.Batch(), 1))}
}

// Run writes records until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			w.Look(ctx)
		}
	}
}

// Finish writes what waits, as long as ctx allows, and closes the sink. It comes after Run.
func (w *Writer) Finish(ctx context.Context) error {
	w.retry = time.Time{}
	w.Look(ctx)
	return w.sink.Close()
}

// Look writes what waits. It is what Run does every few moments.
func (w *Writer) Look(ctx context.Context) {
	for !time.Now().Before(w.retry) {
		w.rows = w.book.waitingRows(w.rows[:0])
		if len(w.rows) == 0 {
			break
		}
		slices.SortStableFunc(w.rows, func(a, b taken) int { return cmp.Compare(a.Ended, b.Ended) })
		w.records = w.records[:0]
		for i := range w.rows {
			w.records = append(w.records, w.names.Record(&w.rows[i].Row))
		}
		err := w.sink.Write(ctx, w.records)
		w.tell(err)
		if err != nil {
			w.book.giveBack(w.rows)
			w.retry = time.Now().Add(retryAfter)
			break
		}
		w.book.done(w.rows)
		w.written.Add(uint64(len(w.rows)))
	}
	w.sink.Tend(ctx)
}

// tell logs when writing begins to fail, and when it works again.
func (w *Writer) tell(err error) {
	w.mu.Lock()
	before := w.failed
	w.failed = err
	w.mu.Unlock()
	switch {
	case err != nil && before == nil:
		w.log.Error("call records cannot be written, and wait in memory", "error", err)
	case err == nil && before != nil:
		w.log.Info("call records are written again")
	}
}

// Stats reads the figures.
func (w *Writer) Stats() Stats {
	st := Stats{SinkStats: w.sink.Stats(), Written: w.written.Load(), Waiting: w.book.waiting.Load(), Open: w.book.live.Load(), Lost: w.book.lost.Load()}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		st.Error = w.failed.Error()
	}
	return st
}
