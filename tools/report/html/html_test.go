package html

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
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

var update = flag.Bool("update", false, "rewrite the golden files")

// saved reads a plan that `trunkline plan -json` wrote: what is tested here is
// the page, not what today's model says of a spec.
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

func render(t testing.TB, p *plan.Plan) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p, issues.Of("sites/"+p.Appliance.Name, nil, p)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"edge-fra1", "overloaded", "media"} {
		t.Run(name, func(t *testing.T) {
			got := render(t, saved(t, name))
			wellFormed(t, got)
			golden := "testdata/" + name + ".html"
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
		})
	}
}

// wellFormed checks that elements nest and end, which a browser would hide.
func wellFormed(t *testing.T, page string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict = false
	d.AutoClose = []string{"meta", "link", "br", "input"}
	d.Entity = xml.HTMLEntity
	var open []string
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		switch e := tok.(type) {
		case xml.StartElement:
			if n := e.Name.Local; n != "meta" && n != "link" && n != "br" && n != "input" {
				open = append(open, n)
			}
		case xml.EndElement:
			if n := len(open); n == 0 || open[n-1] != e.Name.Local {
				line, _ := d.InputPos()
				t.Fatalf("line %d: </%s> ends %v", line, e.Name.Local, open)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("never ended: %v", open)
	}
}

// The page must read without a network, and every chart must say what it shows.
func TestSelfContainedAndTitled(t *testing.T) {
	page := render(t, saved(t, "edge-fra1"))
	for _, bad := range []string{"<script", "<img", "src=", "@import", "url(", "http://", "https://", " on"} {
		body := page
		if bad == " on" { // event handlers: only within tags
			body = strings.Join(regexp.MustCompile(`<[^>]* on[a-z]+=`).FindAllString(page, -1), "")
		}
		if i := strings.Index(body, bad); i >= 0 {
			t.Errorf("the page has %q: %.80s", bad, body[i:])
		}
	}
	for _, svg := range regexp.MustCompile(`<svg[^>]*>`).FindAllString(page, -1) {
		if !strings.Contains(svg, `role="img" aria-label="`) && !strings.Contains(svg, "aria-hidden") && !strings.Contains(svg, `height="18"`) {
			t.Errorf("a chart without a name: %s", svg)
		}
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("id %s twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("link to #%s, which is not there", m[1])
		}
	}
}

// What a spec brings never becomes markup.
func TestTextStaysText(t *testing.T) {
	p := saved(t, "edge-fra1")
	evil := `</title><script>alert(1)</script>"'&`
	p.Appliance.Site, p.Verdict, p.Ruleset = evil, evil, evil
	p.Budget.Findings = []sizing.Finding{{ID: "x", Severity: sizing.SeverityWarning, Summary: evil, Detail: evil, At: "a.hcl:1"}}
	p.Budget.Ceilings[0].Resource = evil
	p.Appliance.Routes[0].Name = evil
	page := render(t, p)
	wellFormed(t, page)
	if strings.Contains(page, "<script") {
		t.Error("text of the spec became markup")
	}
}

// Charts of large plans stay charts; bare plans still render.
func TestSizesOfPlans(t *testing.T) {
	p := saved(t, "edge-fra1")
	l, d := p.Appliance.Listeners[0], p.Appliance.Dispatchers[0]
	for i := range 1000 {
		l.Name = fmt.Sprintf("listener-%d", i)
		l.Workers = 3
		p.Appliance.Listeners = append(p.Appliance.Listeners, l)
		d.Destinations = append(d.Destinations, runtime.Destination{Name: fmt.Sprintf("gw%d", i), Address: netip.MustParseAddrPort("10.0.0.1:5060")})
	}
	p.Appliance.Dispatchers[0] = d
	p.Appliance.Hardware.Threads = 256
	page := render(t, p)
	wellFormed(t, page)
	for _, want := range []string{"And 990 more listeners", "and 998 more destinations", "And 192 more threads", "and 9 more"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if n := strings.Count(page, "<svg"); n > 150 {
		t.Errorf("%d charts", n)
	}

	bare := render(t, &plan.Plan{Appliance: &runtime.Appliance{Name: "bare"}, Budget: &sizing.Budget{}})
	wellFormed(t, bare)
	if strings.Contains(bare, "NaN") || strings.Contains(bare, "Inf") {
		t.Error("a bare plan renders figures that are none")
	}
}

func TestLadder(t *testing.T) {
	at := func(headrooms ...float64) ladder {
		b := &sizing.Budget{}
		for _, h := range headrooms {
			b.Ceilings = append(b.Ceilings, sizing.Ceiling{Resource: "r", Axis: sizing.AxisCPS, Headroom: h})
		}
		return makeLadder(b)
	}
	for _, c := range []struct {
		name      string
		headrooms []float64
		widths    []string
		classes   string
	}{
		{"the plan itself", []float64{1}, []string{"33.33%"}, "tight"},
		{"both sides", []float64{0.1, 0.999, 1.05, 10}, []string{"20.00%", "59.98%", "60.85%", "100.00%"}, "error error tight good"},
		{"nothing and beyond", []float64{0, 1e9}, []string{"0.00%", "100.00%"}, "error good"},
	} {
		l := at(c.headrooms...)
		var widths, classes []string
		for _, r := range l.Rungs {
			widths, classes = append(widths, r.Width), append(classes, r.Class)
		}
		if d := cmp.Diff(c.widths, widths); d != "" || strings.Join(classes, " ") != c.classes {
			t.Errorf("%s: %s %v", c.name, d, classes)
		}
	}
	if h := at(0.9999).Rungs[0].Headroom; h != "0.99" {
		t.Errorf("a shortfall reads %s", h)
	}
}

func TestLoadOfWorkers(t *testing.T) {
	p := saved(t, "overloaded")
	w := makeCPU(p).Threads[0].Workers
	if len(w) != 2 || w[0].Load != "56 %" || w[1].Load != "169 %" || w[1].Class != "error" || w[1].Fill != "118.0" {
		t.Errorf("two listeners: %+v", w)
	}
	p.Appliance.Listeners = p.Appliance.Listeners[:1]
	p.Appliance.Listeners[0].Name = "alone"
	if w := makeCPU(p).Threads[0].Workers; len(w) != 1 || w[0].Load != "225 %" {
		t.Errorf("one listener: %+v", w)
	}
}

// The map follows the budget's placement, whatever the numbers of the threads.
func TestPlacementOfWorkers(t *testing.T) {
	p := saved(t, "media")
	p.Budget.CPUs = []sizing.CPU{
		{CPU: 3, Workers: []string{"core/0"}, Queues: []string{"wan/0", "wan/1", "wan/2", "lan/0"}},
		{CPU: 200, Workers: []string{"carrier-a/0"}, Steers: []string{"wan"}},
	}
	p.Appliance.Hardware.Threads = 256
	m := makeCPU(p)
	if len(m.Threads) != 2 || m.More != 254 || m.Legend == "" {
		t.Fatalf("%d threads drawn, %d not: %q", len(m.Threads), m.More, m.Legend)
	}
	for i, want := range []string{
		"thread 3: worker core/0 at 11 %, queue wan/0, queue wan/1, and 2 more queues",
		"thread 200: worker carrier-a/0 at 3.8 %, packets of wan",
	} {
		if got := m.Threads[i].Title; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if q := m.Threads[0].Queues; len(q) != 3 || q[2].Y >= m.Threads[0].Height() {
		t.Errorf("lines end at %v of %d", q, m.Threads[0].Height())
	}
}

func TestMemoryFillsTheBar(t *testing.T) {
	for _, name := range []string{"edge-fra1", "overloaded"} {
		m := makeMemory(saved(t, name))
		for _, bar := range [][]segment{m.All, m.Used} {
			sum := 0.0
			for _, s := range bar {
				var w float64
				if _, err := fmt.Sscanf(s.Width, "%f%%", &w); err != nil {
					t.Fatal(err)
				}
				sum += w
			}
			if len(bar) > 0 && (sum < 99.9 || sum > 100.1) {
				t.Errorf("%s: segments are %.2f %% of the bar", name, sum)
			}
		}
		if (m.Installed != "") != (name == "overloaded") {
			t.Errorf("%s: mark of the installed memory is %q", name, m.Installed)
		}
	}
}

type closed struct{}

func (closed) Write([]byte) (int, error) { return 0, errors.New("closed") }

func TestWriterError(t *testing.T) {
	if err := Write(closed{}, saved(t, "edge-fra1"), nil); err == nil {
		t.Error("a failed write was not reported")
	}
}
