package checks_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

func planOf(t testing.TB, dir string, o plan.Options) *plan.Plan {
	t.Helper()
	s, diags, _ := spec.Load(dir, spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	p, err := plan.Make(s, sizing.Size(s, nil), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var expected = regexp.MustCompile(`# (\d+): ([A-Za-z0-9.-]+)$`)

// The platform before its fixes gets a finding for each bottleneck a plan can see,
// at the line that causes it, and no others; the platform after them gets none and
// carries 1,000 calls/s and 60,000 calls.
func TestPlatform(t *testing.T) {
	dir := filepath.Join("testdata", "platform-before")
	b, err := os.ReadFile(filepath.Join(dir, "appliance.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{} // "appliance.hcl:12" -> id
	numbers := map[string]bool{}
	for i, line := range strings.Split(string(b), "\n") {
		if m := expected.FindStringSubmatch(line); m != nil {
			want[fmt.Sprintf("appliance.hcl:%d", i+1)] = m[2]
			numbers[m[1]] = true
		}
	}
	for _, n := range []string{"1", "2", "3", "4", "6", "8", "9", "12", "13"} {
		if !numbers[n] {
			t.Errorf("the spec marks no line for bottleneck %s", n)
		}
	}
	seen := map[string]bool{}
	for _, f := range planOf(t, dir, plan.Options{}).Budget.Findings {
		if f.Severity == sizing.SeverityNote {
			continue
		}
		if id := want[f.At]; id == "" || f.ID != id && !strings.HasPrefix(f.ID, id+".") {
			t.Errorf("%s at %s, marked is %q", f.ID, f.At, id)
		}
		seen[f.At] = true
	}
	for at, id := range want {
		if !seen[at] {
			t.Errorf("no finding %s at %s", id, at)
		}
	}

	after := planOf(t, filepath.Join("testdata", "platform-after"), plan.Options{})
	for _, f := range after.Budget.Findings {
		t.Errorf("after: %s at %s: %s", f.ID, f.At, f.Detail)
	}
	for _, c := range after.Budget.Ceilings {
		if c.Headroom < 1 || c.Axis == sizing.AxisConcurrent && c.At.Value < 60000 || c.Axis == sizing.AxisCPS && c.At.Value < 1000 {
			t.Errorf("after: %s ends at %v", c.Resource, c.At.Value)
		}
	}
}

// The example carries no warning.
func TestExamples(t *testing.T) {
	dirs, err := filepath.Glob("../../appliance/examples/*/*.hcl")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	done := map[string]bool{}
	for _, name := range dirs {
		dir := filepath.Dir(name)
		if done[dir] {
			continue
		}
		done[dir] = true
		specs, diags, _ := spec.LoadFleet(dir, spec.Options{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		for _, s := range specs {
			p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range p.Budget.Findings {
				if f.Severity != sizing.SeverityNote {
					t.Errorf("%s: %s at %s: %s", s.Appliance.Name, f.ID, f.At, f.Detail)
				}
			}
		}
	}
}
