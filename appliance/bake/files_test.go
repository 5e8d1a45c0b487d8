package bake

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

var update = flag.Bool("update", false, "rewrite the golden tree")

const goldenTree = "testdata/edge-fra1"

func load(t *testing.T) (*plan.Plan, *spec.Spec) {
	t.Helper()
	s, diags, _ := spec.Load("../examples/edge-fra1", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return makePlan(t, s), s
}

func makePlan(t *testing.T, s *spec.Spec) *plan.Plan {
	t.Helper()
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestExampleTree(t *testing.T) {
	p, s := load(t)
	files, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.RemoveAll(goldenTree); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			to := filepath.Join(goldenTree, filepath.FromSlash(f.Path))
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(to, f.Data, f.Mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	var want []string
	err = filepath.WalkDir(goldenTree, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(goldenTree, path)
			want = append(want, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(want)
	var got []string
	for _, f := range files {
		got = append(got, f.Path)
		golden, err := os.ReadFile(filepath.Join(goldenTree, filepath.FromSlash(f.Path)))
		if err != nil {
			t.Error(err)
			continue
		}
		if d := cmp.Diff(string(golden), string(f.Data)); d != "" {
			t.Errorf("%s changed (-want +got); if that is meant, run go test ./appliance/bake -update\n%s", f.Path, d)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func TestDeterministic(t *testing.T) {
	p, s := load(t)
	one, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	p2, s2 := load(t)
	two, err := Files(p2, s2)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(one, two); d != "" {
		t.Error(d)
	}
	for _, f := range one {
		if f.Mode != 0o644 || !strings.HasPrefix(f.Path, "etc/") {
			t.Errorf("%s: mode %v", f.Path, f.Mode)
		}
		// Formats without comments: host name, JSON, and the user's own table.
		if f.Path == "etc/hostname" || strings.HasPrefix(f.Path, "etc/trunkline/") {
			continue
		}
		if !bytes.Contains(f.Data, []byte(s.Digest)) {
			t.Errorf("%s does not name the spec it came from", f.Path)
		}
	}
}

func TestSealAndVerify(t *testing.T) {
	p, s := load(t)
	if err := Verify(p, nil); err == nil {
		t.Error("a plan without files was verified")
	}
	files, err := Seal(p, s)
	if err != nil {
		t.Fatal(err)
	}
	if !p.Complete || len(p.Files) != len(files) {
		t.Fatalf("not sealed: %+v", p.Files)
	}
	if err := Verify(p, files); err != nil {
		t.Error(err)
	}
	// A saved plan and the spec give the same files again.
	b, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	saved, err := plan.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Files(saved, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := Verify(saved, again); err != nil {
		t.Errorf("saved plan: %v", err)
	}
	again[0].Data = append(again[0].Data, '\n')
	if err := Verify(saved, again); err == nil {
		t.Error("a changed file was verified")
	}
	if err := Verify(saved, again[1:]); err == nil {
		t.Error("a missing file was not noticed")
	}
}

func TestRefuses(t *testing.T) {
	p, s := load(t)
	other := *s
	other.Digest = "sha256:else"
	if _, err := Files(p, &other); err == nil || !strings.Contains(err.Error(), "make the plan again") {
		t.Errorf("a plan of another spec: %v", err)
	}
	twice := *s
	twice.Hardware.NICs = append(twice.Hardware.NICs, s.Hardware.NICs[0])
	if _, err := Files(p, &twice); err == nil || !strings.Contains(err.Error(), "two files") {
		t.Errorf("two files of one name: %v", err)
	}
	evil := *s.Hardware.NICs[0]
	evil.Name = "../../usr/x"
	bad := *s
	bad.Hardware.NICs = []*spec.NIC{&evil}
	if _, err := Files(p, &bad); err == nil {
		t.Error("a name left etc/")
	}
	fresh := *s
	fresh.Caches = append([]*spec.Cache{{Name: "new", Baked: true}}, s.Caches...)
	if _, err := Files(p, &fresh); err == nil || !strings.Contains(err.Error(), "not in the plan") {
		t.Errorf("a cache the plan does not know: %v", err)
	}
}
