package markdown

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"trunkline/appliance/plan/diff"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/changes"
)

// What one part of a diff names at most; the rest is counted. Removals are left
// out for length alone.
const (
	maxRows     = 40
	maxRemovals = 25 // unfolded
	maxEntries  = 12 // of a list that changed
	maxPrefixes = 64 // of the ways to one socket
)

// Diff writes what differs between two plans of an appliance: removals and risks
// first, then what saturates first, who can now reach what, sizing, the rest.
func Diff(w io.Writer, x *diff.Diff, o Options) error {
	d := newDoc(o, "diff")
	d.head(x.After.Appliance, escape(changes.Headline(x)), "")
	if x.After.Errored {
		d.b.WriteString("**The plan after the change has errors: build refuses it.**\n\n")
	}
	d.removals(x, 0.4)
	d.list("Risks", "risk", risks(x), 0.4)
	d.body(x)
	for _, s := range diffFolds(x) {
		d.fold(s.title, s.body)
	}
	if text := changes.Today(x); text != "" {
		d.part("what a reboot meets", escape(text)+"\n\n")
	}
	return d.write(w, sides(x))
}

// removals are all there, the first of them at once.
func (d *doc) removals(x *diff.Diff, leave float64) {
	all := removals(x)
	n := min(len(all), maxRemovals)
	d.list("Removals", "removal", all[:n], leave)
	d.folded(plural(len(all)-n, "more removal"), "removal", all[n:], leave)
}

// body is what a reviewer compares, after removals and risks.
func (d *doc) body(x *diff.Diff) {
	d.section("What saturates first", saturates(x))
	d.section("Who can now reach what", reached(x))
	d.section(changes.Titles[diff.Sizing], sized(x, false))
	for _, g := range []diff.Group{diff.Machine, diff.Listeners, diff.Calls} {
		d.section(changes.Titles[g], group(x, g))
	}
	d.list("Findings", "finding", findings(x), 0.2)
}

func diffFolds(x *diff.Diff) []section {
	moved := len(x.Ceilings)
	return []section{
		{plural(moved, "ceiling") + " moved", movedCeilings(x)},
		{"Memory map", sized(x, true)},
		{"Files of the config layer", changedFiles(x)},
		{"Files, line by line", lines(x)},
	}
}

// impact is the column that says what a change takes.
func impact(i diff.Impact) string {
	if i == diff.None {
		return ""
	}
	return code(string(i))
}

// marked is one change in a list: impact, then what.
func marked(i diff.Impact, text string) string {
	if mark := impact(i); mark != "" {
		text = mark + " " + text
	}
	return "- " + text + "\n"
}

// removals are protection that ends, ways that are closed, and what is there no
// more: when not all of them fit, the last go.
func removals(x *diff.Diff) []string {
	var guards, ways, objects []string
	for _, c := range x.Changes {
		if c.Group != diff.Removals {
			continue
		}
		s := marked(c.Impact, shorten(escape(changes.What(c, maxEntries)), 400))
		if c.Field != "" {
			guards = append(guards, s)
		} else {
			objects = append(objects, s)
		}
	}
	for _, r := range x.Reach {
		if len(r.Lost) > 0 {
			ways = append(ways, marked(r.Impact, "way to "+escape(r.Listener)+" "+code(r.Socket)+": closed to "+codes(r.Lost, maxEntries)))
		}
	}
	return slices.Concat(guards, ways, objects)
}

// risks are errors and warnings that are new, and a firewall that ends.
func risks(x *diff.Diff) []string {
	var out []string
	if changes.FirewallOff(x) {
		out = append(out, "- **Warning**: "+escape(changes.Unguarded)+"\n")
	}
	for _, f := range x.Findings.New {
		switch f.Severity {
		case sizing.SeverityError:
			out = append(out, finding("**Error**", f))
		case sizing.SeverityWarning:
			out = append(out, finding("**Warning**", f))
		}
	}
	return out
}

// findings are the new ones that are no risks, and those that went.
func findings(x *diff.Diff) []string {
	var out []string
	for _, f := range x.Findings.New {
		switch f.Severity {
		case sizing.SeverityError, sizing.SeverityWarning:
		case sizing.SeverityWaived:
			out = append(out, finding("Waived from now on", f))
		default:
			out = append(out, finding("Note", f))
		}
	}
	for _, f := range x.Findings.Resolved {
		out = append(out, "- No longer, "+escape(f.Severity)+": "+shorten(escape(f.Summary), 300)+"\n")
	}
	return out
}

func finding(mark string, f diff.Finding) string {
	if f.At != "" {
		mark += " " + code(f.At)
	}
	s := "- " + mark + ": " + shorten(escape(f.Summary), 300)
	if f.Detail != "" {
		s += "<br>" + shorten(escape(f.Detail), 900)
	}
	return s + "\n"
}

func saturates(x *diff.Diff) string {
	if x.Before.Verdict == x.After.Verdict {
		return ""
	}
	cut := func(s string) string {
		return shorten(escape(strings.TrimPrefix(s, "Saturates first: ")), 600)
	}
	return table([]string{"", "saturates first"}, [][]string{{"before", cut(x.Before.Verdict)}, {"after", cut(x.After.Verdict)}})
}

// reached says who gained the way to a socket, and who lost it.
func reached(x *diff.Diff) string {
	var rows [][]string
	for _, r := range x.Reach {
		rows = append(rows, []string{escape(r.Listener) + " " + cell(r.Socket), codes(r.Gained, maxPrefixes), codes(r.Lost, maxPrefixes), impact(r.Impact)})
	}
	return rowsOf([]string{"socket", "can now reach it", "can no longer", "impact"}, rows)
}

