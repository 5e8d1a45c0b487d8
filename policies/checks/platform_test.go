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

// marks reads "5: rule-a, 5: rule-b" from the end of a line.
var marks = regexp.MustCompile(`(\d+): ([A-Za-z0-9.-]+)`)

// The platform before its fixes gets a finding for each of the thirteen bottlenecks,
// and one for its missing session timers (0), at the line that causes it, and no
// others; the platform after them gets none and carries 1,000 calls/s and 60,000
// calls.
func TestPlatform(t *testing.T) {
	dir := filepath.Join("testdata", "platform-before")
	b, err := os.ReadFile(filepath.Join(dir, "appliance.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{} // "appliance.hcl:12 id" -> seen
	numbers := map[string]bool{}
	for i, line := range strings.Split(string(b), "\n") {
		_, comment, _ := strings.Cut(line, "#")
		for _, m := range marks.FindAllStringSubmatch(comment, -1) {
			want[fmt.Sprintf("appliance.hcl:%d %s", i+1, m[2])] = false
			numbers[m[1]] = true
		}
	}
	for n := range 14 {
		if !numbers[fmt.Sprint(n)] {
			t.Errorf("the spec marks no line for bottleneck %d", n)
		}
	}
	for _, f := range planOf(t, dir, plan.Options{}).Budget.Findings {
		marked := ""
		for m := range want {
			at, id, _ := strings.Cut(m, " ")
			if at == f.At && (f.ID == id || strings.HasPrefix(f.ID, id+".")) {
				marked = m
			}
		}
		switch {
		case marked != "":
			want[marked] = true
		case f.Severity != sizing.SeverityNote:
			t.Errorf("%s at %s is not marked: %s", f.ID, f.At, f.Detail)
		}
	}
	for m, seen := range want {
		if !seen {
			t.Errorf("no finding %s", m)
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
