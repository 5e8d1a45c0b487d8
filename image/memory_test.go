package image

import (
	"os"
	"testing"
)

// Builds that share a memory read base layer and programs once, and make what they
// would alone.
func TestMemory(t *testing.T) {
	r := request(t)
	want := mustBuild(t, r)
	r.Memory = new(Memory)
	if got := mustBuild(t, r); got.UKI != want.UKI || !got.BaseReused {
		t.Errorf("%+v, want %+v", got.UKI, want.UKI)
	}
	if err := os.RemoveAll(want.BaseDir); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{r.SbcdPath, r.InitPath} {
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
	}
	if got := mustBuild(t, r); got.UKI != want.UKI || got.Disk != want.Disk || !got.BaseReused {
		t.Errorf("from memory: %+v, want %+v", got, want)
	}
	// Other inputs, another base layer.
	r.SbcdPath, r.InitPath = testProgram(t, t.TempDir(), "sbcd2"), testProgram(t, t.TempDir(), "init")
	if got := mustBuild(t, r); got.BaseReused || got.Base.Digest == want.Base.Digest {
		t.Errorf("another sbcd: %+v", got.Base)
	}
}
