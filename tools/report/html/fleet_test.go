package html

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/issues"
)

func renderFleet(t testing.TB, list []issues.Result) string {
	t.Helper()
	var b bytes.Buffer
	if err := Fleet(&b, list); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func result(t testing.TB, name, saves string) issues.Result {
	t.Helper()
	p := saved(t, saves)
	p.Appliance.Name = name
	return issues.Result{Name: name, Plan: p, Issues: issues.Of("sites/"+name, nil, p)}
}

func TestFleetGolden(t *testing.T) {
	got := renderFleet(t, []issues.Result{result(t, "edge-fra1", "edge-fra1"), result(t, "edge-media", "media"), result(t, "edge-small", "overloaded"), result(t, "edge-ams1", "edge-fra1")})
	wellFormed(t, withoutScript(got))
	const golden = "testdata/fleet.html"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("(-want +got); if that is meant, run go test ./tools/report/html -update\n%s", d)
	}
	if order := strings.Join(rows(got), " "); order != "edge-small edge-media edge-ams1 edge-fra1" {
		t.Errorf("the order is %s: want what cannot be built first, then the least headroom, then by name", order)
	}
	for _, want := range []string{"2 of 4 cannot be built", "at 1 site", "3,600 calls/s"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

var rowName = regexp.MustCompile(`<tr><th scope="row">(?:<a href="#appliance-\d+">)?([^<]*)`)

// rows are the names in the table of appliances, in its order.
func rows(page string) []string {
	_, table, _ := strings.Cut(page, `<table id="fleet">`)
	table, _, _ = strings.Cut(table, "</table>")
	var out []string
	for _, m := range rowName.FindAllStringSubmatch(table, -1) {
		out = append(out, m[1])
	}
	return out
}

var script = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

func withoutScript(page string) string { return script.ReplaceAllString(page, "") }

// The policy lets this very script run, and nothing else.
func TestFleetScript(t *testing.T) {
	page := renderFleet(t, []issues.Result{result(t, "a", "edge-fra1")})
	found := script.FindAllStringSubmatch(page, -1)
	if len(found) != 1 || strings.Count(page, "<script") != 1 {
		t.Fatalf("%d scripts, want 1", len(found))
	}
	sum := sha256.Sum256([]byte(found[0][1]))
	hash := base64.StdEncoding.EncodeToString(sum[:])
	policy := regexp.MustCompile(`script-src '([^']*)'`).FindStringSubmatch(page)
	if policy == nil || strings.ReplaceAll(policy[1], "&#43;", "+") != "sha256-"+hash {
		t.Errorf("the policy allows %v, the script is sha256-%s", policy, hash)
	}
	for _, bad := range []string{"<img", "@import", "url(", "http://", "https://", "eval(", "innerHTML"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page has %q", bad)
		}
	}
}

// The page of a large fleet stays light, has a row for each, and says what it left out.
func TestFleetSize(t *testing.T) {
	one := result(t, "edge", "edge-fra1")
	heavy := result(t, "edge", "overloaded")
	for i := range 50 {
		heavy.Issues = append(heavy.Issues, issues.Issue{ID: fmt.Sprint(i), Severity: sizing.SeverityWarning, Summary: fmt.Sprintf("Finding %d", i), Detail: strings.Repeat("long words ", 300), File: "edge.hcl", Line: i})
	}
	for range 1000 {
		heavy.Plan.Appliance.Listeners = append(heavy.Plan.Appliance.Listeners, heavy.Plan.Appliance.Listeners[0])
		heavy.Plan.Budget.Ceilings = append(heavy.Plan.Budget.Ceilings, heavy.Plan.Budget.Ceilings[0])
	}
	for _, c := range []struct {
		name  string
		r     issues.Result
		n     int
		bytes int
		whole bool
	}{
		{"usual", one, 200, 3_000_000, true},
		{"heavy", heavy, 300, 3_500_000, false},
		{"very many", one, 1000, 4_000_000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var list []issues.Result
			for i := range c.n {
				r := c.r
				r.Name = fmt.Sprintf("edge-%04d", i)
				list = append(list, r)
			}
			page := renderFleet(t, list)
			wellFormed(t, withoutScript(page))
			if n := len(rows(page)); n != c.n {
				t.Errorf("%d rows", n)
			}
			if len(page) > c.bytes {
				t.Errorf("%d bytes", len(page))
			}
			if whole := !strings.Contains(page, "are left out: the page would be too large"); whole != c.whole {
				t.Errorf("all reports are there: %t", whole)
			}
			links, reports := strings.Count(page, `href="#appliance-`), strings.Count(page, `<div id="appliance-`)
			if links != reports || reports == 0 {
				t.Errorf("%d links to %d reports", links, reports)
			}
		})
	}
}

func TestFleetTextStaysText(t *testing.T) {
	const evil = `</title></script><script>alert(1)</script>"'&`
	r := result(t, "edge", "media")
	r.Name = evil
	r.Plan.Appliance.Site, r.Plan.Verdict, r.Plan.NotBuilt[0].What = evil, evil, evil
	r.Plan.Budget.Ceilings[0].Resource, r.Plan.Appliance.Listeners[0].Name = evil, evil
	r.Issues[0].Summary, r.Issues[0].Detail = evil, evil
	page := renderFleet(t, []issues.Result{r})
	wellFormed(t, withoutScript(page))
	if strings.Count(page, "<script") != 1 {
		t.Error("text of a spec became markup")
	}
}

func TestFleetOfBarePlans(t *testing.T) {
	bare := issues.Result{Name: "bare", Plan: &plan.Plan{Appliance: &runtime.Appliance{Name: "bare"}, Budget: &sizing.Budget{}}}
	for _, list := range [][]issues.Result{nil, {bare}, {bare, result(t, "edge", "edge-fra1")}} {
		page := renderFleet(t, list)
		wellFormed(t, withoutScript(page))
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Error("a bare plan renders figures that are none")
		}
	}
	if err := Fleet(closed{}, nil); err == nil {
		t.Error("a failed write was not reported")
	}
}
