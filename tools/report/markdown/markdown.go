// Package markdown renders a plan for a pull request: verdict and risks first,
// the rest folded away.
//
// What is promised: the text never exceeds the limit in bytes (code hosts refuse
// longer comments), and what had to be left out is named. Errors and warnings
// are the last to go. Text that comes from the spec cannot add markup, links or
// mentions of its own. Rendering is a pure function; errors are those of the
// writer.
package markdown

import (
	"fmt"
	"io"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/issues"
)

// DefaultLimit is the size of a rendered plan, bytes: below the 65,536 that
// GitHub takes for a comment, with room for a heading of the caller's.
const DefaultLimit = 60_000

// minLimit leaves room for verdict, counts and what was left out.
const minLimit = 2_000

// Options choose how a plan is rendered.
type Options struct {
	Limit int // bytes; 0: DefaultLimit; never below 2,000
}

// Plan writes p with the issues of its spec and its findings.
func Plan(w io.Writer, p *plan.Plan, list []issues.Issue, o Options) error {
	d := newDoc(o)
	name := p.Appliance.Name
	if p.Appliance.Site != "" {
		name += " (" + p.Appliance.Site + ")"
	}
	d.head(p.Appliance.Name, escape(name)+": "+state(p, list), p.Verdict)
	d.risks(list)
	d.section(glance(p))
	d.section(notes(list))
	for _, s := range sections(p) {
		d.fold(s.title, s.body)
	}
	return d.write(w, fmt.Sprintf("Spec `%s`, Trunkline %s.", digest(p.SpecDigest), escape(p.Trunkline)))
}

// Refused writes what is wrong with a spec that has no plan. name is what the
// caller knows it by.
func Refused(w io.Writer, name string, list []issues.Issue, o Options) error {
	d := newDoc(o)
	d.head(name, escape(name)+": no plan, the spec is wrong", "")
	d.risks(list)
	d.section(notes(list))
	return d.write(w, "")
}

// Fleet writes the plans of several appliances: a line each, then the risks of
// all, those of the first appliance first.
func Fleet(w io.Writer, results []issues.Result, o Options) error {
	d := newDoc(o)
	errored := 0
	var rows [][]string
	for _, r := range results {
		rows = append(rows, []string{escape(r.Name), state(r.Plan, r.Issues), shorten(escape(r.Plan.Verdict), 300)})
		if r.Plan.Errored {
			errored++
		}
	}
	title := plural(len(results), "appliance")
	if errored > 0 {
		title += fmt.Sprintf(", %d cannot be built", errored)
	}
	d.head("fleet", title, "")
	var all []issues.Issue
	for _, r := range results {
		for _, i := range r.Issues {
			i.Summary = r.Name + ": " + i.Summary
			all = append(all, i)
		}
	}
	issues.Sort(all)
	d.risks(all)
	d.section("Appliances", table([]string{"appliance", "state", "verdict"}, rows))
	d.section(notes(all))
	return d.write(w, "")
}

func state(p *plan.Plan, list []issues.Issue) string {
	switch n := issues.Count(list, sizing.SeverityWarning); {
	case p.Errored:
		return "cannot be built"
	case n > 0:
		return "can be built, with " + plural(n, "warning")
	}
	return "can be built"
}

// doc is a text under a limit.
type doc struct {
	limit int
	b     strings.Builder
	cut   []string // titles of what did not fit
}

func newDoc(o Options) *doc {
	if o.Limit == 0 {
		o.Limit = DefaultLimit
	}
	return &doc{limit: max(o.Limit, minLimit)}
}

// tail is kept free for the end of the text: what was cut, and the digest.
const tail = 700

func (d *doc) fits(s string) bool { return d.b.Len()+len(s) <= d.limit-tail }

// head is always there: a long verdict is shortened, not left out. The comment
// lets a bot find and replace its own text.
func (d *doc) head(id, title, verdict string) {
	fmt.Fprintf(&d.b, "<!-- trunkline:plan %s -->\n", strings.ReplaceAll(escape(id), "--", "- -"))
	fmt.Fprintf(&d.b, "## %s\n\n", shorten(title, 300))
	if verdict != "" {
		fmt.Fprintf(&d.b, "**%s**\n\n", shorten(escape(verdict), 600))
	}
}

// risks are errors and warnings, errors first, as many as fit.
func (d *doc) risks(list []issues.Issue) {
	left := 0
	for n, i := range list {
		if !risk(i) {
			continue
		}
		s := item(i)
		if n > 0 && !d.fits(s) {
			left++
			continue
		}
		d.b.WriteString(s)
	}
	if left > 0 {
		d.cut = append(d.cut, plural(left, "more risk"))
	}
	d.b.WriteString("\n")
}

func (d *doc) section(title, body string) {
	if body == "" {
		return
	}
	if s := "### " + title + "\n\n" + body + "\n"; d.fits(s) {
		d.b.WriteString(s)
	} else {
		d.cut = append(d.cut, title)
	}
}

func (d *doc) fold(title, body string) {
	if body == "" {
		return
	}
	if s := "<details><summary>" + title + "</summary>\n\n" + body + "\n</details>\n\n"; d.fits(s) {
		d.b.WriteString(s)
	} else {
		d.cut = append(d.cut, title)
	}
}

func (d *doc) write(w io.Writer, end string) error {
	if len(d.cut) > 0 {
		fmt.Fprintf(&d.b, "Left out for length: %s. `trunkline plan -full` shows all of it.\n\n", shorten(strings.Join(d.cut, ", "), 400))
	}
	if end != "" {
		d.b.WriteString(end + "\n")
	}
	_, err := io.WriteString(w, strings.TrimRight(d.b.String(), "\n")+"\n")
	return err
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
