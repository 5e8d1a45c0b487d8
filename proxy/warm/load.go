package warm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/route"
)

// errLate is the cause when a load outlasts the cache's timeout.
var errLate = errors.New("not complete")

// Pauses between tries of a cache whose table is not from its source.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// spreadOf is the share of an interval by which refreshes are put off, so that the appliances
// of a fleet do not ask one server at one moment.
const spreadOf = 10

// first loads a cache for the first time, or has it start from what there is instead.
func (w *Warmer) first(ctx context.Context, i int) error {
	err := w.load(ctx, i)
	if err == nil || ctx.Err() != nil {
		return err
	}
	instead := w.instead(ctx, i)
	switch c := w.caches[i]; {
	case instead == nil:
		s := w.one(i)
		w.log.Warn("cache not loaded, calls are routed by another table until it is", "cache", c.Name, "table", s.Origin, "since", s.Since, "rows", s.Rows, "error", err)
		return nil
	case c.OnFail != "" && c.OnFail != runtime.OnFailRefuse:
		err = fmt.Errorf("%w; and there is no %s table: %w", err, c.OnFail, instead)
		w.set(i, func(s *Status) { s.Error = err.Error() })
	}
	if w.caches[i].Warmup == runtime.WarmupBackground {
		w.log.Warn("cache not loaded, it matches nothing until it is", "cache", w.caches[i].Name, "error", err)
	}
	return err
}

// errNothing: there is nothing to start from.
var errNothing = errors.New("nothing to start from")

// instead puts the table in place that a cache starts from when its source does not answer.
func (w *Warmer) instead(ctx context.Context, i int) error {
	c := w.caches[i]
	origin, from, since := FromBaked, c.baked, time.Time{}
	switch {
	case c.kept != nil:
		origin, from = FromLastGood, c.kept
	case c.OnFail == runtime.OnFailLastGood:
		return errors.New("there is no state directory to keep it in: set STATE_DIRECTORY, as the service manager does")
	case from == nil:
		return errNothing
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if w.one(i).Origin != "" {
		return nil // somebody had it loaded meanwhile
	}
	t, err := build(ctx, from, c.Rows, w.router, func(int) {})
	if err != nil {
		return err
	}
	if c.kept != nil {
		since, c.saved = c.kept.taken, t
	}
	if err := w.router.Swap(c.Name, t); err != nil {
		return err
	}
	w.set(i, func(s *Status) { s.Origin, s.Since, s.Rows, s.Bytes = origin, since, t.Len(), t.Bytes() })
	return nil
}

// load loads one cache from its source and puts its table in place. Loads of one cache come
// one after the other.
func (w *Warmer) load(ctx context.Context, i int) error {
	c := w.caches[i]
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return fmt.Errorf("cache %q: %w", c.Name, context.Cause(ctx))
	}
	inner := ctx
	if d := c.Within.D(); d > 0 {
		var cancel context.CancelFunc
		inner, cancel = context.WithTimeoutCause(ctx, d, fmt.Errorf("%w within %s", errLate, d))
		defer cancel()
	}
	before := w.one(i)
	w.set(i, func(s *Status) {
		w.begun[i] = time.Now()
		s.State, s.Read = Loading, 0
	})
	t, err := build(inner, c.source, c.Rows, w.router, func(rows int) {
		w.set(i, func(s *Status) { s.Read = rows })
	})
	if err != nil {
		err = fmt.Errorf("cache %q: %w%s", c.Name, err, remedy(err))
	} else {
		err = w.take(i, t)
	}
	w.ended(i, err)
	switch s := w.one(i); {
	case err == nil && (s.Origin != before.Origin || s.Rows != before.Rows || before.Error != ""):
		w.log.Info("cache loaded", "cache", c.Name, "rows", s.Rows, "bytes", s.Bytes, "seconds", s.Seconds)
		if c.Rows > 0 && s.Rows > c.Rows && before.Rows <= c.Rows {
			w.log.Warn("cache has more rows than memory was planned for: plan again", "cache", c.Name, "rows", s.Rows, "planned", c.Rows)
		}
	case err != nil && ctx.Err() == nil && before.Origin != "" && before.Error != err.Error(): // once, however often it is tried
		w.log.Warn("cache not loaded, its table stays as it is", "cache", c.Name, "rows", s.Rows, "table", s.Origin, "error", err)
	}
	return err
}

// take puts a table in place, unless it is the one there is; and keeps it, once calls are taken.
func (w *Warmer) take(i int, t *route.Table) error {
	c := w.caches[i]
	if old := w.router.Table(c.Name); old != nil && old.Equal(t) {
		t = old
	} else if err := w.router.Swap(c.Name, t); err != nil {
		return err
	}
	w.set(i, func(s *Status) {
		s.Origin, s.Since, s.Rows, s.Bytes = FromSource, time.Now(), t.Len(), t.Bytes()
	})
	return nil
}

// ended notes how a load ended.
func (w *Warmer) ended(i int, err error) {
	w.set(i, func(s *Status) {
		s.Seconds = time.Since(w.begun[i]).Seconds()
		if s.State, s.Error, s.Read = Loaded, "", 0; err != nil {
			s.State, s.Error = Failed, err.Error()
			s.Failures++
		} else {
			s.Loads++
		}
	})
}

// keep does for one cache what Background promises.
func (w *Warmer) keep(ctx context.Context, i int) {
	c := w.caches[i]
	for pause := firstPause; ; {
		w.save(ctx, i)
		wait := c.Refresh.D()
		switch s := w.one(i); {
		case s.Origin != FromSource:
			wait, pause = pause, min(2*pause, lastPause)
		case wait <= 0:
			return
		default:
			wait, pause = wait+rand.N(wait/spreadOf+1), firstPause
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		_ = w.load(ctx, i) // the log and the status have it
	}
}

// save keeps the table in place as the last good one, if it is from the source and not kept
// yet. It is called beside the path of messages, after the first calls were taken.
func (w *Warmer) save(ctx context.Context, i int) {
	c := w.caches[i]
	if c.kept == nil {
		return
	}
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return
	}
	s, t := w.one(i), w.router.Table(c.Name)
	if s.Origin != FromSource || c.saved == t {
		return
	}
	told := ""
	if err := c.kept.write(t, s.Since, w.router); err != nil {
		told = err.Error()
		if told != s.Unsaved {
			w.log.Warn("last good table not kept", "cache", c.Name, "error", err)
		}
	} else {
		c.saved = t
	}
	w.set(i, func(s *Status) { s.Unsaved = told })
}

// remedy says what to do about an error whose cause does not say it.
func remedy(err error) string {
	var p *fs.PathError
	switch {
	case errors.Is(err, errLate):
		return ": raise the cache's timeout, or see why the source is slow"
	case !errors.As(err, &p):
		return ""
	case errors.Is(err, fs.ErrNotExist):
		return ": put the file there, or correct the cache's path and build again"
	case errors.Is(err, fs.ErrPermission):
		return ": let the user sbcd runs as read it"
	}
	return ""
}
