package checks_test

import (
	"strings"
	"testing"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

func planned(s *spec.Spec) (any, error) {
	return plan.Make(s, sizing.Size(s, nil), plan.Options{})
}

// Every built-in rule is satisfied by its passing fixtures and broken, at the
// marked lines, by its failing ones.
func TestBuiltinFixtures(t *testing.T) {
	p, diags, _ := checks.Load(checks.BuiltinFS(), checks.BuiltinName)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(p.Rules) < 20 {
		t.Fatalf("only %d rules", len(p.Rules))
	}
	for _, r := range checks.Test(p, checks.BuiltinFS(), planned) {
		t.Run(r.Rule+"/"+r.Fixture, func(t *testing.T) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		})
	}
}

// The base of the fixtures breaks no rule: each failing fixture fails for its own
// reason. Every finding of the pack ends with what to do.
func TestBuiltinRemedies(t *testing.T) {
	for _, r := range checks.Builtin().Rules {
		if strings.Contains(r.Source, "TODO") || len(r.Source) < 15 {
			t.Errorf("%s cites %q", r.ID, r.Source)
		}
	}
}
