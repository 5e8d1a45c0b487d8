package ci

import (
	"log/slog"
	"math"
	"testing"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/route"
	"trunkline/proxy/shm"
)

// engineInArena makes an engine whose tables lie in an arena, until the test ends.
func engineInArena(t *testing.T, cfg *runtime.Appliance) (*engine.Engine, *shm.Arena) {
	t.Helper()
	router, err := route.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	sets, err := dispatch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a, err := shm.Create(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	e, err := engine.New(cfg, router, sets, a, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return e, a
}

// The arena of an appliance takes what its plan says, within 5 %.
func TestArenaAsPlanned(t *testing.T) {
	for _, name := range []string{"edge-fra1", "edge-tls", "bare-metal", "platform-1000", "../spec/testdata/good/calls"} {
		t.Run(name, func(t *testing.T) {
			s, diags, _ := spec.Load("../appliance/examples/"+name, spec.Options{})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			b := sizing.Size(s, sizing.DefaultCoefficients())
			p, err := plan.Make(s, b, plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, a := engineInArena(t, p.Appliance)
			for _, r := range a.Regions() {
				t.Logf("%-20s %9d rows of %6d B: %11d B", r.Name, r.Rows, r.Row, r.Bytes)
			}
			size, planned := float64(a.Size()), b.Arena.Value
			t.Logf("arena: %.0f B, planned %.0f B (%+.1f %%)", size, planned, 100*(size/planned-1))
			if math.Abs(size/planned-1) > 0.05 {
				t.Errorf("the arena takes %.0f B, its plan says %.0f B", size, planned)
			}
		})
	}
}