// codes lists the first of many as code.
func codes(list []string, most int) string {
	var out []string
	for _, s := range list[:min(len(list), most)] {
		out = append(out, code(s))
	}
	if more := len(list) - most; more > 0 {
		out = append(out, plural(more, "other"))
	}
	return strings.Join(out, ", ")
}

// sized is the table of figures: those of the memory map, or all others.
func sized(x *diff.Diff, memory bool) string {
	var rows [][]string
	for _, c := range x.Changes {
		if c.Group != diff.Sizing || (c.Path == "budget.memory") != memory {
			continue
		}
		before, after := values(c)
		rows = append(rows, []string{shorten(escape(changes.Subject(c)), 200), before, after, factor(c), impact(c.Impact)})
	}
	return rowsOf([]string{"", ">before", ">after", ">factor", "impact"}, rows)
}

// values are both sides of a change as cells.
func values(c diff.Change) (before, after string) {
	if c.Field == "" { // an object that came
		after = "added"
		if c.Summary != "" {
			after = shorten(escape(c.Summary), 200)
		}
		return "none", after
	}
	return shorten(escape(changes.Value(c, c.Before)), 300), shorten(escape(changes.Value(c, c.After)), 300)
}

// factor says how many times the old value the new one is.
func factor(c diff.Change) string {
	before, ok := quantity(c.Before)
	after, ok2 := quantity(c.After)
	if !ok || !ok2 || before == 0 || math.IsInf(after/before, 0) || math.IsNaN(after/before) {
		return ""
	}
	return fmt.Sprintf("%.2fx", after/before)
}

// quantity is a number, or text that is one: the kernel's settings are text.
func quantity(v any) (float64, bool) {
	if s, ok := v.(string); ok {
		n, err := strconv.ParseFloat(s, 64)
		return n, err == nil
	}
	return changes.Number(v)
}

// group is the table of one group's changes.
func group(x *diff.Diff, g diff.Group) string {
	var rows [][]string
	for _, c := range x.Changes {
		if c.Group != g {
			continue
		}
		before, after := values(c)
		if parts, ok := changes.Moved(c); ok {
			before, after = came(parts, "-"), came(parts, "+")
		}
		what := escape(changes.Subject(c))
		if c.Action == diff.Add && c.Field == "" {
			what = "new: " + what
		}
		rows = append(rows, []string{shorten(what, 200), before, after, impact(c.Impact)})
	}
	return rowsOf([]string{"", "before", "after", "impact"}, rows)
}

// came lists the entries of a list with one mark.
func came(parts []string, mark string) string {
	var list []string
	for _, p := range parts {
		if s, ok := strings.CutPrefix(p, mark); ok {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return ""
	}
	head := map[string]string{"-": "without ", "+": "with "}[mark]
	return head + strings.ReplaceAll(codes(list, maxEntries), "|", `\|`)
}

// rowsOf is a table of at most maxRows rows that counts the others.
func rowsOf(head []string, rows [][]string) string {
	more := len(rows) - maxRows
	if more <= 0 {
		return table(head, rows)
	}
	return table(head, rows[:maxRows]) + "\nAnd " + plural(more, "more row") + ": `trunkline` shows them with `-full`.\n"
}

func movedCeilings(x *diff.Diff) string {
	var rows [][]string
	for _, c := range x.Ceilings {
		rows = append(rows, []string{escape(c.Resource), changes.At(c.Before, c.HeadroomBefore, c.Axis), changes.At(c.After, c.HeadroomAfter, c.Axis)})
	}
	return rowsOf([]string{"resource", ">before", ">after"}, rows)
}

// fileWords say what became of a file.
var fileWords = map[string]string{diff.Add: "new", diff.Remove: "gone", diff.Modify: "changed"}

func changedFiles(x *diff.Diff) string {
	var rows [][]string
	same := 0
	for _, f := range x.Files {
		if f.DigestOnly {
			same++
			continue
		}
		rows = append(rows, []string{cell("/" + f.Path), fileWords[f.Action], escape(f.How), impact(f.Impact)})
	}
	s := rowsOf([]string{"file", "", "to take it up", "impact"}, rows)
	if same > 0 {
		if s != "" {
			s += "\n"
		}
		s += fmt.Sprintf("In %s only the digest of the spec differs.\n", plural(same, "file"))
	}
	return s
}

// lines are the texts of files that changed, as far as a comment may hold them.
func lines(x *diff.Diff) string {
	const most = 12_000
	var b strings.Builder
	left := 0
	for _, f := range x.Files {
		switch {
		case f.Lines == "" || f.DigestOnly:
		case b.Len()+len(f.Lines) > most:
			left++
		default:
			b.WriteString(code("/"+f.Path) + "\n\n" + block("diff", f.Lines) + "\n")
		}
	}
	if left > 0 {
		fmt.Fprintf(&b, "And %s: `trunkline diff -full` shows them.\n", plural(left, "longer file"))
	}
	if b.Len() == 0 {
		return ""
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// sides says what was compared.
func sides(x *diff.Diff) string {
	var out []string
	for i, s := range []diff.Side{x.Before, x.After} {
		text := []string{"Before", "after"}[i] + ": " + code(s.Label) + ", spec " + code(digest(s.SpecDigest))
		if s.Trunkline != "" {
			text += ", Trunkline " + escape(s.Trunkline)
		}
		out = append(out, text)
	}
	return shorten(strings.Join(out, "; ")+".", 600)
}
