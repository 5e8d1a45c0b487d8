package debian

import (
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files")

const goldenDigest = "f51ba4f082af8981285802ec849a0eb9659ca83175b695c015bcabda52fb2943"

func testLock(t *testing.T) *Lock {
	t.Helper()
	p := Profile{Name: "vm", Suite: "trixie", Architecture: "amd64", Seeds: []string{"b", "a"}, Exclude: []Exclusion{{"z", "test"}}}
	l, err := NewLock(archiveOf(t, "a 1.0-1", "b 1:2~rc1+dfsg-3 Depends: c, z", "c 3"), p)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestLockGolden(t *testing.T) {
	l := testLock(t)
	b, err := l.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "lock.json")
	if *update {
		if err := os.WriteFile(golden, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(b)); d != "" {
		t.Fatal(d)
	}
	back, err := ReadLock(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(l, back); d != "" {
		t.Fatal(d)
	}
	digest, err := back.Digest()
	if err != nil {
		t.Fatal(err)
	}
	// The base layer's identity hangs on it: a change here rebuilds everybody's.
	if digest != "sha256:"+goldenDigest {
		t.Fatalf("digest %s", digest)
	}
	if p, ok := back.Package("b"); !ok || p.Version != "1:2~rc1+dfsg-3" {
		t.Fatalf("%+v %v", p, ok)
	}
	if _, ok := back.Package("bb"); ok {
		t.Fatal("bb found")
	}
	if back.Size() != int64(len("a1.0-1"+"b1:2~rc1+dfsg-3"+"c3")) {
		t.Fatal(back.Size())
	}
}

func TestParseLockRefuses(t *testing.T) {
	b, err := testLock(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	for name, tt := range map[string]struct{ from, to, err string }{
		"version":       {`"format_version": 1`, `"format_version": 2`, "run `trunkline lock` again"},
		"unknown field": {`"suite"`, `"sweet"`, "unknown field"},
		"unsorted":      {`"name":"a"`, `"name":"bz"`, "must be sorted"},
		"twice":         {`"name":"a"`, `"name":"b"`, "must be sorted"},
		"escape":        {`"path":"pool/`, `"path":"../`, "not a path below the mirror"},
		"host":          {`"path":"pool/`, `"path":"/pool/`, "not a path below the mirror"},
		"query":         {`"path":"pool/`, `"path":"pool/?`, "not a path below the mirror"},
		"digest":        {`"sha256":"`, `"sha256":"A`, "not a SHA-256"},
		"no profile":    {`"profile": "vm"`, `"profile": ""`, "must be set"},
		"trailing":      {"]\n}\n", "]\n}\n{}", "not a lock file"},
		"not JSON":      {"{", "<", "not a lock file"},
	} {
		_, err := ParseLock([]byte(strings.Replace(good, tt.from, tt.to, 1)))
		if err == nil || !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: error %v, want %q", name, err, tt.err)
		}
	}
	if _, err := ReadLock(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "trunkline lock") {
		t.Errorf("missing file: %v", err)
	}
}

func TestLockDiffAndCheck(t *testing.T) {
	old, l := testLock(t), testLock(t)
	l.Packages = append([]Package{}, l.Packages[1:]...)
	l.Packages[0].Version, l.Packages[0].Size = "9", 77
	l.Packages = append(l.Packages, Package{Name: "d", Version: "1", Size: 5})
	got := l.Diff(old)
	want := []Change{
		{Name: "a", Old: "1.0-1", OldSize: old.Packages[0].Size},
		{Name: "b", Old: "1:2~rc1+dfsg-3", New: "9", OldSize: old.Packages[1].Size, NewSize: 77},
		{Name: "d", New: "1", NewSize: 5},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
	if n := len(old.Diff(nil)); n != 3 {
		t.Fatal(n)
	}
	if n := len(old.Diff(testLock(t))); n != 0 {
		t.Fatal(n)
	}

	p := Profile{Name: "vm", Suite: "trixie", Architecture: "amd64", Seeds: []string{"a", "b"}, Exclude: []Exclusion{{"z", ""}}}
	if err := old.Check(p); err != nil {
		t.Fatal(err)
	}
	p.Seeds = p.Seeds[1:]
	if err := old.Check(p); err == nil || !strings.Contains(err.Error(), "another package list") {
		t.Fatal(err)
	}
	p.Name = "metal"
	if err := old.Check(p); err == nil || !strings.Contains(err.Error(), `for profile "vm"`) {
		t.Fatal(err)
	}
}

func FuzzParseLock(f *testing.F) {
	b, err := os.ReadFile(filepath.Join("testdata", "lock.json"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := ParseLock(b)
		if err != nil {
			return
		}
		again, err := l.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseLock(again)
		if err != nil {
			t.Fatal(err)
		}
		if once, _ := l.Digest(); func() string { d, _ := m.Digest(); return d }() != once {
			t.Fatal("the digest changed")
		}
	})
}

// The example is built from its committed lock: it must be of the profile as it
// is now.
func TestLockOfTheExampleFitsItsProfile(t *testing.T) {
	l, err := ReadLock(filepath.Join("..", "..", "appliance", "examples", "edge-fra1", LockName))
	if err != nil {
		t.Fatal(err)
	}
	p, err := ProfileByName(l.Profile)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Check(p); err != nil {
		t.Fatal(err)
	}
}
