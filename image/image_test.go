package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"trunkline/image/debian"
	"trunkline/image/sparse"
)

func mustBuild(t *testing.T, r Request) Result {
	t.Helper()
	res, err := Build(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func steps(r Result) []string {
	var out []string
	for _, s := range r.Steps {
		out = append(out, s.Name)
	}
	return out
}

func TestBuildTwice(t *testing.T) {
	r := request(t)
	first := mustBuild(t, r)
	if want := []string{"base", "packages", "rootfs", "modules", "erofs", "initrd", "uki", "disk", "evidence"}; first.BaseReused || !slices.Equal(steps(first), want) {
		t.Errorf("first build: reused %v, steps %v", first.BaseReused, steps(first))
	}
	second := mustBuild(t, r)
	if want := []string{"base", "uki", "disk", "evidence"}; !second.BaseReused || !slices.Equal(steps(second), want) {
		t.Errorf("second build: reused %v, steps %v", second.BaseReused, steps(second))
	}
	if first.UKI != second.UKI || first.Disk != second.Disk || !slices.Equal(first.Evidence, second.Evidence) {
		t.Errorf("outputs differ: %+v, %+v", first, second)
	}
	for _, o := range append([]Output{first.UKI, first.Disk}, first.Evidence...) {
		if n, digest, err := sparse.Sum(o.Path); err != nil || n != o.Size || digest != o.SHA256 {
			t.Errorf("%s: %d bytes, %s, %v; the result says %+v", o.Path, n, digest, err, o)
		}
	}
}

// Two builds share nothing but their inputs: other directories, umask, time zone,
// locale and number of CPUs.
func TestBuildIsDeterministic(t *testing.T) {
	a := mustBuild(t, request(t))
	t.Setenv("TZ", "Asia/Tokyo")
	t.Setenv("LC_ALL", "tr_TR.UTF-8")
	umask := syscall.Umask(0o077)
	cpus := runtime.GOMAXPROCS(1)
	defer func() {
		syscall.Umask(umask)
		runtime.GOMAXPROCS(cpus)
	}()
	b := mustBuild(t, request(t))
	if d := cmp.Diff(a.Base, b.Base); d != "" {
		t.Errorf("base layers differ:\n%s", d)
	}
	if a.UKI.SHA256 != b.UKI.SHA256 || a.Disk.SHA256 != b.Disk.SHA256 || a.Digest != b.Digest {
		t.Error("outputs differ")
	}
	for i, o := range a.Evidence {
		if o.SHA256 != b.Evidence[i].SHA256 {
			t.Errorf("%s differs", filepath.Base(o.Path))
		}
	}
}

func TestConfigChangesNoBase(t *testing.T) {
	r := request(t)
	a := mustBuild(t, r)
	r.Config = append(r.Config, File{Path: "etc/trunkline/appliance.json", Data: []byte("{}")})
	b := mustBuild(t, r)
	if !b.BaseReused || a.Base.Digest != b.Base.Digest || a.UKI.SHA256 == b.UKI.SHA256 {
		t.Errorf("reused %v, base %s and %s, UKI %s and %s", b.BaseReused, a.Base.Digest, b.Base.Digest, a.UKI.SHA256, b.UKI.SHA256)
	}
}

func TestProgramsChangeTheBase(t *testing.T) {
	r := request(t)
	a := mustBuild(t, r)
	r.SbcdPath = testProgram(t, t.TempDir(), "sbcd2")
	if b := mustBuild(t, r); b.BaseReused || a.Base.Digest == b.Base.Digest {
		t.Error("another sbcd made no other base layer")
	}
}

func TestDamagedBaseIsRebuilt(t *testing.T) {
	r := request(t)
	want := mustBuild(t, r)
	for _, damage := range []func(dir string) error{
		func(dir string) error { return os.WriteFile(filepath.Join(dir, "initrd.zst"), []byte("x"), 0o644) },
		func(dir string) error { return os.Remove(filepath.Join(dir, "kernel")) },
		func(dir string) error { return os.WriteFile(filepath.Join(dir, "base.json"), []byte("{"), 0o644) },
		os.RemoveAll,
	} {
		if err := damage(want.BaseDir); err != nil {
			t.Fatal(err)
		}
		got := mustBuild(t, r)
		if got.BaseReused || got.UKI != want.UKI {
			t.Errorf("reused %v, UKI %+v, want %+v", got.BaseReused, got.UKI, want.UKI)
		}
	}
}

// An interrupted build leaves nothing under a final name, and the next one clears
// away what it left.
func TestInterrupted(t *testing.T) {
	r := request(t)
	ctx, cancel := context.WithCancel(context.Background())
	r.Progress = &stopAt{step: "initrd", stop: cancel}
	if _, err := Build(ctx, r); !errors.Is(err, context.Canceled) {
		t.Fatalf("error is %v", err)
	}
	if got := names(t, r.BaseCacheDir); !slices.Equal(got, []string{".lock"}) {
		t.Errorf("in the cache: %v", got)
	}
	if _, err := os.Stat(r.OutDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("output directory: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(r.BaseCacheDir, ".new-killed", "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(r.OutDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".edge-test.efi1", ".edge-test.raw22"} {
		if err := os.WriteFile(filepath.Join(r.OutDir, name), []byte("part"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.Progress = nil
	res := mustBuild(t, r)
	if got := names(t, r.BaseCacheDir); !slices.Equal(got, []string{".lock", filepath.Base(res.BaseDir)}) {
		t.Errorf("in the cache: %v", got)
	}
	if got := names(t, r.OutDir); !slices.Equal(got, []string{"edge-test.cdx.json", "edge-test.efi", "edge-test.provenance.json", "edge-test.raw", "edge-test.spdx.json"}) {
		t.Errorf("in the output directory: %v", got)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

// stopAt cancels a build when it reaches a step.
type stopAt struct {
	step string
	stop func()
}

func (s *stopAt) Step(name string) {
	if name == s.step {
		s.stop()
	}
}
func (*stopAt) Plan(int, int64)               {}
func (*stopAt) Begin(debian.Package)          {}
func (*stopAt) Advance(debian.Package, int64) {}
func (*stopAt) End(debian.Package, error)     {}

// The cache keeps the base layers used last, and nothing that is not one goes.
func TestOldBasesGo(t *testing.T) {
	r := request(t)
	mine := filepath.Base(mustBuild(t, r).BaseDir)
	if err := os.Mkdir(filepath.Join(r.BaseCacheDir, "notes"), 0o755); err != nil {
		t.Fatal(err)
	}
	age := func(name string, hours int) {
		when := time.Now().Add(-time.Duration(hours) * time.Hour)
		if err := os.Chtimes(filepath.Join(r.BaseCacheDir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	age(mine, 100)
	want := []string{".lock", "notes", mine}
	for i := range keptBases {
		name := strings.Repeat(string(rune('0'+i)), 64)
		if err := os.Mkdir(filepath.Join(r.BaseCacheDir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		age(name, i+1)
		if i < keptBases-2 {
			want = append(want, name)
		}
	}
	mustBuild(t, r) // uses mine: it counts as new
	r.SbcdPath = testProgram(t, t.TempDir(), "sbcd2")
	want = append(want, filepath.Base(mustBuild(t, r).BaseDir))
	slices.Sort(want)
	if got := names(t, r.BaseCacheDir); !slices.Equal(got, want) {
		t.Errorf("in the cache: %v\nwant %v", got, want)
	}
}

func TestBuildsAtOnce(t *testing.T) {
	r := request(t)
	results := make(chan Result, 3)
	errs := make(chan error, 3)
	for i := range 3 {
		one := r
		one.OutDir = filepath.Join(r.OutDir, string(rune('a'+i)))
		go func() {
			res, err := Build(context.Background(), one)
			results <- res
			errs <- err
		}()
	}
	built := 0
	digests := map[string]bool{}
	for range 3 {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
		res := <-results
		digests[res.UKI.SHA256] = true
		if !res.BaseReused {
			built++
		}
	}
	if built != 1 || len(digests) != 1 {
		t.Errorf("%d builds made the base layer, %d different images", built, len(digests))
	}
}

// Two builds into one directory take turns: one's disk never lies beside the
// other's UKI.
func TestOutputDirectoryIsOneBuilds(t *testing.T) {
	r := request(t)
	mustBuild(t, r)
	release, err := ownOutput(context.Background(), r.OutDir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r.Progress = &stopAt{step: "uki", stop: cancel} // the step that writes into it
	if _, err := Build(ctx, r); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "another build") {
		t.Errorf("error is %v", err)
	}
	release()
	mustBuild(t, r)
}

func TestFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("a file system of its own, to fill it, needs root")
	}
	for _, full := range []string{"output", "cache"} {
		t.Run(full, func(t *testing.T) {
			r := request(t)
			dir := t.TempDir()
			if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16k"); err != nil {
				t.Fatal(err)
			}
			defer unix.Unmount(dir, unix.MNT_DETACH)
			if full == "cache" {
				r.BaseCacheDir = dir
			} else {
				r.OutDir = dir
			}
			_, err := Build(context.Background(), r)
			if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "-o and --cache") {
				t.Fatalf("error is %v", err)
			}
			if left := names(t, dir); len(left) > 0 && !slices.Equal(left, []string{".lock"}) {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestBuildRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(*Request)
		want  string
	}{
		{"name", func(r *Request) { r.Name = "Edge/1" }, "letters a-z"},
		{"no lock", func(r *Request) { r.Lock = nil }, "trunkline lock"},
		{"stale lock", func(r *Request) { r.Lock.Seeds = nil }, "trunkline lock"},
		{"profile", func(r *Request) { r.Profile = "toaster" }, "no image profile"},
		{"command line", func(r *Request) { r.Cmdline = "a\nb" }, "one line"},
		{"config", func(r *Request) { r.Config[0].Path = "usr/bin/x" }, "below etc/"},
		{"no sbcd", func(r *Request) { r.SbcdPath += ".gone" }, "make build"},
		{"script as init", func(r *Request) {
			_ = os.WriteFile(r.InitPath, []byte("#!/bin/sh\n"), 0o755)
		}, "init: "},
		{"missing package", func(r *Request) { _ = os.Remove(r.Store.Path(r.Lock.Packages[0])) }, "base-files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request(t)
			c.wrong(&r)
			if _, err := Build(context.Background(), r); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
			if got, _ := filepath.Glob(filepath.Join(r.OutDir, "*")); got != nil {
				t.Errorf("something was written: %v", got)
			}
		})
	}
}
