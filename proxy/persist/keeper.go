package persist

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Source is the calls as a Keeper sees them.
type Source interface {
	// Capacity is how many rows there are.
	Capacity() int
	// Each tells of every answered call: its row, its ID, and a number that is another
	// one after each change worth keeping.
	Each(f func(row int, id, version uint64))
	// Encode appends a call as it is now; false: it has ended.
	Encode(dst []byte, id uint64) ([]byte, bool)
}

// Keeper takes the changes of calls to a store.
type Keeper struct {
	store    Store
	head     Head
	src      Source
	interval time.Duration
	log      *slog.Logger

	flushing sync.Mutex // one batch at a time: it guards what follows
	rows     []kept
	pass     uint64
	changed  []change
	batch    Batch
	text     []byte
	begun    bool // the store has what rows say

	held    atomic.Int64
	batches atomic.Uint64
	mu      sync.Mutex
	last    time.Time // of a batch; guarded by mu
	err     error     // of the last batch; guarded by mu
}

// kept is what the store has of a row.
type kept struct {
	id, version uint64 // id 0: nothing
	seen        uint64 // last pass that saw it live
}

type change struct {
	row         int
	id, version uint64
}

// AtOnce is the interval that stands for 0: a change is on its way within it.
const AtOnce = 200 * time.Millisecond

// NewKeeper makes a keeper. interval is that between batches; 0: AtOnce.
func NewKeeper(s Store, h Head, src Source, interval time.Duration, log *slog.Logger) *Keeper {
	if interval <= 0 {
		interval = AtOnce
	}
	return &Keeper{store: s, head: h, src: src, interval: interval, log: log, rows: make([]kept, src.Capacity())}
}

// Run keeps calls until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	k.Flush(ctx) // what another process left behind is not what is there now
	t := time.NewTicker(k.interval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			k.Flush(ctx)
		}
	}
}

// Finish writes a last batch, as long as ctx allows, and closes the store. It comes after Run.
func (k *Keeper) Finish(ctx context.Context) error {
	k.Flush(ctx)
	return k.store.Close()
}

// Flush writes what changed since the last batch, after one that is being written.
func (k *Keeper) Flush(ctx context.Context) {
	k.flushing.Lock()
	defer k.flushing.Unlock()
	err := k.flush(ctx, !k.begun)
	if errors.Is(err, ErrAnew) {
		err = k.flush(ctx, true)
	}
	k.mu.Lock()
	before := k.err
	if k.err = err; err == nil {
		k.last = time.Now()
	}
	k.mu.Unlock()
	switch {
	case err != nil && before == nil:
		k.log.Error("calls in progress are not kept: a reboot would lose them", "to", k.store.Name(), "error", err)
	case err == nil && before != nil:
		k.log.Info("calls in progress are kept again", "to", k.store.Name())
	}
}

// flush writes changes; anew: all calls.
func (k *Keeper) flush(ctx context.Context, anew bool) error {
	if anew {
		clear(k.rows)
		k.begun = false
	}
	k.pass++
	k.changed, k.text = k.changed[:0], k.text[:0]
	k.batch.Put, k.batch.Gone = k.batch.Put[:0], k.batch.Gone[:0]
	k.src.Each(func(row int, id, version uint64) {
		x := &k.rows[row]
		x.seen = k.pass
		if x.id != id || x.version != version {
			k.changed = append(k.changed, change{row, id, version})
		}
	})
	ends := make([]int, 0, len(k.changed))
	still := k.changed[:0]
	for _, c := range k.changed {
		text, ok := k.src.Encode(k.text, c.id)
		if !ok { // it ended meanwhile
			k.rows[c.row].seen = 0
			continue
		}
		k.text, ends, still = text, append(ends, len(text)), append(still, c)
	}
	k.changed = still
	for i, c := range still {
		from := 0
		if i > 0 {
			from = ends[i-1]
		}
		k.batch.Put = append(k.batch.Put, Entry{c.id, k.text[from:ends[i]:ends[i]]})
		if x := &k.rows[c.row]; x.id != 0 && x.id != c.id {
			k.batch.Gone = append(k.batch.Gone, x.id)
		}
	}
	n := int64(0)
	for i := range k.rows {
		switch x := &k.rows[i]; {
		case x.id != 0 && x.seen != k.pass:
			k.batch.Gone = append(k.batch.Gone, x.id)
		case x.id != 0:
			n++
		}
	}
	var err error
	switch {
	case anew:
		err = k.store.Begin(ctx, k.head, &k.batch)
	case len(k.batch.Put)+len(k.batch.Gone) > 0:
		err = k.store.Apply(ctx, &k.batch)
	default:
		return nil
	}
	if err != nil {
		k.begun = false // whatever it has of this
		return err
	}
	k.begun = true
	k.batches.Add(1)
	for i := range k.rows {
		if x := &k.rows[i]; x.id != 0 && x.seen != k.pass {
			x.id = 0
		}
	}
	for _, c := range still {
		x := &k.rows[c.row]
		if x.id == 0 {
			n++
		}
		x.id, x.version = c.id, c.version
	}
	k.held.Store(n)
	return nil
}

// Stats are the figures of a keeper.
type Stats struct {
	To      string    `json:"to"`      // "disk", "database"
	Calls   int64     `json:"calls"`   // the store has
	Batches uint64    `json:"batches"` // written by this process
	Last    time.Time `json:"last"`    // when the last look found nothing more to write
	Error   string    `json:"error,omitempty"`
}

// Stats reads the figures.
func (k *Keeper) Stats() Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := Stats{To: k.store.Name(), Calls: k.held.Load(), Batches: k.batches.Load(), Last: k.last}
	if k.err != nil {
		s.Error = k.err.Error()
	}
	return s
}
