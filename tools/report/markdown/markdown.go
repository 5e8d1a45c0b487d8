// Package markdown renders plans, and what differs between two, for a pull request:
// verdict, removals and risks first, the rest folded away.
//
// What is promised: the text never exceeds the limit in bytes (code hosts refuse
// longer comments), and what had to be left out is named. Removals, errors and
// warnings are the last to go. Text that comes from the spec cannot add markup, links or
// mentions of its own. Rendering is a pure function; errors are those of the
// writer.
package markdown

import (
	"fmt"
	"io"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/tools/report"
	"trunkline/tools/report/issues"
)

// Plan writes p with the issues of its spec and its findings.
func Plan(w io.Writer, p *plan.Plan, list []issues.Issue, o Options) error {
	d := newDoc(o, "plan")
	name := p.Appliance.Name
	if p.Appliance.Site != "" {
		name += " (" + p.Appliance.Site + ")"
	}
	d.head(p.Appliance.Name, escape(name)+": "+state(p, list), p.Verdict)
	d.notBuilt(p)
	d.risks(list, true)
	d.section(glance(p))
	d.section(notes(list))
	for _, s := range sections(p) {
		d.fold(s.title, s.body)
	}
	end := fmt.Sprintf("Spec `%s`, Trunkline %s", digest(p.SpecDigest), escape(p.Trunkline))
	if text := report.Calibrated(p); text != "" {
		end += ", " + escape(text)
	}
	return d.write(w, end+".")
}

// Refused writes what is wrong with a spec that has no plan. name is what the
// caller knows it by.
func Refused(w io.Writer, name string, list []issues.Issue, o Options) error {
	d := newDoc(o, "plan")
	d.head(name, escape(name)+": no plan, the spec is wrong", "")
	d.risks(list, false)
	d.section(notes(list))
	return d.write(w, "")
}

// Fleet writes the plans of several appliances: the risks of all, each told once,
// then a line for each appliance, what cannot be built first.
func Fleet(w io.Writer, results []issues.Result, o Options) error {
	d := newDoc(o, "plan")
	errored := 0
	var rows [][]string
	for _, rank := range []int{2, 1, 0} { // what cannot be built first
		for _, r := range results {
			if unbuildable(r.Plan) != rank {
				continue
			}
			rows = append(rows, []string{escape(r.Name), state(r.Plan, r.Issues), shorten(escape(r.Plan.Verdict), 300)})
			errored += min(rank, 1)
		}
	}
	title := plural(len(results), "appliance")
	if errored > 0 {
		title += fmt.Sprintf(", %d cannot be built", errored)
	}
	d.head("fleet", title, "")
	all := together(results)
	d.risks(all, false)
	d.section("Appliances", table([]string{"appliance", "state", "verdict"}, fitting(rows, d.room()*2/3, d)))
	d.section(notes(all))
	return d.write(w, "")
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

// together lists the issues of a fleet, each once with the appliances that have it.
func together(results []issues.Result) []issues.Issue {
	var all []issues.Issue
	at := map[issues.Issue]int{}
	var names [][]string
	for _, r := range results {
		for _, i := range r.Issues {
			n, known := at[i]
			if !known {
				n = len(all)
				at[i] = n
				all, names = append(all, i), append(names, nil)
			}
			if k := len(names[n]); k == 0 || names[n][k-1] != r.Name {
				names[n] = append(names[n], r.Name)
			}
		}
	}
	for n := range all {
		all[n].Summary = some(names[n]) + ": " + all[n].Summary
	}
	issues.Sort(all)
	return all
}

func state(p *plan.Plan, list []issues.Issue) string {
	switch n := issues.Count(list, sizing.SeverityWarning); {
	case p.Errored:
		return "cannot be built"
	case len(p.NotBuilt) > 0:
		return "cannot be built yet"
	case n > 0:
		return "can be built, with " + plural(n, "warning")
	}
	return "can be built"
}

// notBuilt is what this version cannot run.
func (d *doc) notBuilt(p *plan.Plan) {
	text := report.NotBuilt(p)
	if text == "" {
		return
	}
	d.b.WriteString("> **" + escape(text) + "**\n>\n")
	var items []string
	for _, m := range report.NotBuiltParts(p) {
		var parts []string
		for _, part := range m.Parts[:min(len(m.Parts), maxRows)] {
			s := shorten(escape(part.What), 300)
			if part.At != "" {
				s += " " + code(part.At)
			}
			parts = append(parts, s)
		}
		if more := len(m.Parts) - maxRows; more > 0 {
			parts = append(parts, plural(more, "other"))
		}
		items = append(items, "> - "+strings.Join(parts, ", ")+"<br>"+shorten(escape(m.Detail), 600)+"\n")
	}
	d.list("", "part that cannot be built yet", items, 0.5)
}

// risks are errors and warnings, errors first, as many as fit; what cannot be built
// yet unless it was told already.
func (d *doc) risks(list []issues.Issue, told bool) {
	var items []string
	for _, i := range list {
		if risk(i) && !(i.ID == issues.NotBuilt && told) {
			items = append(items, item(i))
		}
	}
	d.list("", "risk", items, 0)
	if len(items) == 0 {
		d.b.WriteString("\n")
	}
}

// risk reports whether an issue is one a reviewer must have seen.
func risk(i issues.Issue) bool {
	return i.Severity == sizing.SeverityError || i.Severity == sizing.SeverityWarning
}

// item is one issue as a list entry.
func item(i issues.Issue) string {
	mark := "Note"
	switch i.Severity {
	case sizing.SeverityError:
		mark = "**Error**"
	case sizing.SeverityWarning:
		mark = "**Warning**"
	case sizing.SeverityWaived:
		mark = "Waived"
	}
	s := "- " + mark
	if at := i.Place(); at != "" {
		s += " " + code(at)
	}
	s += ": " + shorten(escape(i.Summary), 300)
	if i.Detail != "" {
		s += "<br>" + shorten(escape(i.Detail), 900)
	}
	return s + "\n"
}

func notes(list []issues.Issue) (string, string) {
	var b strings.Builder
	for _, i := range list {
		if !risk(i) {
			b.WriteString(item(i))
		}
	}
	return "Notes and waivers", b.String()
}
