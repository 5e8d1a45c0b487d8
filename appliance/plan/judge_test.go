package plan

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

func TestPolicies(t *testing.T) {
	own, diags, _ := checks.Load(fstest.MapFS{"rules.hcl": {Data: []byte(`
rule "own" {
  severity  = "error"
  source    = "a test"
  condition = plan.appliance.site == "ber1"
  at        = spec.appliance.at.block
  summary   = "Unknown site"
  message   = "There is no site ${spec.appliance.site}."
  remedy    = "Write site = \"ber1\"."
}
`)}}, "mine")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s := example(t)
	s.Transaction.InviteTimeout = 2 * time.Minute
	b := sizing.Size(s, nil)
	before := len(b.Findings)
	o := Options{Policies: []*checks.Pack{own}, Today: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)}
	p, err := Make(s, b, o)
	if err != nil {
		t.Fatal(err)
	}
	first := p.Budget.Findings[0]
	if !p.Errored || p.Findings(sizing.SeverityError) != 1 || p.Findings(sizing.SeverityWarning) != 1 || first.ID != "own" || first.At == "" || !strings.HasPrefix(first.Detail, "There is no site fra1. Write") {
		t.Errorf("errored %t, findings %+v", p.Errored, p.Budget.Findings)
	}
	if len(b.Findings) != before || p.Budget == b {
		t.Error("the caller's budget was changed")
	}

	// Both waived: the plan can be built, and says so after a round trip.
	last := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	s.Waivers = []*spec.Waiver{{Rule: "own", Reason: "moves in spring", Expires: last}, {Rule: "invite-timeout", Reason: "slow carrier", Expires: last}}
	if p, err = Make(s, b, o); err != nil {
		t.Fatal(err)
	}
	text, err := Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	if p, err = Decode(text); err != nil {
		t.Fatal(err)
	}
	if p.Errored || p.Findings(sizing.SeverityWaived) != 2 || len(p.Waivers) != 2 || p.Waivers[0].State != checks.WaiverActive {
		t.Errorf("waived: errored %t, %+v, %+v", p.Errored, p.Waivers, p.Budget.Findings)
	}
	o.Today = last.AddDate(0, 0, 1)
	if p, err = Make(s, b, o); err != nil {
		t.Fatal(err)
	}
	if !p.Errored || p.Waivers[1].State != checks.WaiverExpired {
		t.Errorf("expired: errored %t, %+v", p.Errored, p.Waivers)
	}

	o.Policies = []*checks.Pack{checks.Builtin()}
	if _, err := Make(s, b, o); err == nil || !strings.Contains(err.Error(), "rename one of the two") {
		t.Errorf("the built-in pack twice: %v", err)
	}
}
