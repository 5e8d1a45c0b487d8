package markdown

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"

	"trunkline/appliance/plan"
	"trunkline/appliance/plan/diff"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
)

// changed is the saved plan of edge-fra1 with a change of every kind.
func changed(t testing.TB) *plan.Plan {
	t.Helper()
	p := saved(t, "edge-fra1")
	p.SpecDigest = "sha256:" + strings.Repeat("b2", 32)
	p.Errored = true
	p.Verdict = "Saturates first: limit of calls/s, at 240 calls/s, 0.60 times the planned 400. To raise it: raise limits.cps (edge.hcl:64)."
	a, b := p.Appliance, p.Budget
	a.Hardware.NICs[0].MAC = "52:54:00:12:34:57"
	a.Listeners[0].Sources = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/25"), netip.MustParsePrefix("192.0.2.64/26")}
	a.Listeners[0].Workers *= 2
	a.Listeners[0].RecvBuffer *= 3
	d := &a.Dispatchers[0]
	d.Failover.OnTimeout = false
	d.Destinations = append(d.Destinations[:1], runtime.Destination{Name: "fs9", URI: "sip:10.0.0.19:5060", Address: netip.MustParseAddrPort("10.0.0.19:5060")})
	a.Routes = a.Routes[1:]
	a.Limits.ConcurrentCalls = 0
	a.Transaction.InviteTimeout = runtime.Duration(20 * time.Second)
	a.Firewall.Enabled = false
	b.OfferedCalls.Inputs[0].Value = 400
	b.Memory[0].Bytes.Value *= 2
	b.Sysctls[1].Value = "777"
	b.Ceilings = b.Ceilings[1:]
	b.Ceilings[0].Headroom, b.Ceilings[0].At.Value = 0.6, 240
	b.Findings = []sizing.Finding{
		{ID: "y", Severity: sizing.SeverityError, Summary: "Below the planned load: limit of calls/s", Detail: "Raise limits.cps.", At: "edge.hcl:64"},
		{ID: "w", Severity: sizing.SeverityWaived, Summary: "Open to all", Detail: "Waived until 2027-01-31 (edge.hcl:90): carriers move. Name the sources.", At: "edge.hcl:3"},
		{ID: "n", Severity: sizing.SeverityNote, Summary: "Listeners share hardware threads"},
	}
	for i := range p.Files {
		f := &p.Files[i]
		f.SHA256 = strings.Repeat("1c", 32)
		if strings.HasSuffix(f.Path, ".link") {
			f.Content = "other"
		}
	}
	p.Files = append(p.Files, plan.FileSum{Path: "etc/trunkline/caches/new|table.csv", Mode: "0644", SHA256: strings.Repeat("2c", 32), Size: 12})
	return p
}

const link = "etc/systemd/network/10-wan.link"

