package cli

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

func TestRefuse(t *testing.T) {
	missing := []plan.Missing{{What: `listener "a": transport "x"`, Detail: "Remove it.", At: "edge.hcl:3"}, {What: "media", Detail: "Remove it."}}
	warning := sizing.Finding{Severity: sizing.SeverityWarning, Summary: "Little room", Detail: "Raise it.", At: "edge.hcl:9"}
	mistake := sizing.Finding{Severity: sizing.SeverityError, Summary: "Too small", Detail: "Buy more.", At: "edge.hcl:7"}
	const unbuilt = "Error: edge.hcl:3: Not built yet: listener \"a\": transport \"x\"\n    Remove it.\nError: Not built yet: media\n    Remove it.\n"
	const tail = " `trunkline plan` shows all of it.\n"
	for _, tt := range []struct {
		name     string
		findings []sizing.Finding
		missing  []plan.Missing
		strict   bool
		want     string
	}{
		{"nothing", nil, nil, false, ""},
		{"a warning", []sizing.Finding{warning}, nil, false, ""},
		{"a warning, strictly", []sizing.Finding{warning}, nil, true, "Verdict.\nWarning: edge.hcl:9: Little room\n    Raise it.\nedge: refused by --strict for 1 warning." + tail},
		{"an error", []sizing.Finding{mistake, warning}, nil, false, "Verdict.\nError: edge.hcl:7: Too small\n    Buy more.\nedge: refused, the plan has 1 error." + tail},
		{"not built", []sizing.Finding{warning}, missing, false, unbuilt + "edge: refused, the spec has 2 parts that this version cannot run." + tail},
		{"both", []sizing.Finding{mistake}, missing, false, "Verdict.\nError: edge.hcl:7: Too small\n    Buy more.\n" + unbuilt + "edge: refused, the plan has 1 error." + tail},
	} {
		var errs bytes.Buffer
		a := &app{Env: Env{Stderr: &errs, Getenv: func(string) string { return "" }}}
		a.policy.strict = tt.strict
		p := &plan.Plan{Verdict: "Verdict.", NotBuilt: tt.missing, Appliance: &runtime.Appliance{Name: "edge"}, Budget: &sizing.Budget{Findings: tt.findings}}
		p.Errored = p.Findings(sizing.SeverityError) > 0
		err := a.refuse(p)
		if refused := tt.want != ""; errors.Is(err, errShown) != refused || !refused && err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if errs.String() != tt.want {
			t.Errorf("%s: got\n%swant\n%s", tt.name, errs.String(), tt.want)
		}
	}
}

func TestUnbuiltParts(t *testing.T) {
	at := func(line int) hcl.Range { return hcl.Range{Filename: "site/edge.hcl", Start: hcl.Pos{Line: line}} }
	one := &spec.Spec{NotBuilt: []spec.NotBuilt{{What: "media", Range: at(3)}, {What: "update", Range: at(9)}}}
	two := &spec.Spec{NotBuilt: []spec.NotBuilt{{What: "media", Range: at(3)}, {What: "media", Range: at(5)}}}
	var errs bytes.Buffer
	a := &app{Env: Env{Stderr: &errs, Getenv: func(string) string { return "" }}}
	a.tellUnbuilt("site", unbuiltIn([]*spec.Spec{one, two, {}}))
	want := "Note: edge.hcl:3: not built yet: media\nNote: edge.hcl:9: not built yet: update\nNote: edge.hcl:5: not built yet: media\n" +
		"site: 3 parts cannot be run by this version: build refuses the spec until it is without.\n"
	if errs.String() != want {
		t.Errorf("got\n%swant\n%s", errs.String(), want)
	}
	errs.Reset()
	if a.tellUnbuilt("site", nil); errs.Len() > 0 {
		t.Errorf("told of nothing: %s", errs.String())
	}
}

// Every exit status there is has its line in the help.
func TestExitStatusesAreDocumented(t *testing.T) {
	_, text, _ := run(t, "help", "exit-codes")
	for _, status := range []int{exitOK, exitRefused, exitUsage, exitUnformatted, exitInterrupted} {
		if !strings.Contains(text, fmt.Sprintf("\n  %-3d  ", status)) {
			t.Errorf("no line for %d:\n%s", status, text)
		}
	}
}

// Every variable that commands look up is in the help.
func TestTheEnvironmentIsDocumented(t *testing.T) {
	asked := map[string]bool{}
	for _, args := range [][]string{{"plan", example}, {"build", example, "-programs", example}, {"lock", t.TempDir()}, {"diff", example, example}} {
		var out, errs bytes.Buffer
		Run(t.Context(), args, Env{Stdout: &out, Stderr: &errs, Getenv: func(name string) string { asked[name] = true; return "" }})
	}
	_, text, _ := run(t, "help", "environment")
	for name := range asked {
		if !strings.Contains(text, "\n  "+name+" ") {
			t.Errorf("%s is read, but not in the help:\n%s", name, text)
		}
	}
	if !asked[calibrationVariable] || !asked[epochVariable] {
		t.Errorf("asked for %v alone", asked)
	}
}
