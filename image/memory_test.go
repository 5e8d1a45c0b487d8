package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
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

// Builds that share a memory at the same time make what each makes alone: their sums are
// computed together, and an image is made where another one was.
func TestMemoryOfAFleet(t *testing.T) {
	r := request(t)
	member := func(i int) Request {
		m := r
		m.Name = fmt.Sprintf("edge-%02d", i)
		m.Config = []File{{Path: "etc/hostname", Data: []byte(m.Name + "\n")}, {Path: "etc/large", Data: bytes.Repeat([]byte{byte(i)}, i<<14)}}
		m.OutDir = filepath.Join(r.OutDir, m.Name)
		return m
	}
	const n = 12
	var alone, together [n]Result
	for i := range n {
		alone[i] = mustBuild(t, member(i))
	}
	memory := new(Memory)
	var builds sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		builds.Go(func() {
			m := member(i)
			m.Memory = memory
			together[i], errs[i] = Build(t.Context(), m)
		})
	}
	builds.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if a, b := alone[i], together[i]; a.UKI != b.UKI || a.Disk != b.Disk || a.Digest != b.Digest || !slices.Equal(a.Evidence, b.Evidence) {
			t.Errorf("%s: alone %+v, with others %+v", member(i).Name, a, b)
		}
	}
	if len(memory.buffers) == 0 || len(memory.buffers) > n {
		t.Errorf("%d buffers are kept", len(memory.buffers))
	}
}
