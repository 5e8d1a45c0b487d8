package checks_test

import (
	"strings"
	"testing"
	"time"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

func day(t testing.TB, text string) time.Time {
	t.Helper()
	d, err := time.Parse(spec.DateLayout, text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestWaive(t *testing.T) {
	findings := []sizing.Finding{
		{ID: "sources-open", Item: "carrier-a", Severity: sizing.SeverityWarning, Detail: "Open."},
		{ID: "sources-open", Item: "carrier-b", Severity: sizing.SeverityWarning, Detail: "Open."},
		{ID: "load.contradiction", Severity: sizing.SeverityWarning, Detail: "Wrong."},
		{ID: "backend.single.core", Severity: sizing.SeverityNote, Detail: "One."},
		{ID: "memory.exceeded", Severity: sizing.SeverityError, Detail: "Too much."},
	}
	for name, c := range map[string]struct {
		waiver  spec.Waiver
		today   string
		waived  int
		state   string
		finding string // severity and id of the one that is added
	}{
		"all of a rule":     {spec.Waiver{Rule: "sources-open"}, "2026-11-20", 2, checks.WaiverActive, ""},
		"one item":          {spec.Waiver{Rule: "sources-open", Scope: "carrier-b"}, "2026-11-20", 1, checks.WaiverActive, ""},
		"last day":          {spec.Waiver{Rule: "sources-open"}, "2027-01-31", 2, checks.WaiverActive, ""},
		"the day after":     {spec.Waiver{Rule: "sources-open"}, "2027-02-01", 0, checks.WaiverExpired, "warning waiver.sources-open"},
		"no date given":     {spec.Waiver{Rule: "sources-open"}, "", 2, checks.WaiverActive, ""},
		"sizing":            {spec.Waiver{Rule: "load.contradiction"}, "2026-11-20", 1, checks.WaiverActive, ""},
		"sizing by name":    {spec.Waiver{Rule: "backend.single", Scope: "core"}, "2026-11-20", 1, checks.WaiverActive, ""},
		"error of sizing":   {spec.Waiver{Rule: "memory.exceeded"}, "2026-11-20", 0, checks.WaiverUnused, "warning waiver.memory.exceeded"},
		"nothing to waive":  {spec.Waiver{Rule: "firewall-off"}, "2026-11-20", 0, checks.WaiverUnused, "note waiver.firewall-off"},
		"unused and over":   {spec.Waiver{Rule: "firewall-off"}, "2028-01-01", 0, checks.WaiverUnused, "note waiver.firewall-off"},
		"other item":        {spec.Waiver{Rule: "sources-open", Scope: "core"}, "2026-11-20", 0, checks.WaiverUnused, "note waiver.sources-open"},
		"no such rule":      {spec.Waiver{Rule: "firewal-off"}, "2026-11-20", 0, checks.WaiverUnused, "warning waiver.firewal-off"},
		"part of a rule id": {spec.Waiver{Rule: "sources"}, "2026-11-20", 0, checks.WaiverUnused, "warning waiver.sources"},
	} {
		t.Run(name, func(t *testing.T) {
			w := c.waiver
			w.Reason, w.Expires = "agreed with carrier", day(t, "2027-01-31")
			var today time.Time
			if c.today != "" {
				today = day(t, c.today).Add(23 * time.Hour)
			}
			out, shown := checks.Waive(findings, []*spec.Waiver{&w}, []*checks.Pack{checks.Builtin()}, today)
			waived := 0
			for _, f := range out[:len(findings)] {
				if f.Severity == sizing.SeverityWaived {
					waived++
					if !strings.HasPrefix(f.Detail, "Waived until 2027-01-31 ") || !strings.Contains(f.Detail, "agreed with carrier. ") {
						t.Errorf("detail: %s", f.Detail)
					}
				}
			}
			added := ""
			for _, f := range out[len(findings):] {
				added += f.Severity + " " + f.ID
			}
			if waived != c.waived || added != c.finding || len(shown) != 1 || shown[0].State != c.state {
				t.Errorf("waived %d, added %q, shown %+v", waived, added, shown)
			}
			if name == "no such rule" && !strings.Contains(out[len(out)-1].Detail, `Did you mean "firewall-off"?`) {
				t.Error(out[len(out)-1].Detail)
			}
			if findings[0].Severity != sizing.SeverityWarning {
				t.Fatal("the caller's findings were changed")
			}
		})
	}
}
