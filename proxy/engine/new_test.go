package engine

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/resolve"
	"trunkline/proxy/route"
	"trunkline/proxy/shm"
)

func newEngine(t testing.TB, cfg *runtime.Appliance) *Engine {
	t.Helper()
	return newLoggedEngine(t, cfg, quiet)
}

// quiet takes no line.
var quiet = slog.New(slog.DiscardHandler)

func newLoggedEngine(t testing.TB, cfg *runtime.Appliance, log *slog.Logger) *Engine {
	t.Helper()
	e, err := tryEngine(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	// A slow machine is no overload that a test is about; those that are make their own.
	e.watcher = nil
	return e
}

func tryEngine(cfg *runtime.Appliance, log *slog.Logger) (*Engine, error) {
	return tryEngineIn(nil, cfg, log)
}

func tryEngineIn(a *shm.Arena, cfg *runtime.Appliance, log *slog.Logger) (*Engine, error) {
	sets, err := dispatch.New(cfg)
	if err != nil {
		return nil, err
	}
	names, err := sets.Names(cfg.Listeners, resolve.Options{Servers: cfg.Resolvers, Timeout: time.Minute})
	if err != nil {
		return nil, err
	}
	if names != nil {
		_ = names.Warm(context.Background(), time.Minute) // what does not resolve takes no calls
	}
	routed := *cfg
	if len(routed.Listeners) == 0 {
		routed.Routes = nil // so that the engine is what refuses
	}
	router, err := route.New(&routed)
	if err != nil {
		return nil, err
	}
	return New(cfg, router, sets, a, log)
}