func compare(t testing.TB, a, b *plan.Plan) *diff.Diff {
	t.Helper()
	d, err := diff.Compare(
		diff.Input{Label: "git:main (0123456789ab)", Plan: a, Files: map[string][]byte{link: []byte("[Match]\nMACAddress=52:54:00:12:34:56\n")}},
		diff.Input{Label: "sites/edge-fra1", Plan: b, Files: map[string][]byte{link: []byte("[Match]\nMACAddress=52:54:00:12:34:57\n")}})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func renderDiff(t testing.TB, d *diff.Diff, o Options) string {
	t.Helper()
	var b bytes.Buffer
	if err := Diff(&b, d, o); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// fleet compares n appliances with what they were: the same change everywhere,
// one more in the last, one removed, one new, one that stays.
func fleet(t testing.TB, n int) *diff.Fleet {
	t.Helper()
	var a, b []diff.Input
	add := func(list *[]diff.Input, name string, p *plan.Plan) {
		p.Appliance.Name = name
		*list = append(*list, diff.Input{Label: "sites", Plan: p})
	}
	for i := range n {
		name := fmt.Sprintf("edge-%03d", i)
		add(&a, name, saved(t, "edge-fra1"))
		p := saved(t, "edge-fra1")
		p.SpecDigest = "sha256:" + strings.Repeat("b2", 32)
		p.Appliance.Routes = p.Appliance.Routes[1:]
		if i == n-1 {
			p = changed(t)
		}
		add(&b, name, p)
	}
	add(&a, "edge-old", saved(t, "edge-fra1"))
	add(&b, "edge-new", saved(t, "edge-fra1"))
	add(&a, "edge-same", saved(t, "edge-fra1"))
	add(&b, "edge-same", saved(t, "edge-fra1"))
	f, err := diff.CompareFleets(a, b)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestDiffGolden(t *testing.T) {
	words := saved(t, "edge-fra1")
	words.SpecDigest = "sha256:" + strings.Repeat("b2", 32)
	for name, f := range map[string]func() string{
		"diff":      func() string { return renderDiff(t, compare(t, saved(t, "edge-fra1"), changed(t)), Options{}) },
		"diff-back": func() string { return renderDiff(t, compare(t, changed(t), saved(t, "edge-fra1")), Options{}) },
		"diff-none": func() string {
			return renderDiff(t, compare(t, saved(t, "edge-fra1"), saved(t, "edge-fra1")), Options{})
		},
		"diff-words": func() string { return renderDiff(t, compare(t, saved(t, "edge-fra1"), words), Options{}) },
		"diff-fleet": func() string {
			var b bytes.Buffer
			if err := DiffFleet(&b, fleet(t, 6), Options{}); err != nil {
				t.Fatal(err)
			}
			return b.String()
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := f()
			golden := filepath.Join("testdata", name+".md")
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
			page(t, got)
		})
	}
}

// page renders Markdown as a code host does (GFM), and checks what must hold of
// every text: tables are as wide as their heads, nothing was opened and not closed.
func page(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	gfm := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
	if err := gfm.Convert([]byte(text), &b); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	for _, tab := range regexp.MustCompile(`(?s)<table>.*?</table>`).FindAllString(out, -1) {
		width := strings.Count(tab, "<th") - strings.Count(tab, "<thead")
		for _, row := range regexp.MustCompile(`(?s)<tr>.*?</tr>`).FindAllString(tab, -1)[1:] {
			if n := strings.Count(row, "<td"); n != width {
				t.Errorf("a row of %d cells in a table of %d: %s", n, width, row)
			}
		}
	}
	if strings.Contains(out, "<p>|") {
		t.Errorf("a table is not read as one:\n%s", out)
	}
	if o, c := strings.Count(out, "<details>"), strings.Count(out, "</details>"); o != c {
		t.Errorf("%d folded parts opened, %d closed", o, c)
	}
	return out
}

// Names that a code host would read as something else stay names.
func TestDiffTextStaysText(t *testing.T) {
	const evil = "a|b`c`<img src=x>@team #12 [x](https://e.example) www.e.example **d**"
	b := changed(t)
	b.Appliance.Routes[0].Name = evil
	b.Appliance.Dispatchers[0].Destinations[0].URI = "sip:" + evil
	b.Appliance.Listeners[0].Name = evil
	b.Budget.Findings[0].Summary, b.Budget.Findings[0].Detail = evil, evil
	b.Budget.Ceilings[0].Resource = evil
	b.Budget.Sysctls[1].Value = evil
	b.Verdict = evil
	b.Files[0].Path, b.Files[0].Content = "etc/"+evil, "x"
	a := saved(t, "edge-fra1")
	a.Appliance.Caches[0].Name = evil
	d := compare(t, a, b)
	d.Before.Label = evil
	out := page(t, renderDiff(t, d, Options{}))
	f := &diff.Fleet{Changed: true, Impact: diff.Live, Removed: []string{evil}, Added: []string{evil}, Appliances: []*diff.Diff{d}}
	d.After.Appliance, d.Before.Appliance = evil, evil
	var md bytes.Buffer
	if err := DiffFleet(&md, f, Options{}); err != nil {
		t.Fatal(err)
	}
	out += page(t, md.String())
	for _, bad := range []string{"<img", "<a ", "<strong>d</strong>"} {
		if i := strings.Index(out, bad); i >= 0 {
			t.Errorf("a name became %s: %.200s", bad, out[max(0, i-80):])
		}
	}
	// Code hosts look for mentions in the page's text, but not within code.
	plain := regexp.MustCompile(`(?s)<code.*?</code>|<!--.*?-->`).ReplaceAllString(out, "")
	for _, bad := range []string{"@team", "#12"} {
		if i := strings.Index(plain, bad); i >= 0 {
			t.Errorf("%s would be looked up: %.200s", bad, plain[max(0, i-80):])
		}
	}
	if strings.Contains(regexp.MustCompile(`<summary>.*?</summary>`).FindString(md.String()), `\`) {
		t.Error("a summary is HTML, where a backslash is one")
	}
}

// However much changes and however small the limit, the text fits, begins with
// the removals and says what it left out.
func TestDiffLimit(t *testing.T) {
	a, b := saved(t, "edge-fra1"), changed(t)
	for i := range 1500 {
		a.Appliance.Routes = append(a.Appliance.Routes, runtime.Route{Name: fmt.Sprintf("gone-%d", i)})
		b.Appliance.Routes = append(b.Appliance.Routes, runtime.Route{Name: fmt.Sprintf("new-%d", i)})
		b.Budget.Findings = append(b.Budget.Findings, sizing.Finding{ID: fmt.Sprint(i), Severity: sizing.SeverityWarning, Summary: "Überlast " + fmt.Sprint(i), Detail: strings.Repeat("ü & long ", 100)})
		b.Appliance.Listeners[0].Sources = append(b.Appliance.Listeners[0].Sources, netip.PrefixFrom(netip.AddrFrom4([4]byte{100, byte(i >> 7), byte(i << 1), 0}), 24))
	}
	d := compare(t, a, b)
	for _, limit := range []int{1, 2_000, 10_000, 0, 500_000} {
		got := renderDiff(t, d, Options{Limit: limit})
		page(t, got)
		checkLimit(t, got, limit, "failover on timeout: on", "way to", "gone-0", "more removals", "Left out for length")
		if limit >= 10_000 || limit == 0 {
			checkLimit(t, got, limit, "Who can now reach what", "100.0.0.0/24", "others", "Below the planned load")
		}
	}

	f := fleet(t, 3)
	for i := range 2000 {
		f.Removed = append(f.Removed, fmt.Sprintf("gone-%d", i))
		x := *f.Appliances[0]
		x.After.Appliance = fmt.Sprintf("same-%d", i)
		x.Changes = append([]diff.Change{}, x.Changes...)
		x.Changes = append(x.Changes, diff.Change{Group: diff.Calls, Action: diff.Modify, Field: fmt.Sprintf("number %d", i), Before: 1, After: 2, Impact: diff.Live})
		f.Appliances = append(f.Appliances, &x)
	}
	for _, limit := range []int{1, 10_000, 0} {
		var md bytes.Buffer
		if err := DiffFleet(&md, f, Options{Limit: limit}); err != nil {
			t.Fatal(err)
		}
		checkLimit(t, md.String(), limit, "gone-0", "more removed appliances", "Left out for length")
		if limit != 1 {
			checkLimit(t, md.String(), limit, "edge-002", "more appliances")
		}
	}
}

func checkLimit(t *testing.T, got string, limit int, wants ...string) {
	t.Helper()
	most := max(limit, MinLimit)
	if limit == 0 {
		most = DefaultLimit
	}
	if len(got) > most {
		t.Errorf("limit %d: %d bytes", limit, len(got))
	}
	for _, want := range wants {
		if limit < 500_000 && !strings.Contains(got, want) {
			t.Errorf("limit %d: %q is missing in\n%.1500s", limit, want, got)
		}
	}
}

func TestFactor(t *testing.T) {
	for _, c := range []struct {
		before, after any
		want          string
	}{
		{1, 2, "2.00x"}, {4.0, 1.0, "0.25x"}, {0, 5, ""}, {uint64(3), 3.5, "1.17x"},
		{"4096", "8192", "2.00x"}, {"1 2 3", "2 3 4", ""}, {nil, 5, ""}, {"on", "off", ""}, {5, 0, "0.00x"},
	} {
		if got := factor(diff.Change{Before: c.before, After: c.after}); got != c.want {
			t.Errorf("%v to %v: %q, want %q", c.before, c.after, got, c.want)
		}
	}
}

func TestDiffWriterError(t *testing.T) {
	d := compare(t, saved(t, "edge-fra1"), changed(t))
	if err := Diff(closed{}, d, Options{}); err == nil {
		t.Error("a failed write was not reported")
	}
	if err := DiffFleet(closed{}, &diff.Fleet{}, Options{}); err == nil || errors.Is(err, os.ErrClosed) {
		t.Error("a failed write was not reported")
	}
}
