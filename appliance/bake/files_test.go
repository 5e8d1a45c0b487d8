package bake

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

var update = flag.Bool("update", false, "rewrite the golden tree")

// trees are specs and what is compared of their files: all, or those of the network,
// which do not change with every figure of the plan.
var trees = []struct {
	name, spec string
	below      []string
}{
	{"edge-fra1", "../examples/edge-fra1", []string{"etc/"}},
	{"edge-tls", "../examples/edge-tls", []string{"etc/systemd/system/sbcd.service.d/20-"}},
	{"services", "../spec/testdata/good/services", []string{updateTimer, updateWant, "etc/trunkline/update-", relayFiles, relayWants, relayDropIns + "rtpengine@"}},
	{"network", networkSpec, []string{"etc/systemd/network/", "etc/systemd/system/sysinit.target.wants/", "etc/systemd/timesyncd.conf.d/", "etc/resolv.conf"}},
}

// networkSpec has every kind of interface, static routes, resolvers and time servers.
const networkSpec = "../spec/testdata/good/network"

func load(t *testing.T) (*plan.Plan, *spec.Spec) {
	t.Helper()
	return loadFrom(t, "../examples/edge-fra1")
}

func loadFrom(t *testing.T, dir string) (*plan.Plan, *spec.Spec) {
	t.Helper()
	s, diags, _ := spec.Load(dir, spec.Options{})
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

func TestTrees(t *testing.T) {
	for _, c := range trees {
		t.Run(c.name, func(t *testing.T) {
			p, s := loadFrom(t, c.spec)
			all, err := Files(p, s)
			if err != nil {
				t.Fatal(err)
			}
			var files []File
			for _, f := range all {
				if slices.ContainsFunc(c.below, func(dir string) bool { return strings.HasPrefix(f.Path, dir) }) {
					files = append(files, f)
				}
			}
			compareTree(t, filepath.Join("testdata", c.name), files)
		})
	}
}

// compareTree compares files with those below a directory, or rewrites these. A link
// is kept as a file that says where it leads: the target is the appliance's.
func compareTree(t *testing.T, dir string, files []File) {
	t.Helper()
	content := func(f File) string {
		if f.Link != "" {
			return "link to " + f.Link + "\n"
		}
		return string(f.Data)
	}
	if *update {
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			write(t, filepath.Join(dir, filepath.FromSlash(f.Path)), content(f))
		}
	}
	var want, got []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			want = append(want, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	sort.Strings(want)
	for _, f := range files {
		got = append(got, f.Path)
		golden, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Path)))
		if err != nil {
			t.Error(err)
			continue
		}
		if d := cmp.Diff(string(golden), content(f)); d != "" {
			t.Errorf("%s changed (-want +got); if that is meant, run go test ./appliance/bake -update\n%s", f.Path, d)
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

func TestDeterministic(t *testing.T) {
	for _, c := range trees {
		t.Run(c.name, func(t *testing.T) { testDeterministic(t, c.spec) })
	}
}

func testDeterministic(t *testing.T, dir string) {
	t.Helper()
	p, s := loadFrom(t, dir)
	one, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	p2, s2 := loadFrom(t, dir)
	two, err := Files(p2, s2)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(one, two); d != "" {
		t.Error(d)
	}
	for _, f := range one {
		if f.Link == "" && f.Mode != 0o644 || !strings.HasPrefix(f.Path, "etc/") {
			t.Errorf("%s: mode %v", f.Path, f.Mode)
		}
		// Formats without comments: host name, JSON, the user's own table, and links.
		if f.Path == "etc/hostname" || strings.HasPrefix(f.Path, "etc/trunkline/") || f.Link != "" {
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
