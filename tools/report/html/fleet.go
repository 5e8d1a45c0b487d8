package html

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/tools/report"
	"trunkline/tools/report/issues"
)

//go:embed fleet.gohtml
var fleetText string

//go:embed fleet.css
var fleetStyle string

// The table sorts and filters when scripts run; the page is whole without.
//
//go:embed sort.js
var fleetScript string

// Bounds of a fleet's page. Every appliance has its row; reports are written,
// worst first, until they take so many bytes.
const (
	maxReports        = 2_500_000 // bytes
	reportRungs       = 12
	reportFindings    = 12
	reportListeners   = 12
	namedPerFinding   = 8
	maxFleetFindings  = 100
	reportDetailBytes = 600
)

// fleetPage is what the template sees.
type fleetPage struct {
	Style           template.CSS
	Script          template.JS
	ScriptHash      string // of the content security policy
	Title           string
	State, StateFor string
	Tiles           []tile
	Rows            []fleetRow
	Plan            string // where the planned load lies on the bars, percent
	Findings        []fleetFinding
	MoreFindings    int
	Reports         []template.HTML
	Missing         int // reports that are left out
	Digest          string
	Trunkline       string
}

// fleetRow is one appliance in the table. Numbers are for sorting.
type fleetRow struct {
	ID, Name, Site, State, StateFor string
	Rate, Held, Memory, Findings    cell
	First                           string // what saturates first
	At, Headroom, Title             string
	HeadroomOf                      string // for sorting
	Width, Class                    string
	Linked                          bool // its report is on the page
	StateOf                         int
}

type cell struct{ Text, Value string }

// fleetFinding is one finding with the appliances that have it.
type fleetFinding struct {
	Severity, Summary, Names string
	Count                    int
}

// applianceReport is the short report of one appliance.
type applianceReport struct {
	Row       fleetRow
	Plan      *plan.Plan
	NotBuilt  string
	Issues    []issues.Issue
	More      int // issues that are left out
	Ladder    ladder
	MoreRungs int
	Listeners []runtime.Listener
	MoreLists int
	Figures   []tile
	Command   string // shows all of it
}

