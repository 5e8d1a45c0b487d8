// Package warm fills the caches of the appliance from their sources, and keeps them fresh.
//
// It promises that Sync returns only when every sync cache is complete, so that
// whoever binds listeners afterwards never serves a call from a cold cache; that a
// table takes effect as a whole or not at all; and that a source it cannot load is
// an error saying which cache, which file and line or which row, why, and what to do: one bad
// row refuses the whole load. Background caches are loaded one after another and tried again
// until they load; until then they match nothing.
//
// What was loaded stays when a later load fails. When the first load fails, a cache may start
// from its last good table, which is written to the state partition after each load that
// changed it, or from the table baked into the image; the source is then asked again until it
// answers. Status says which table is in place.
//
// A file source is CSV with two columns, prefix and dispatcher set, no header, with
// '#' comments. It is streamed: a FIFO works. Databases are packages of their own below.
package warm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/route"
)

// States of a cache: of its last load.
const (
	Waiting = "waiting" // its turn has not come
	Loading = "loading"
	Loaded  = "loaded"
	Failed  = "failed" // see Error; Origin says whether there is a table all the same
)

// Origins of a table.
const (
	FromSource   = "source"
	FromLastGood = "last-good" // what the source gave last, kept on the state partition
	FromBaked    = "baked"     // the file in the image
)

// Status is what is known of one cache.
type Status struct {
	Name     string `json:"name"`
	Source   string `json:"source"`             // "file", "sqlite", "postgres"
	Path     string `json:"path,omitempty"`     // of a file source
	Database string `json:"database,omitempty"` // of another
	Warmup   string `json:"warmup"`
	State    string `json:"state"`
	// Origin is where the table in place is from; empty: there is none, and nothing matches.
	Origin string `json:"origin,omitempty"`
	// Since is when the source gave the table in place; absent of a baked one.
	Since   time.Time `json:"since,omitzero"`
	Rows    int       `json:"rows"`              // of the table in place
	Read    int       `json:"read,omitempty"`    // rows that the load under way has read
	Planned int       `json:"planned,omitempty"` // rows the plan sized memory for
	Bytes   int       `json:"bytes"`             // memory of the table
	// Seconds is how long the last load took, or has taken so far.
	Seconds  float64 `json:"seconds"`
	Loads    uint64  `json:"loads"`           // from the source, that came to their end
	Failures uint64  `json:"failures"`        // loads that did not
	Error    string  `json:"error,omitempty"` // of the last load
	// Unsaved says why the last good table is not kept; empty: it is, or need not be.
	Unsaved string `json:"unsaved,omitempty"`
}

// Options are what a Warmer needs beside its configuration.
type Options struct {
	Log *slog.Logger
	// StateDir is where last good tables are kept; empty: nowhere.
	StateDir string
}

// Warmer loads the caches of one appliance.
type Warmer struct {
	router *route.Router
	log    *slog.Logger
	caches []*cache

	mu     sync.Mutex
	status []Status
	begun  []time.Time
}

// New makes a warmer. Errors name a cache it cannot handle; nothing is read yet.
func New(cfg *runtime.Appliance, router *route.Router, o Options) (*Warmer, error) {
	w := &Warmer{router: router, log: o.Log, begun: make([]time.Time, len(cfg.Caches))}
	var errs []error
	for _, in := range cfg.Caches {
		c, err := newCache(cfg, in, o.StateDir)
		if err != nil {
			errs = append(errs, fmt.Errorf("cache %q: %w", in.Name, err))
			continue
		}
		w.caches = append(w.caches, c)
		s := Status{Name: c.Name, Source: c.Source, Database: c.Database, Warmup: c.Warmup, State: Waiting, Planned: c.Rows}
		if c.Source == sourceFile {
			s.Path = c.Path
		}
		w.status = append(w.status, s)
	}
	return w, errors.Join(errs...)
}

// Sync loads every sync cache, in the order of the configuration. The first that
// cannot be loaded, and has no table to start from, ends it.
func (w *Warmer) Sync(ctx context.Context) error {
	for i, c := range w.caches {
		if c.Warmup != runtime.WarmupSync {
			continue
		}
		if err := w.first(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// Background loads the other caches, then keeps all of them fresh: what did not come from its
// source is tried again, and what has an interval is loaded again. It returns when nothing is
// left to do or ctx ends.
func (w *Warmer) Background(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, c := range w.caches {
		if c.Warmup == runtime.WarmupBackground {
			_ = w.first(ctx, i) // the log and the status have it
		}
		// One broken source must not hold up the ones after it.
		wg.Go(func() { w.keep(ctx, i) })
	}
}

// Reload loads caches again, by name, or all of them when none is named. A table that cannot
// be loaded stays as it is, and the error says why. The status is that of the caches named.
func (w *Warmer) Reload(ctx context.Context, names ...string) ([]Status, error) {
	var errs []error
	for _, n := range names {
		if !slices.ContainsFunc(w.caches, func(c *cache) bool { return c.Name == n }) {
			return nil, fmt.Errorf("there is no cache %q: `sbcd status` lists them", n)
		}
	}
	out := []Status{}
	for i, c := range w.caches {
		if len(names) == 0 || slices.Contains(names, c.Name) {
			err := w.load(ctx, i)
			if err == nil {
				w.save(ctx, i)
			}
			errs = append(errs, err)
			out = append(out, w.one(i))
		}
	}
	return out, errors.Join(errs...)
}

func (w *Warmer) set(i int, f func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status[i])
}

func (w *Warmer) one(i int) Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.status[i]
	if s.State == Loading {
		s.Seconds = time.Since(w.begun[i]).Seconds()
	}
	return s
}

// Status tells where every cache is, in the order of the configuration.
func (w *Warmer) Status() []Status {
	out := make([]Status, len(w.caches))
	for i := range out {
		out[i] = w.one(i)
	}
	return out
}
