package checks_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

func pack(t testing.TB, text string) *checks.Pack {
	t.Helper()
	p, diags, _ := checks.Load(fstest.MapFS{"rules.hcl": {Data: []byte(text)}}, "mine")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return p
}

func rule(id, body string) string {
	return "rule \"" + id + "\" {\n" + body + `
  severity = "warning"
  source   = "a test of the package"
  summary  = "Seen"
  message  = "It is so."
  remedy   = "Change it."
}
`
}

func after(t testing.TB) *spec.Spec {
	t.Helper()
	s, diags, _ := spec.Load("testdata/platform-after", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return s
}

func TestEvaluate(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string // severity item at: a part of the detail
	}{
		"holds":         {`condition = spec.workload.cps == 1000`, nil},
		"broken":        {`condition = spec.workload.cps < 1000`, []string{"warning  : It is so. Change it."}},
		"with place":    {"condition = false\nat = spec.workload.at.cps", []string{"warning  appliance.hcl:56: It is so."}},
		"for each":      {"for_each = spec.listeners\ncondition = each.name != \"core\"\nat = each.at.block", []string{"warning core appliance.hcl:76: It is so."}},
		"name":          {"for_each = [1, 2]\nname = \"n${each}\"\ncondition = each != 2", []string{"warning n2 : It is so."}},
		"when":          {"for_each = spec.listeners\nwhen = false\ncondition = false", nil},
		"map":           {"for_each = spec.listener\ncondition = each.port == 5060", nil},
		"plan":          {"condition = plan.appliance.limits.cps == 1200 && plan.verdict != \"\"", nil},
		"whole plan":    {"condition = contains(keys(plan), \"budget\")", nil},
		"functions":     {"condition = all([for l in spec.listeners : !any([for p in l.sources : prefix_length(p) < 24])]) && is_private(\"10.1.0.0/16\") && !is_private(\"0.0.0.0/0\") && is_ipv6(\"2001:db8::/32\") && !is_private(\"10.0.0.0/7\")", nil},
		"texts":         {"condition = \"${count(60000)} ${duration(3600)} ${duration(90)} ${bytes(1048576)}\" == \"60,000 1 h 90 s 1 MiB\"", nil},
		"no such name":  {`condition = spec.workload.cpz > 1`, []string{"error  : Rule \"test\" (rules.hcl:1): line 2: Unsupported attribute"}},
		"no such part":  {`condition = plan.budgit.ceilings == 1`, []string{"error  : Rule \"test\""}},
		"no truth":      {`condition = spec.workload`, []string{"error  : Rule \"test\" (rules.hcl:1): condition gives object"}},
		"null":          {`condition = null`, []string{"error  : Rule \"test\" (rules.hcl:1): condition gives null"}},
		"no list":       {"for_each = spec.workload.cps\ncondition = true", []string{"error  : Rule \"test\" (rules.hcl:1): for_each gives number"}},
		"at an item":    {"for_each = spec.listeners\ncondition = each.workerz > 1", []string{"error carrier-a : Rule \"test\" (rules.hcl:1), at \"carrier-a\""}},
		"wrong for any": {`condition = any(["yes"])`, []string{"error  : Rule \"test\""}},
		"wrong prefix":  {`condition = prefix_length("here") > 1`, []string{"error  : Rule \"test\""}},
	} {
		t.Run(name, func(t *testing.T) {
			s := after(t)
			found, err := checks.Evaluate([]*checks.Pack{pack(t, rule("test", c.body))}, checks.Input{Spec: s, Plan: func() (any, error) { return planned(s) }})
			if err != nil {
				t.Fatal(err)
			}
			if len(found) != len(c.want) {
				t.Fatalf("%+v, want %q", found, c.want)
			}
			for i, f := range found {
				if got := f.Severity + " " + f.Item + " " + f.At + ": " + f.Detail; !strings.HasPrefix(got, c.want[i]) {
					t.Errorf("%s, want %s", got, c.want[i])
				}
				if f.ID != "test" || f.Source == "" || f.Summary == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}

func TestEvaluateErrors(t *testing.T) {
	s := after(t)
	one := pack(t, rule("same", "condition = true"))
	if _, err := checks.Evaluate([]*checks.Pack{one, pack(t, rule("same", "condition = true"))}, checks.Input{Spec: s}); err == nil || !strings.Contains(err.Error(), "rename one") {
		t.Errorf("one id in two packs: %v", err)
	}
	broken := errors.New("no plan today")
	in := checks.Input{Spec: s, Plan: func() (any, error) { return nil, broken }}
	if _, err := checks.Evaluate([]*checks.Pack{one}, in); err != nil {
		t.Errorf("the plan was asked for although no rule looks at it: %v", err)
	}
	if _, err := checks.Evaluate([]*checks.Pack{pack(t, rule("p", `condition = plan.verdict == ""`))}, in); !errors.Is(err, broken) {
		t.Errorf("no plan: %v", err)
	}
	in.Plan = func() (any, error) { return struct{ Verdict chan int }{}, nil }
	if _, err := checks.Evaluate([]*checks.Pack{pack(t, rule("p", `condition = plan.Verdict == ""`))}, in); err == nil {
		t.Error("a plan that JSON cannot hold was taken")
	}
}

func TestSort(t *testing.T) {
	f := []sizing.Finding{
		{ID: "f", Severity: sizing.SeverityWaived, At: "a.hcl:1"}, {ID: "c", Severity: sizing.SeverityWarning, At: "a.hcl:10"},
		{ID: "b", Severity: sizing.SeverityWarning, At: "a.hcl:9"}, {ID: "d", Severity: sizing.SeverityWarning, At: "b.hcl:1"},
		{ID: "e", Severity: sizing.SeverityNote}, {ID: "a", Severity: sizing.SeverityError, At: "z.hcl:1"},
	}
	checks.Sort(f)
	if !slices.IsSortedFunc(f, func(a, b sizing.Finding) int { return strings.Compare(a.ID, b.ID) }) {
		t.Errorf("%+v", f)
	}
}
