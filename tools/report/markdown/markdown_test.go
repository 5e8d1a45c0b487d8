package markdown

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/issues"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func saved(t testing.TB, name string) *plan.Plan {
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

func render(t *testing.T, p *plan.Plan, list []issues.Issue, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Plan(&b, p, list, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var wrong = []issues.Issue{
	{ID: "spec.unknown-block", Severity: sizing.SeverityError, Summary: "Unknown block", Detail: `There is no block "destinatoin" in a dispatcher block. Did you mean "destination"?`, File: "sites/edge/core.hcl", Line: 25},
	{ID: "spec.no-route", Severity: sizing.SeverityWarning, Summary: "No route"},
}

func TestGolden(t *testing.T) {
	plans := func(name string) func(*testing.T) string {
		return func(t *testing.T) string {
			p := saved(t, name)
			return render(t, p, issues.Of("sites/"+name, nil, p), Options{})
		}
	}
	for name, f := range map[string]func(*testing.T) string{
		"edge-fra1":  plans("edge-fra1"),
		"overloaded": plans("overloaded"),
		"media":      plans("media"), // everything that only some plans have
		"fleet": func(t *testing.T) string {
			var results []issues.Result
			for _, n := range []string{"edge-fra1", "overloaded", "media"} {
				p := saved(t, n)
				results = append(results, issues.Result{Name: n, Plan: p, Issues: issues.Of("sites/"+n, nil, p)})
			}
			results[0].Issues = append(results[0].Issues, issues.Issue{ID: "x", Severity: sizing.SeverityWaived, Summary: "Open to all", Detail: "Waived until 2027-01-31 (edge.hcl:90): carriers move. Name the sources.", File: "edge.hcl", Line: 3})
			var b bytes.Buffer
			if err := Fleet(&b, results, Options{}); err != nil {
				t.Fatal(err)
			}
			return b.String()
		},
		"refused": func(t *testing.T) string {
			var b bytes.Buffer
			if err := Refused(&b, "edge", wrong, Options{}); err != nil {
				t.Fatal(err)
			}
			return b.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := f(t)
			golden := "testdata/" + name + ".md"
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
				t.Errorf("(-want +got); if that is meant, run go test ./tools/report/markdown -update\n%s", d)
			}
		})
	}
}

// However large the plan and however small the limit: the text fits, says the
// verdict and the worst, and says what it left out.
func TestLimit(t *testing.T) {
	p := saved(t, "overloaded")
	for i := range 2000 {
		p.Budget.Findings = append(p.Budget.Findings, sizing.Finding{ID: fmt.Sprint(i), Severity: sizing.SeverityWarning,
			Summary: "Überlast " + strings.Repeat("ü_", 50), Detail: strings.Repeat("& long ", 300), At: "a.hcl:1"})
	}
	p.Ruleset = strings.Repeat("rule with ``` in it\n", 5000)
	p.Appliance.Site = strings.Repeat("<&>", 500)
	p.Verdict = strings.Repeat("Saturates first ", 200)
	list := issues.Of("", nil, p)
	for _, limit := range []int{1, 2_000, 10_000, 0, 200_000} {
		got := render(t, p, list, Options{Limit: limit})
		most := limit
		if limit == 0 {
			most = DefaultLimit
		}
		if len(got) > max(most, MinLimit) {
			t.Errorf("limit %d: %d bytes", limit, len(got))
		}
		if !utf8.ValidString(got) {
			t.Errorf("limit %d: not UTF-8", limit)
		}
		for _, want := range []string{"Saturates first", "Not enough memory", "Left out for length", "more risks"} {
			if limit < 200_000 && !strings.Contains(got, want) {
				t.Errorf("limit %d: %q is missing", limit, want)
			}
		}
		if o, c := strings.Count(got, "<details>"), strings.Count(got, "</details>"); o != c {
			t.Errorf("limit %d: %d sections opened, %d closed", limit, o, c)
		}
	}
}

// What all appliances of a fleet have is told once; a large fleet has a table all
// the same, what cannot be built first.
func TestFleetOfMany(t *testing.T) {
	good, bad := saved(t, "edge-fra1"), saved(t, "overloaded")
	var results []issues.Result
	for i := range 600 {
		r := issues.Result{Name: fmt.Sprintf("edge-%03d", i), Plan: good, Issues: issues.Of("sites/all", nil, good)}
		if i >= 598 {
			r.Plan, r.Issues = bad, issues.Of("sites/all", nil, bad)
		}
		results = append(results, r)
	}
	var b bytes.Buffer
	if err := Fleet(&b, results, Options{}); err != nil {
		t.Fatal(err)
	}
	got := b.String()
	for want, times := range map[string]int{
		": edge-598, edge-599: Not enough memory":                                                    1,
		"edge-000, edge-001, edge-002, edge-003 and 596 others: One destination carries a whole set": 1,
		"| edge-598 | cannot be built |":                                                             1, "| edge-000 | can be built |": 1, "more appliances": 1,
	} {
		if n := strings.Count(got, want); n != times {
			t.Errorf("%q is there %d times", want, n)
		}
	}
	if strings.Index(got, "| edge-599 |") > strings.Index(got, "| edge-000 |") {
		t.Error("what cannot be built does not come first")
	}
	if len(got) > DefaultLimit {
		t.Errorf("%d bytes", len(got))
	}
	page(t, got)
}

func TestTextStaysText(t *testing.T) {
	for in, want := range map[string]string{
		"a | b":                    `a \| b`,
		"@voice-team look":         "@&#8203;voice-team look",
		"fixes #12":                "fixes #&#8203;12",
		"<img src=x>":              "&lt;img src=x&gt;",
		"[x](https://example.net)": `\[x\](https&#58;//example.net)`,
		"two\n\n# lines":           "two #&#8203; lines",
		"see www.example.net":      "see www&#46;example.net",
		"`a` *b* _c_ ~d~":          "\\`a\\` \\*b\\* \\_c\\_ \\~d\\~",
	} {
		if got := escape(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"a": "`a`", "a`b": "``a`b``", "`a": "`` `a ``"} {
		if got := code(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if got := cell("a|b"); got != "`a\\|b`" {
		t.Errorf("cell: %q", got)
	}
	if got := block("text", "x\n````\n"); got != "`````text\nx\n````\n`````\n" {
		t.Errorf("block: %q", got)
	}
}

func TestShorten(t *testing.T) {
	entity := regexp.MustCompile(`&[^;]*$`)
	s := escape(strings.Repeat("<ü@_", 20))
	for n := 1; n < len(s); n++ {
		got := strings.TrimSuffix(shorten(s, n), " ...")
		if !utf8.ValidString(got) || entity.MatchString(got) || strings.HasSuffix(got, `\`) || len(got) > n {
			t.Fatalf("cut at %d: %q", n, got)
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWriterError(t *testing.T) {
	if Plan(closed{}, saved(t, "edge-fra1"), nil, Options{}) == nil || Refused(closed{}, "x", nil, Options{}) == nil {
		t.Error("a failed write was not reported")
	}
}
