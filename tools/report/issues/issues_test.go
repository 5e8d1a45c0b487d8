package issues

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func saved(t *testing.T, name string) *plan.Plan {
	t.Helper()
	b, err := os.ReadFile("../testdata/" + name + ".plan.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func diagnostics() hcl.Diagnostics {
	at := func(line, column, end int) *hcl.Range {
		return &hcl.Range{Filename: "sites/edge one/core.hcl", Start: hcl.Pos{Line: line, Column: column}, End: hcl.Pos{Line: line, Column: end}}
	}
	return hcl.Diagnostics{
		{Severity: hcl.DiagWarning, Summary: "Cache of unknown size", Detail: "State rows.", Subject: at(3, 1, 9)},
		{Severity: hcl.DiagError, Summary: "Invalid algorithm", Detail: "100% wrong: <\"round-robbin\">\nDid you mean \"round-robin\"?", Subject: at(6, 15, 29)},
		{Severity: hcl.DiagError, Summary: "Invalid algorithm", Detail: "Again.", Subject: at(16, 15, 29)},
		{Severity: hcl.DiagError, Summary: "No such directory"},
	}
}

func TestGolden(t *testing.T) {
	over := saved(t, "overloaded")
	wrong := Result{"wrong", nil, Of("", diagnostics(), nil)}
	waived := Issue{ID: "security.open", Severity: sizing.SeverityWaived, Summary: "Open to all", Detail: "Name the sources.", File: "sites/x/edge.hcl", Line: 3,
		Source: "a rule of the house", Waiver: "Waived until 2027-01-31 (edge.hcl:90): carriers move"}
	overloaded := Result{"overloaded", over, append(Of("sites/overloaded", nil, over), waived)}
	media := saved(t, "media") // has parts that cannot be built yet
	cases := map[string][]Result{"wrong": {wrong}, "overloaded": {overloaded}, "fleet": {overloaded, wrong},
		"not-built": {{"media", media, Of("sites/media", nil, media)}}}
	for name, results := range cases {
		for ext, write := range map[string]func(io.Writer) error{
			"txt":   func(w io.Writer) error { return GitHub(w, results...) },
			"xml":   func(w io.Writer) error { return JUnit(w, results...) },
			"sarif": func(w io.Writer) error { return SARIF(w, "v0.1.0", results...) },
		} {
			t.Run(name+"."+ext, func(t *testing.T) {
				var b bytes.Buffer
				if err := write(&b); err != nil {
					t.Fatal(err)
				}
				golden := "testdata/" + name + "." + ext
				if *update {
					if err := os.WriteFile(golden, b.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), b.String()); d != "" {
					t.Errorf("(-want +got); if that is meant, run go test ./tools/report/issues -update\n%s", d)
				}
				if err := write(closed{}); err == nil {
					t.Error("a failed write was not reported")
				}
			})
		}
	}
}

// Counts must agree with what is there: CI systems show the counts.
func TestJUnitCounts(t *testing.T) {
	p := saved(t, "overloaded")
	p.Budget.Findings = append(p.Budget.Findings, p.Budget.Findings[3], p.Budget.Findings[3])
	list := Of("", diagnostics(), p)
	var b bytes.Buffer
	if err := JUnit(&b, Result{"x", p, list}); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	tests, failures := 0, 0
	for _, s := range got.Suites {
		names := map[string]bool{}
		n := 0
		for _, c := range s.Cases {
			if names[c.Name] {
				t.Errorf("two tests are called %s", c.Name)
			}
			names[c.Name] = true
			if c.Failure != nil {
				n++
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != n {
			t.Errorf("suite %s: says %d tests, %d failures, has %d and %d", s.Name, s.Tests, s.Failures, len(s.Cases), n)
		}
		tests, failures = tests+s.Tests, failures+s.Failures
	}
	if got.Tests != tests || got.Failures != failures || failures != Count(list, sizing.SeverityError) {
		t.Errorf("in all %d tests, %d failures; want %d and %d", got.Tests, got.Failures, tests, failures)
	}
}

// The rules SARIF sets beyond its shape.
func TestSARIFRules(t *testing.T) {
	var b bytes.Buffer
	list := Of("sites/overloaded", diagnostics(), saved(t, "overloaded"))
	list = append(list, Issue{ID: "abs", Severity: sizing.SeverityNote, Summary: "Absolute", File: "/srv/a b.hcl", Line: 1})
	if err := SARIF(&b, "v1", Result{"x", nil, list}); err != nil {
		t.Fatal(err)
	}
	var log sarifLog
	if err := json.Unmarshal(b.Bytes(), &log); err != nil {
		t.Fatal(err)
	}
	run := log.Runs[0]
	if log.Version != "2.1.0" || len(run.Results) != len(list) {
		t.Fatalf("version %s, %d results for %d issues", log.Version, len(run.Results), len(list))
	}
	ids, prints := map[string]bool{}, map[string]bool{}
	for _, r := range run.Tool.Driver.Rules {
		if ids[r.ID] {
			t.Errorf("rule %s twice", r.ID)
		}
		ids[r.ID] = true
	}
	for _, r := range run.Results {
		if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("result of %s points at another rule", r.RuleID)
		}
		if p := r.Fingerprints["trunkline/v1"]; prints[p] {
			t.Errorf("two results have the fingerprint %s", p)
		} else {
			prints[p] = true
		}
		for _, l := range r.Locations {
			if a := l.Physical.Artifact; strings.Contains(a.URI, " ") || (a.Base == "") != strings.HasPrefix(a.URI, "file:///") {
				t.Errorf("artifact %+v", a)
			}
			if g := l.Physical.Region; g != nil && (g.StartLine < 1 || g.EndLine > 0 && g.EndLine < g.StartLine) {
				t.Errorf("region %+v", *g)
			}
		}
	}
}

func TestOf(t *testing.T) {
	p := saved(t, "overloaded")
	list := Of("sites/overloaded", diagnostics(), p)
	last := 0
	for _, i := range list {
		if rank(i.Severity) < last {
			t.Errorf("%s comes after less severe issues", i.ID)
		}
		last = rank(i.Severity)
	}
	if Count(list, sizing.SeverityError) != 3+p.Findings(sizing.SeverityError) {
		t.Errorf("errors got lost: %v", list)
	}
	fresh := *p
	fresh.Budget = &sizing.Budget{Findings: []sizing.Finding{{ID: "x", Subject: hcl.Range{Filename: "sites//a/./b.hcl", Start: hcl.Pos{Line: 4, Column: 2}, End: hcl.Pos{Line: 9, Column: 1}}, At: "b.hcl:4"}}}
	if d := cmp.Diff([]Issue{{ID: "x", File: "sites/a/b.hcl", Line: 4, Column: 2}}, Of("", nil, &fresh)); d != "" {
		t.Error(d)
	}
}

func TestBelow(t *testing.T) {
	base := t.TempDir()
	list := []Issue{{File: filepath.Join(base, "sites", "a.hcl")}, {File: "a.hcl"}, {File: "/elsewhere/a.hcl"}, {}}
	var got []string
	for _, i := range Below(base, list) {
		got = append(got, i.File)
	}
	if d := cmp.Diff([]string{"sites/a.hcl", "a.hcl", "/elsewhere/a.hcl", ""}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]Issue{{File: "a.hcl"}, {File: "a.hcl"}, {File: "a.hcl"}, {}}, Bare(list)); d != "" {
		t.Error(d)
	}
	if list[0].File == "sites/a.hcl" {
		t.Error("the list given was changed")
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }
