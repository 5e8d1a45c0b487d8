package ci

import (
	"testing"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/proxy/preflight"
)

// planOf plans a spec for a machine of so many threads.
func planOf(t *testing.T, dir string, threads int) *runtime.Appliance {
	t.Helper()
	s, diags, _ := spec.Load(dir, spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s.Hardware.Cores, s.Hardware.ThreadsPerCore, s.Hardware.Mismatch = threads, 1, spec.MismatchResize
	p, err := plan.Make(s, sizing.Size(s, sizing.DefaultCoefficients()), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p.Appliance
}

// An appliance resized on its machine has the workers that the plan for such a machine
// has, and with the memory of the plan everything that is planned.
func TestResizedAsPlanned(t *testing.T) {
	for _, dir := range []string{"edge-fra1", "edge-tls", "bare-metal"} {
		dir := "../appliance/examples/" + dir
		big := planOf(t, dir, 16)
		for threads := 1; threads <= 16; threads++ {
			got, _, err := preflight.Fit(big, threads, big.Hardware.MemoryBytes)
			if err != nil {
				t.Fatalf("%s, %d threads: %v", dir, threads, err)
			}
			small := planOf(t, dir, threads)
			for i, l := range got.Listeners {
				if want := small.Listeners[i]; l.Workers != want.Workers || l.SocketCount != want.SocketCount {
					t.Errorf("%s, %d threads, listener %s: %d workers, the plan for that machine has %d", dir, threads, l.Name, l.Workers, want.Workers)
				}
			}
			if got.State != big.State {
				t.Errorf("%s, %d threads: state %+v, planned %+v", dir, threads, got.State, big.State)
			}
		}
		if _, what, err := preflight.Fit(big, 16, big.Hardware.MemoryBytes/4); err != nil {
			t.Errorf("%s with a quarter of its memory: %v", dir, err)
		} else {
			t.Logf("%s with a quarter of its memory: %s", dir, what)
		}
	}
}