// Fleet renders the plans of several appliances: totals, a table, least headroom
// first, what was found and where, and a short report of each.
func Fleet(w io.Writer, results []issues.Result) error {
	t, err := template.New("fleet").Funcs(functions).Parse(fleetText)
	if err != nil {
		return fmt.Errorf("HTML report: %w", err)
	}
	sorted := slices.Clone(results)
	slices.SortStableFunc(sorted, worst)
	scale := fleetScale(sorted)
	d := fleetPage{
		Style: template.CSS(style + fleetStyle), Script: template.JS(fleetScript), ScriptHash: hashOf(fleetScript),
		Title: plural(len(sorted), "appliance"), Tiles: fleetTiles(sorted), Plan: share(scale.x(1)),
	}
	d.State, d.StateFor = fleetState(sorted)
	d.Findings, d.MoreFindings = fleetFindings(sorted)
	size := 0
	for i, r := range sorted {
		row := makeRow(r, i, scale)
		row.Linked = size < maxReports
		if row.Linked {
			var b bytes.Buffer
			if err := t.ExecuteTemplate(&b, "report", makeReport(r, row)); err != nil {
				return fmt.Errorf("HTML report: %w", err)
			}
			size += b.Len()
			d.Reports = append(d.Reports, template.HTML(b.String())) // escaped by this very template
		} else {
			d.Missing++
		}
		d.Rows = append(d.Rows, row)
		d.Trunkline = r.Plan.Trunkline
	}
	var b bytes.Buffer
	if err := t.Execute(&b, d); err != nil {
		return fmt.Errorf("HTML report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// hashOf is the source that lets one script run (CSP level 3, section 2.3.1).
func hashOf(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// first is the lowest ceiling; false: the plan has none.
func first(p *plan.Plan) (sizing.Ceiling, bool) {
	if len(p.Budget.Ceilings) == 0 {
		return sizing.Ceiling{}, false
	}
	return p.Budget.Ceilings[0], true
}

// worst puts what cannot be built first, then the least headroom.
func worst(a, b issues.Result) int {
	if n := cmp.Compare(unbuildable(a.Plan), unbuildable(b.Plan)); n != 0 {
		return -n
	}
	room := func(p *plan.Plan) float64 {
		if c, ok := first(p); ok {
			return c.Headroom
		}
		return math.Inf(1)
	}
	return cmp.Or(cmp.Compare(room(a.Plan), room(b.Plan)), strings.Compare(a.Name, b.Name))
}

// unbuildable ranks plans: 2 with errors, 1 with parts that cannot be built yet.
func unbuildable(p *plan.Plan) int {
	switch {
	case p.Errored:
		return 2
	case len(p.NotBuilt) > 0:
		return 1
	}
	return 0
}

// fleetScale is one scale for the bars of all appliances.
func fleetScale(list []issues.Result) scale {
	b := &sizing.Budget{}
	for _, r := range list {
		if c, ok := first(r.Plan); ok {
			b.Ceilings = append(b.Ceilings, c)
		}
	}
	return scaleOf(b.Ceilings)
}

func fleetState(list []issues.Result) (text, class string) {
	errored, missing, warned := 0, 0, 0
	for _, r := range list {
		switch {
		case r.Plan.Errored:
			errored++
		case len(r.Plan.NotBuilt) > 0:
			missing++
		case issues.Count(r.Issues, sizing.SeverityWarning) > 0:
			warned++
		}
	}
	switch {
	case errored+missing > 0:
		return fmt.Sprintf("%d of %d cannot be built", errored+missing, len(list)), "error"
	case warned > 0:
		return fmt.Sprintf("All can be built, %d with warnings", warned), "warning"
	}
	return "All can be built", "good"
}

func fleetTiles(list []issues.Result) []tile {
	var rate, held, cores, used, installed, sessions float64
	threads, errs, warnings := 0, 0, 0
	sites := map[string]bool{}
	for _, r := range list {
		b, a := r.Plan.Budget, r.Plan.Appliance
		v, _ := report.CallRate(b)
		rate += v
		held += b.CallsHeld.Value
		cores += b.CoresNeeded.Value
		threads += a.Hardware.Threads
		used += usedMemory(r.Plan)
		installed += float64(a.Hardware.MemoryBytes)
		if b.Media != nil {
			sessions += b.Media.Sessions.Value
		}
		if a.Site != "" {
			sites[a.Site] = true
		}
		errs += issues.Count(r.Issues, sizing.SeverityError)
		warnings += issues.Count(r.Issues, sizing.SeverityWarning)
	}
	out := []tile{
		{"Appliances", sizing.Count(float64(len(list))), "at " + plural(len(sites), "site")},
		{"New calls", sizing.Count(rate) + " calls/s", "planned in all"},
		{"Calls at once", sizing.Count(held), "planned in all"},
		{"CPU", sizing.Count(cores) + " cores", fmt.Sprintf("of work, %s hardware threads", sizing.Count(float64(threads)))},
		{"Memory", sizing.Bytes(used), "of " + sizing.Bytes(installed)},
		{"Findings", plural(errs, "error"), plural(warnings, "warning")},
	}
	if sessions > 0 {
		out = append(out, tile{"Media sessions", sizing.Count(sessions), "planned in all"})
	}
	return out
}

// usedMemory is what the plan takes of the installed memory, bytes.
func usedMemory(p *plan.Plan) float64 {
	used := float64(p.Appliance.Hardware.MemoryBytes)
	if n := len(p.Budget.Memory); n > 0 {
		used -= p.Budget.Memory[n-1].Bytes.Value
	}
	return used
}

func makeRow(r issues.Result, n int, s scale) fleetRow {
	p := r.Plan
	rate, _ := report.CallRate(p.Budget)
	used := usedMemory(p)
	row := fleetRow{
		ID: fmt.Sprintf("appliance-%d", n+1), Name: r.Name, Site: p.Appliance.Site,
		Rate:     cell{sizing.Count(rate), sortable(rate)},
		Held:     cell{sizing.Count(p.Budget.CallsHeld.Value), sortable(p.Budget.CallsHeld.Value)},
		Memory:   cell{sizing.Bytes(used) + " of " + sizing.Bytes(float64(p.Appliance.Hardware.MemoryBytes)), sortable(used)},
		First:    "plans no calls",
		Width:    share(0),
		Findings: found3(r.Issues),
	}
	row.State, row.StateFor = state(p, r.Issues)
	row.StateOf = unbuildable(p)*1000 + min(issues.Count(r.Issues, sizing.SeverityWarning), 999)
	row.HeadroomOf = "1e308" // no ceiling: behind all others
	if c, ok := first(p); ok {
		rung := makeRung(c, s)
		row.First, row.At, row.Headroom, row.Title = c.Resource, rung.At, rung.Headroom+"x", rung.Title
		row.Width, row.Class, row.HeadroomOf = rung.Width, rung.Class, sortable(c.Headroom)
	}
	return row
}

// sortable is a number as the script reads it.
func sortable(v float64) string { return fmt.Sprintf("%g", v) }

// found3 counts errors, warnings and the rest.
func found3(list []issues.Issue) cell {
	errs, warnings := issues.Count(list, sizing.SeverityError), issues.Count(list, sizing.SeverityWarning)
	var parts []string
	for _, c := range []struct {
		n    int
		what string
	}{{errs, "error"}, {warnings, "warning"}, {len(list) - errs - warnings, "note"}} {
		if c.n > 0 {
			parts = append(parts, plural(c.n, c.what))
		}
	}
	if len(parts) == 0 {
		parts = []string{"none"}
	}
	return cell{strings.Join(parts, ", "), sortable(float64(errs*1_000_000 + warnings*1_000 + len(list)))}
}

// fleetFindings tells each finding once, with the appliances that have it.
func fleetFindings(list []issues.Result) ([]fleetFinding, int) {
	type key struct{ severity, id, summary string }
	names := map[key][]string{}
	var order []issues.Issue
	for _, r := range list {
		for _, i := range r.Issues {
			k := key{i.Severity, i.ID, i.Summary}
			if names[k] == nil {
				order = append(order, i)
			}
			if n := names[k]; len(n) == 0 || n[len(n)-1] != r.Name {
				names[k] = append(n, r.Name)
			}
		}
	}
	issues.Sort(order)
	var out []fleetFinding
	for _, i := range order[:min(len(order), maxFleetFindings)] {
		n := names[key{i.Severity, i.ID, i.Summary}]
		text := strings.Join(n[:min(len(n), namedPerFinding)], ", ")
		if more := len(n) - namedPerFinding; more > 0 {
			text += fmt.Sprintf(" and %d more", more)
		}
		out = append(out, fleetFinding{i.Severity, i.Summary, text, len(n)})
	}
	return out, len(order) - len(out)
}

func makeReport(r issues.Result, row fleetRow) applianceReport {
	p := r.Plan
	out := applianceReport{
		Row: row, Plan: p, NotBuilt: report.NotBuilt(p), Issues: found(r.Issues),
		Ladder: makeLadder(p.Budget), Listeners: p.Appliance.Listeners, Figures: tiles(p),
		Command: "trunkline plan -appliance " + r.Name + " -format html",
	}
	if n := len(out.Issues); n > reportFindings {
		out.Issues, out.More = out.Issues[:reportFindings], n-reportFindings
	}
	for i := range out.Issues { // a clone: found made it
		out.Issues[i].Detail = fit(out.Issues[i].Detail, reportDetailBytes)
	}
	if n := len(out.Ladder.Rungs); n > reportRungs {
		out.Ladder.Rungs, out.MoreRungs = out.Ladder.Rungs[:reportRungs], n-reportRungs
	}
	if n := len(out.Listeners); n > reportListeners {
		out.Listeners, out.MoreLists = out.Listeners[:reportListeners], n-reportListeners
	}
	return out
}
