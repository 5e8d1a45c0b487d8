// Package html renders a plan, or those of a fleet, as one web page that needs
// nothing else: no font, no image, no network. Its content security policy forbids
// all of them, and every script; a fleet's page carries a short one, known to the
// policy by its digest, that sorts the table, and is whole without it.
//
// The page reads on a phone (360 px), in light and dark, on paper (everything
// folded is printed) and with a screen reader (every chart has a title that says
// what it shows). Charts are inline SVG whose lengths are shares of the page's
// width, so that their text never shrinks. A chart of very many things shows the
// first ones and says how many more there are; the tables have them all.
// Rendering is a pure function; errors are those of the writer.
package html

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/netip"
	"slices"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/tools/report"
	"trunkline/tools/report/issues"
)

//go:embed page.gohtml
var pageText string

//go:embed style.css
var style string

// page is what the template sees.
type page struct {
	Style           template.CSS
	Plan            *plan.Plan
	Name            string
	State, StateFor string // for the eye, and the class of its colour
	Tiles           []tile
	Issues          []issues.Issue
	Ladder          ladder
	Memory          memoryMap
	CPU             cpuMap
	Paths           []callPath
	MorePaths       int
	Figures         []sizing.Figure
	NotBuilt        string // that it cannot be built yet; empty: it can
	Calibrated      string
	CPUTable        []report.Table // at most one
	Parts           []report.Table
	Services, Image report.Table
	ImageNote       string
}

type tile struct{ Label, Value, Note string }

var functions = template.FuncMap{
	"bytes":    func(n any) string { return sizing.Bytes(number(n)) },
	"count":    func(n any) string { return sizing.Count(number(n)) },
	"percent":  percent,
	"term":     report.Term,
	"prefixes": prefixes,
	"short":    func(s string) string { return s[:min(len(s), 12)] },
	"amount":   report.Amount,
	"notbuilt": report.NotBuiltParts,
	"few":      func(list []netip.Prefix) string { return few(list, 4) },
}

// Write renders p with the issues of its spec and its findings, as issues.Of
// lists them.
func Write(w io.Writer, p *plan.Plan, list []issues.Issue) error {
	t, err := template.New("page").Funcs(functions).Parse(pageText)
	if err != nil {
		return fmt.Errorf("HTML report: %w", err)
	}
	d := page{
		Style: template.CSS(style), Plan: p, Name: p.Appliance.Name,
		NotBuilt: report.NotBuilt(p), Calibrated: report.Calibrated(p), Services: report.Services(p), Image: report.Image(p), ImageNote: report.ImageNote(p),
		Tiles: tiles(p), Issues: found(list), Figures: report.Figures(p.Budget),
		Ladder: makeLadder(p.Budget), Memory: makeMemory(p), CPU: makeCPU(p),
	}
	for _, part := range report.Parts(p) {
		if part.Title == report.CPUTitle { // the chart shows the most of it
			d.CPUTable = append(d.CPUTable, part)
		} else {
			d.Parts = append(d.Parts, part)
		}
	}
	d.State, d.StateFor = state(p, list)
	d.Paths, d.MorePaths = makePaths(p)
	var b bytes.Buffer
	if err := t.Execute(&b, d); err != nil {
		return fmt.Errorf("HTML report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// found are the issues without those that have a box of their own.
func found(list []issues.Issue) []issues.Issue {
	return slices.DeleteFunc(slices.Clone(list), func(i issues.Issue) bool { return i.ID == issues.NotBuilt })
}

func state(p *plan.Plan, list []issues.Issue) (text, class string) {
	switch warnings := issues.Count(list, sizing.SeverityWarning); {
	case p.Errored:
		return "Cannot be built", "error"
	case len(p.NotBuilt) > 0:
		return "Cannot be built yet", "error"
	case warnings == 1:
		return "Can be built, 1 warning", "warning"
	case warnings > 1:
		return fmt.Sprintf("Can be built, %d warnings", warnings), "warning"
	}
	return "Can be built", "good"
}

func tiles(p *plan.Plan) []tile {
	b, a := p.Budget, p.Appliance
	memory, used := float64(a.Hardware.MemoryBytes), usedMemory(p)
	out := []tile{
		{"New calls", report.Rate(b), "planned"},
		{"Calls at once", sizing.Count(b.CallsHeld.Value), sizing.Count(b.Calls.Value) + " slots"},
		{"CPU", sizing.Count(b.CoresNeeded.Value) + " cores", fmt.Sprintf("of work, %d hardware threads", a.Hardware.Threads)},
		{"Memory", sizing.Bytes(used), "of " + sizing.Bytes(memory)},
	}
	if m := b.Media; m != nil {
		out = append(out, tile{"Media sessions", sizing.Count(m.Sessions.Value), report.Amount(m.Bandwidth) + " received"})
	}
	return out
}

// number takes the figures of a plan, whatever their type.
func number(n any) float64 {
	switch n := n.(type) {
	case int:
		return float64(n)
	case uint64:
		return float64(n)
	case float64:
		return n
	}
	return 0
}

// percent renders a share in [0, 1].
func percent(share float64) string {
	switch v := 100 * share; {
	case v > 0 && v < 0.1:
		return "< 0.1 %"
	case v < 10:
		return fmt.Sprintf("%.1f %%", v)
	default:
		return fmt.Sprintf("%.0f %%", v)
	}
}

// prefixes lists networks, single addresses without their length.
func prefixes(list []netip.Prefix) string {
	if len(list) == 0 {
		return "none"
	}
	var out []string
	for _, n := range list {
		out = append(out, network(n))
	}
	return strings.Join(out, ", ")
}

// few lists the first networks of many.
func few(list []netip.Prefix, most int) string {
	if len(list) <= most {
		return prefixes(list)
	}
	return fmt.Sprintf("%s and %d more", prefixes(list[:most]), len(list)-most)
}

func network(n netip.Prefix) string {
	if n.IsSingleIP() {
		return n.Addr().String()
	}
	return n.String()
}
