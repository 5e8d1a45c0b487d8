package checks_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

func TestLoadRefuses(t *testing.T) {
	good := rule("a", "condition = true")
	for name, c := range map[string]struct{ text, want string }{
		"nothing":          {"", "No rules here"},
		"syntax":           {"rule {", "rules.hcl:1"},
		"block":            {"policy \"a\" {}\n", "Unsupported block type"},
		"attribute":        {rule("a", "condition = true\nwehn = true"), `Did you mean "when"?`},
		"no condition":     {rule("a", ""), "condition"},
		"id":               {rule("a b", "condition = true"), "Invalid rule id"},
		"id with dots":     {rule("a.b", "condition = true"), "Invalid rule id"},
		"id twice":         {good + good, "Rule id used twice"},
		"severity":         {strings.Replace(good, `"warning"`, `"fatal"`, 1), "error, warning, note"},
		"no source":        {strings.Replace(good, "a test of the package", " ", 1), "Rule without a source"},
		"unknown root":     {rule("a", "condition = budget.cps > 1"), "Unknown name"},
		"quotes missing":   {rule("a", "condition = spec.hardware.platform == vm"), "text is written in quotes"},
		"each without":     {rule("a", "condition = each.x > 1"), "Nothing to take each from"},
		"each in for_each": {rule("a", "for_each = each.x\ncondition = true"), "Nothing to take each from"},
		"function":         {rule("a", "condition = length(range(1000000000)) > 1"), `There is no function "range"`},
		"loops":            {rule("a", "condition = length([for a in spec.listeners : [for b in spec.listeners : [for c in spec.listeners : c]]]) > 1"), "Loops nested too deeply"},
		"splat in loops":   {rule("a", "condition = length([for a in spec.listeners : [for b in spec.listeners : spec.listeners[*].name]]) > 1"), "Loops nested too deeply"},
		"brackets":         {rule("a", "condition = "+strings.Repeat("(", 100)+"true"+strings.Repeat(")", 100)), "Nested too deeply"},
		"exponent":         {rule("a", "condition = 1e999999999 > 1"), "an exponent has three digits"},
	} {
		t.Run(name, func(t *testing.T) {
			p, diags, _ := checks.Load(fstest.MapFS{"rules.hcl": {Data: []byte(c.text)}}, "mine")
			if p != nil || !diags.HasErrors() {
				t.Fatalf("taken: %+v", p)
			}
			if text := fmt.Sprint(diags); !strings.Contains(text, c.want) {
				t.Errorf("%s, want %s", text, c.want)
			}
		})
	}
}

func TestFixturesFail(t *testing.T) {
	const rules = `condition = spec.workload.cps < 500
  at        = spec.workload.at.cps`
	base := fstest.MapFS{"rules.hcl": {Data: []byte(rule("cps", rules))}}
	add := func(name, text string) { base[name] = &fstest.MapFile{Data: []byte(text)} }
	run := func() string {
		p, diags, _ := checks.Load(base, "mine")
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		var out []string
		for _, r := range checks.Test(p, base, planned) {
			if r.Err != nil {
				out = append(out, r.Rule+"/"+r.Fixture+": "+r.Err.Error())
			}
		}
		return strings.Join(out, "\n")
	}
	expect := func(step, want string) {
		t.Helper()
		got := run()
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", step, got, want)
		}
	}
	expect("no fixtures", "cps/pass: missing: add fixtures/cps/pass")
	expect("no fixtures", "cps/fail: missing: add fixtures/cps/fail")

	for _, name := range []string{"appliance", "hardware", "listeners", "dispatchers", "routing", "limits", "workload"} {
		b, err := checks.BuiltinFS().Open("fixtures/base/" + name + ".hcl")
		if err != nil {
			t.Fatal(err)
		}
		text := make([]byte, 1<<16)
		n, _ := b.Read(text)
		add("fixtures/base/"+name+".hcl", string(text[:n]))
	}
	workload := func(cps int, mark string) string {
		return fmt.Sprintf("workload {\n  cps              = %d%s\n  concurrent_calls = 12000\n  call_duration    = \"60s\"\n}\n", cps, mark)
	}
	add("fixtures/cps/pass/workload.hcl", workload(499, ""))
	add("fixtures/cps/fail/workload.hcl", workload(500, " # finding"))
	expect("right", "")
	add("fixtures/cps/fail/workload.hcl", workload(500, ""))
	expect("no mark", "")
	add("fixtures/cps/fail/workload.hcl", strings.Replace(workload(500, ""), "60s\"", "60s\" # finding", 1))
	expect("wrong line", "findings are about workload.hcl:2, the fixture marks workload.hcl:4")
	add("fixtures/cps/fail/workload.hcl", workload(10, ""))
	expect("satisfied", "should break the rule")
	add("fixtures/cps/fail/workload.hcl", workload(500, ""))
	add("fixtures/cps/pass/workload.hcl", workload(501, ""))
	expect("broken", "should satisfy the rule")
	add("fixtures/cps/pass/workload.hcl", "workload {}\n")
	expect("spec", "the spec is wrong")
	add("fixtures/cps/pass/workload.hcl", workload(10, ""))
	add("fixtures/cps/other/workload.hcl", workload(10, ""))
	expect("name", "cps/other: is no directory named pass")
	delete(base, "fixtures/cps/other/workload.hcl")
	add("fixtures/old/pass/workload.hcl", workload(10, ""))
	expect("stray", "old/: no rule has this id")
}

// Whatever a pack holds, reading and evaluating it ends, without a panic.
func FuzzRules(f *testing.F) {
	f.Add(rule("a", "for_each = spec.listeners\ncondition = each.workers >= 0 && plan.budget.ceilings[0].headroom > 1"))
	f.Add(rule("a", `condition = length([for l in spec.listeners : l.sources[*]]) > 0 ? true : null`))
	f.Add(rule("b", "condition = try(spec.x, can(plan.y))\nat = \"${spec.workload.at.cps}\""))
	f.Add(`rule "x" { severity = "note" }`)
	s, diags, _ := spec.Load("testdata/platform-after", spec.Options{})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	made, err := planned(s)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, diags, _ := checks.Load(fstest.MapFS{"rules.hcl": {Data: []byte(text)}}, "mine")
		if diags.HasErrors() != (p == nil) {
			t.Fatal("a pack with errors, or none without")
		}
		if p == nil {
			return
		}
		if _, err := checks.Evaluate([]*checks.Pack{p}, checks.Input{Spec: s, Plan: func() (any, error) { return made, nil }}); err != nil {
			t.Fatal(err)
		}
	})
}

// The README lists the functions there are.
func TestReadme(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, diags, _ := checks.Load(fstest.MapFS{"rules.hcl": {Data: []byte(rule("a", "condition = nothing()"))}}, "mine")
	_, list, ok := strings.Cut(diags[0].Detail, "There are ")
	if !ok {
		t.Fatal(diags)
	}
	if text := strings.Join(strings.Fields(string(b)), " "); !strings.Contains(text, "Functions: "+list) {
		t.Errorf("README.md does not say: Functions: %s", list)
	}
}
