package engine

import (
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/route"
)

func newEngine(t testing.TB, cfg *runtime.Appliance) *Engine {
	t.Helper()
	sets, err := dispatch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	router, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e, err := New(cfg, router, sets, testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	return e
}
