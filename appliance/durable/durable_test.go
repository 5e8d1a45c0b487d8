package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/durable"
)

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func holds(t *testing.T, path, want string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil || string(b) != want {
		t.Errorf("%s holds %q, %v, want %q", path, b, err, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("%s: %v, %v, want mode %v", path, info.Mode(), err, mode)
	}
}

// The new bytes take the place of the old, with the permissions asked for, and nothing is left.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edge.json")
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	for _, c := range []struct {
		text string
		mode fs.FileMode
	}{{"one", 0o644}, {"another", 0o600}, {"", 0o644}} {
		if err := durable.Write(path, c.mode, []byte(c.text)); err != nil {
			t.Fatal(err)
		}
		holds(t, path, c.text, c.mode)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"edge.json"}) {
		t.Errorf("%q", got)
	}
}

// The temporary file lies beside its name, wherever others are told to put theirs: a rename does
// not cross file systems.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(dir, "edge.raw")
	if err := durable.Write(path, 0o644, []byte("old")); err != nil {
		t.Fatal(err)
	}
	for _, commit := range []bool{false, true} {
		f, err := durable.Create(path, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("new"), 0); err != nil {
			t.Fatal(err)
		}
		holds(t, path, "old", 0o644)
		if got := names(t, dir); len(got) != 2 || filepath.Dir(f.Name()) != dir {
			t.Errorf("%q, written at %s", got, f.Name())
		}
		want := "old"
		if commit {
			if want = "new"; f.Commit() != nil {
				t.Error("not committed")
			}
		}
		if err := f.Cleanup(); err != nil {
			t.Error(err)
		}
		holds(t, path, want, 0o644)
		if got := names(t, dir); len(got) != 1 {
			t.Errorf("%q is left", got)
		}
	}
}

// What cannot be put in place leaves what there was, and no other file.
func TestFails(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "by a directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := durable.Write(path, 0o644, []byte("x")); err == nil {
		t.Error("a directory was replaced by a file")
	}
	if got := names(t, dir); !slices.Equal(got, []string{"taken"}) {
		t.Errorf("%q", got)
	}
	if err := durable.Write(filepath.Join(dir, "gone", "x"), 0o644, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: error is %v", err)
	}
	if err := durable.SyncDir(filepath.Join(dir, "gone")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no directory: error is %v", err)
	}
}

func TestSweep(t *testing.T) {
	const half = "what a killed process left"
	for _, c := range []struct {
		pattern string
		age     time.Duration
		gone    []string
	}{
		{"edge.raw", 0, []string{half}},
		{"*", 0, []string{half, ".other.json7", ".young.raw8"}},
		{"*.raw", 0, []string{half, ".young.raw8"}},
		{"*.raw", time.Hour, []string{half}},
		{"edge", 0, nil},
	} {
		dir := t.TempDir()
		f, err := durable.Create(filepath.Join(dir, "edge.raw"), 0o644)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil { // and not committed: as good as killed
			t.Fatal(err)
		}
		all := []string{filepath.Base(f.Name()), ".other.json7", ".young.raw8", ".keep.raw", "edge.raw", "edge.raw1", ".edge.raw.5x"}
		for _, name := range all[1:] {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(dir, ".edge.raw9"), 0o755); err != nil {
			t.Fatal(err)
		}
		before := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(f.Name(), before, before); err != nil {
			t.Fatal(err)
		}
		if err := durable.Sweep(filepath.Join(dir, c.pattern), c.age); err != nil {
			t.Error(err)
		}
		want := append(slices.Clone(all), ".edge.raw9")
		for _, gone := range c.gone {
			if gone == half {
				gone = filepath.Base(f.Name())
			}
			want = slices.DeleteFunc(want, func(n string) bool { return n == gone })
		}
		slices.Sort(want)
		if got := names(t, dir); !slices.Equal(got, want) {
			t.Errorf("%s, %v: %q are left, want %q", c.pattern, c.age, got, want)
		}
	}
}
