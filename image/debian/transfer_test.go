package debian

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// filled is a store with packages of the given contents.
func filled(t *testing.T, contents ...string) (*Store, []Package) {
	t.Helper()
	s := NewStore(t.TempDir())
	var pkgs []Package
	for i, c := range contents {
		p := Package{Name: fmt.Sprintf("p%d", i), Version: "1", Path: fmt.Sprintf("pool/p%d.deb", i), SHA256: digest([]byte(c)), Size: int64(len(c))}
		if err := os.MkdirAll(filepath.Dir(s.Path(p)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Path(p), []byte(c), 0o644); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return s, pkgs
}

func exported(t *testing.T, s *Store, pkgs []Package) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.Export(context.Background(), &b, pkgs); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestExportThenImport(t *testing.T) {
	from, pkgs := filled(t, "one", "two", "three", "one")
	file := exported(t, from, pkgs)
	if !bytes.Equal(file, exported(t, from, []Package{pkgs[2], pkgs[3], pkgs[1]})) {
		t.Error("the file depends on the order of packages, or on how many have one content")
	}
	to := NewStore(t.TempDir())
	done, err := to.Import(context.Background(), bytes.NewReader(file))
	if want := (Imported{Added: 3, Bytes: 11}); err != nil || done != want {
		t.Fatalf("%+v, %v, want %+v", done, err, want)
	}
	// All of them are there: nobody is asked.
	got, err := to.Fetch(context.Background(), nil, pkgs, FetchOptions{})
	if err != nil || got.Cached != 4 {
		t.Errorf("%+v, %v", got, err)
	}
	// A damaged one is mended, the others are left alone.
	if err := os.WriteFile(to.Path(pkgs[1]), []byte("tow"), 0o644); err != nil {
		t.Fatal(err)
	}
	done, err = to.Import(context.Background(), bytes.NewReader(file))
	if want := (Imported{Added: 1, Present: 2, Bytes: 3}); err != nil || done != want {
		t.Errorf("%+v, %v, want %+v", done, err, want)
	}
}

func TestExportOfWhatIsNotThere(t *testing.T) {
	s, pkgs := filled(t, "one", "two")
	if err := os.Remove(s.Path(pkgs[1])); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	var missing *NotCachedError
	if err := s.Export(context.Background(), &b, pkgs); !errors.As(err, &missing) || len(missing.Packages) != 1 || b.Len() > 0 {
		t.Errorf("%v, %d bytes written", err, b.Len())
	}
}

// tarOf makes a tar of names and contents, in pairs.
func tarOf(t *testing.T, pairs ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: pairs[i], Mode: 0o644, Size: int64(len(pairs[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pairs[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestImportRefuses(t *testing.T) {
	name := func(content string) string { return "packages/" + digest([]byte(content)) + ".deb" }
	good := tarOf(t, "trunkline-packages", "1\n", name("one"), "one")
	for _, c := range []struct {
		what string
		file []byte
		want string
	}{
		{"nothing", nil, "cache export"},
		{"no archive", []byte(strings.Repeat("x", 2000)), "cache export"},
		{"another archive", tarOf(t, "etc/passwd", "x"), "cache export"},
		{"a later version", tarOf(t, "trunkline-packages", "2\n"), "the same version of Trunkline"},
		{"other content", tarOf(t, "trunkline-packages", "1\n", name("one"), "two"), "is damaged"},
		{"a way out", tarOf(t, "trunkline-packages", "1\n", "packages/../../x.deb", "x"), "no package"},
		{"an absolute path", tarOf(t, "trunkline-packages", "1\n", "/etc/passwd", "x"), "no package"},
		{"an empty one", tarOf(t, "trunkline-packages", "1\n", name(""), ""), "no package"},
		{"cut off", good[:512*3+1], "cut off"},
	} {
		t.Run(c.what, func(t *testing.T) {
			dir := t.TempDir()
			_, err := NewStore(dir).Import(context.Background(), bytes.NewReader(c.file))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v, want one with %q", err, c.want)
			}
			for _, pattern := range []string{"packages/*/*", "packages/*/.*"} {
				if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
					t.Errorf("left: %v", left)
				}
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := NewStore(t.TempDir()).Import(ctx, bytes.NewReader(good)); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestPrune(t *testing.T) {
	// Ten bytes each; p0 was used longest ago, p3 just now.
	const content = "0123456789"
	for _, c := range []struct {
		name  string
		bound int64
		keep  []int
		left  []int
	}{
		{"room for all", 40, nil, []int{0, 1, 2, 3}},
		{"one too many", 39, nil, []int{1, 2, 3}},
		{"half", 20, nil, []int{2, 3}},
		{"none, but the one in use", 0, nil, []int{3}},
		{"a lock's stay", 0, []int{0}, []int{0, 3}},
		{"a lock's stay and others go for them", 20, []int{0}, []int{0, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var contents []string
			for i := range 4 {
				contents = append(contents, content[:9]+fmt.Sprint(i))
			}
			s, pkgs := filled(t, contents...)
			for i, hours := range []int{300, 200, 100, 0} {
				then := time.Now().Add(-time.Duration(hours) * time.Hour)
				if err := os.Chtimes(s.Path(pkgs[i]), then, then); err != nil {
					t.Fatal(err)
				}
			}
			var keep []Package
			for _, i := range c.keep {
				keep = append(keep, pkgs[i])
			}
			done, err := s.Prune(context.Background(), c.bound, keep)
			n := len(c.left)
			if want := (Pruned{Removed: 4 - n, Left: n, RemovedBytes: int64(4-n) * 10, LeftBytes: int64(n) * 10}); err != nil || done != want {
				t.Errorf("%+v, %v, want %+v", done, err, want)
			}
			var left []int
			for i, p := range pkgs {
				if _, err := os.Stat(s.Path(p)); err == nil {
					left = append(left, i)
				}
			}
			if fmt.Sprint(left) != fmt.Sprint(c.left) {
				t.Errorf("left %v, want %v", left, c.left)
			}
		})
	}
}

// Reading a package is what counts as using it.
func TestReadPackagesStay(t *testing.T) {
	s, pkgs := filled(t, "one", "two")
	then := time.Now().Add(-1000 * time.Hour)
	for _, p := range pkgs {
		if err := os.Chtimes(s.Path(p), then, then); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Fetch(context.Background(), nil, pkgs[:1], FetchOptions{Offline: true}); err != nil {
		t.Fatal(err)
	}
	done, err := s.Prune(context.Background(), 0, nil)
	if err != nil || done.Removed != 1 || done.Left != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := os.Stat(s.Path(pkgs[0])); err != nil {
		t.Errorf("the one that was read is gone: %v", err)
	}
}
