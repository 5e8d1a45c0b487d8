// Package warm fills the caches of the appliance from their sources.
//
// It promises that Sync returns only when every sync cache is complete, so that
// whoever binds listeners afterwards never serves a call from a cold cache; that a
// table takes effect as a whole or not at all; and that a source it cannot load is
// an error saying which cache, which file and line, why, and what to do. Background
// caches are loaded one after another and tried again until they load; until then
// they match nothing.
//
// A file source is CSV with two columns, prefix and dispatcher set, no header, with
// '#' comments. It is streamed: a FIFO works.
package warm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/route"
)

// States of a cache.
const (
	Waiting = "waiting" // its turn has not come
	Loading = "loading"
	Loaded  = "loaded"
	Failed  = "failed" // a background cache is tried again
)

// Status is what is known of one cache.
type Status struct {
	Name    string `json:"name"`
	Path    string `json:"path"`
	Warmup  string `json:"warmup"`
	State   string `json:"state"`
	Rows    int    `json:"rows"`              // loaded, or read so far
	Planned int    `json:"planned,omitempty"` // rows the plan sized memory for
	Bytes   int    `json:"bytes"`             // memory of the table
	// Seconds is how long the load took, or has taken so far.
	Seconds float64 `json:"seconds"`
	Error   string  `json:"error,omitempty"`
}

// errLate is the cause when a load outlasts the cache's timeout.
var errLate = errors.New("not complete")

// Warmer loads the caches of one appliance.
type Warmer struct {
	router *route.Router
	log    *slog.Logger
	caches []runtime.Cache

	mu     sync.Mutex
	status []Status
	begun  []time.Time
}

// Pauses between tries of a background cache.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// New makes a warmer. Errors name a cache it cannot handle; nothing is read yet.
func New(cfg *runtime.Appliance, router *route.Router, log *slog.Logger) (*Warmer, error) {
	w := &Warmer{router: router, log: log, caches: cfg.Caches, begun: make([]time.Time, len(cfg.Caches))}
	var errs []error
	for _, c := range cfg.Caches {
		switch {
		case c.Source != "file":
			errs = append(errs, fmt.Errorf("cache %q: source %q is not supported: use \"file\"", c.Name, c.Source))
		case c.Path == "":
			errs = append(errs, fmt.Errorf("cache %q: no path: name the CSV file", c.Name))
		case c.Warmup != runtime.WarmupSync && c.Warmup != runtime.WarmupBackground:
			errs = append(errs, fmt.Errorf("cache %q: warmup %q is not supported: use %q or %q", c.Name, c.Warmup, runtime.WarmupSync, runtime.WarmupBackground))
		case c.OnFail != "" && c.OnFail != runtime.OnFailRefuse:
			errs = append(errs, fmt.Errorf("cache %q: on_fail %q is not supported: use %q", c.Name, c.OnFail, runtime.OnFailRefuse))
		}
		w.status = append(w.status, Status{Name: c.Name, Path: c.Path, Warmup: c.Warmup, State: Waiting, Planned: c.Rows})
	}
	return w, errors.Join(errs...)
}

// Sync loads every sync cache, in the order of the configuration. The first that
// cannot be loaded ends it.
func (w *Warmer) Sync(ctx context.Context) error {
	for i, c := range w.caches {
		if c.Warmup != runtime.WarmupSync {
			continue
		}
		if err := w.load(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// Background loads the other caches and returns when all are loaded or ctx ends.
// A failure is logged and shown in the status, and tried again.
func (w *Warmer) Background(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for i, c := range w.caches {
		if c.Warmup != runtime.WarmupBackground {
			continue
		}
		if err := w.load(ctx, i); err == nil || ctx.Err() != nil {
			continue
		}
		// One broken source must not hold up the ones after it.
		wg.Go(func() { w.retry(ctx, i) })
	}
}

func (w *Warmer) retry(ctx context.Context, i int) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if w.load(ctx, i) == nil {
			return
		}
	}
}

// load loads one cache and puts its table in place.
func (w *Warmer) load(ctx context.Context, i int) error {
	c, outer := w.caches[i], ctx
	if d := c.Within.D(); d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, d, fmt.Errorf("%w within %s", errLate, d))
		defer cancel()
	}
	w.set(i, func(s *Status) {
		w.begun[i] = time.Now()
		s.State, s.Rows = Loading, 0
	})
	t, err := build(ctx, file(c.Path), c.Rows, w.router, func(rows int) {
		w.set(i, func(s *Status) { s.Rows = rows })
	})
	if err == nil {
		err = w.router.Swap(c.Name, t)
	}
	if err != nil {
		err = fmt.Errorf("cache %q: %w%s", c.Name, err, remedy(c, err))
	}
	var s Status
	w.set(i, func(p *Status) {
		p.Seconds = time.Since(w.begun[i]).Seconds()
		if err != nil {
			p.State, p.Error = Failed, err.Error()
		} else {
			p.State, p.Rows, p.Bytes, p.Error = Loaded, t.Len(), t.Bytes(), ""
		}
		s = *p
	})
	switch {
	case err != nil && c.Warmup == runtime.WarmupBackground && outer.Err() == nil:
		w.log.Warn("cache not loaded, it matches nothing until it is", "cache", c.Name, "error", err)
	case err == nil:
		w.log.Info("cache loaded", "cache", c.Name, "rows", s.Rows, "bytes", s.Bytes, "seconds", s.Seconds)
		if c.Rows > 0 && s.Rows > c.Rows {
			w.log.Warn("cache has more rows than memory was planned for: plan again", "cache", c.Name, "rows", s.Rows, "planned", c.Rows)
		}
	}
	return err
}

// remedy says what to do about an error whose cause does not say it.
func remedy(c runtime.Cache, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ": put the file there, or correct the cache's path and build again"
	case errors.Is(err, fs.ErrPermission):
		return ": let the user sbcd runs as read it"
	case errors.Is(err, errLate):
		return ": raise the cache's timeout, or see why the source is slow"
	default:
		return ""
	}
}

func (w *Warmer) set(i int, f func(*Status)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.status[i])
}

// Status tells where every cache is, in the order of the configuration.
func (w *Warmer) Status() []Status {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]Status, len(w.status))
	for i, s := range w.status {
		if s.State == Loading {
			s.Seconds = time.Since(w.begun[i]).Seconds()
		}
		out[i] = s
	}
	return out
}
