// Package changes renders a diff of two plans as plain text for people.
//
// The first line says how much changes and what it takes. Then come the changes
// by decision, what is removed first and never cut short; each with its impact in
// the first column. Text is a pure function of the diff and the options; it is
// ASCII apart from what the specs bring, wraps at the width given and uses colour
// only when asked to. Errors are those of the writer.
package changes

import (
	"fmt"
	"io"
	"strings"

	"trunkline/appliance/plan/diff"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/canvas"
)

// Options choose how a diff is shown.
type Options struct {
	Width int  // columns; below 60: 80
	Full  bool // everything: every figure, how a change is taken up, files line by line
	Color bool // ANSI colours
}

// What the short view shows of one group at most, and of the ceilings. Removals
// and who can reach what are never cut.
const (
	shortGroup    = 20
	shortCeilings = 5
)

// Text writes d for people.
func Text(w io.Writer, d *diff.Diff, o Options) error {
	if o.Width < 60 {
		o.Width = 80
	}
	v := &view{Canvas: canvas.Canvas{Width: o.Width, Color: o.Color}, o: o, d: d}
	v.head()
	if d.Changed {
		v.verdicts()
		for _, g := range diff.Groups {
			v.group(g)
		}
		v.ceilings()
	}
	v.findings()
	v.files()
	_, err := io.WriteString(w, v.String())
	return err
}

type view struct {
	canvas.Canvas
	o Options
	d *diff.Diff
}

// enough says what an impact asks for.
var enough = map[diff.Impact]string{
	diff.None:    "nothing runs differently",
	diff.Live:    "a reload would be enough, no call notices",
	diff.Restart: "a restart of sbcd would be enough",
	diff.Reboot:  "a reboot is needed",
}

func (v *view) head() {
	d := v.d
	name := d.After.Appliance
	if d.Before.Appliance != name {
		name = d.Before.Appliance + " -> " + name
	}
	switch {
	case !d.Changed && d.Before.SpecDigest == d.After.SpecDigest:
		v.Wrap(name+": no changes.", "", "  ", canvas.Green)
	case !d.Changed:
		v.Wrap(name+": no changes. The specs differ in their text alone, such as comments.", "", "  ", canvas.Green)
	default:
		n := len(d.Changes)
		for _, r := range d.Reach {
			n += min(len(r.Lost), 1) // shown among the removals
		}
		// One line, however long: `head -1` must give all of it.
		line := name + ": " + canvas.Plural(n, "change")
		switch r := v.removals(); {
		case n == 0: // what no field tells of: a table of prefixes, a gateway
			line = name + ": " + canvas.Plural(v.changedFiles(), "file") + " changed and nothing else"
		case r == n && n == 1:
			line += ", a removal"
		case r > 0:
			line += fmt.Sprintf(", %d of them %s", r, map[bool]string{true: "a removal", false: "removals"}[r == 1])
		}
		v.WriteString(v.Paint(line+"; "+enough[d.Impact]+".", canvas.Bold) + "\n")
	}
	rows := [][]string{}
	for i, s := range []diff.Side{d.Before, d.After} {
		state := "spec " + canvas.Digest(s.SpecDigest) + ", Trunkline " + s.Trunkline
		if s.Errored {
			state += ", cannot be built"
		}
		rows = append(rows, []string{[]string{"before", "after"}[i], s.Label, state})
	}
	v.table(rows)
	if d.Today == diff.Reboot {
		c := d.Calls
		v.Wrap(fmt.Sprintf("Today's appliance reads its configuration at boot alone: build a new image and reboot into it. At the planned load that meets %s being set up, which fail, and %s answered: those go on, but their next request waits until the appliance is ready.",
			canvas.Plural(int(c.SettingUp), "call"), sizing.Count(c.Answered)), "", "", "")
	}
	if d.After.Errored {
		v.Wrap("The plan after the change has errors: build refuses it.", "", "", canvas.Red)
	}
}

func (v *view) changedFiles() int {
	n := 0
	for _, f := range v.d.Files {
		if !f.DigestOnly {
			n++
		}
	}
	return n
}

func (v *view) removals() int {
	n := 0
	for _, c := range v.d.Changes {
		if c.Group == diff.Removals {
			n++
		}
	}
	for _, r := range v.d.Reach {
		n += min(len(r.Lost), 1)
	}
	return n
}

func (v *view) verdicts() {
	if v.d.Before.Verdict == v.d.After.Verdict {
		return
	}
	v.Title("What saturates first")
	v.Wrap("before: "+strings.TrimPrefix(v.d.Before.Verdict, "Saturates first: "), "  ", "    ", "")
	v.Wrap("after: "+strings.TrimPrefix(v.d.After.Verdict, "Saturates first: "), "  ", "    ", "")
}

var titles = map[diff.Group]string{
	diff.Removals:  "Removals",
	diff.Sizing:    "Sizing",
	diff.Machine:   "Machine",
	diff.Listeners: "Listeners and firewall",
	diff.Calls:     "Dispatchers, routes, limits and timers",
}

func (v *view) group(g diff.Group) {
	var list []diff.Change
	for _, c := range v.d.Changes {
		if c.Group == g && (v.o.Full || c.Path != "budget.memory") {
			list = append(list, c)
		}
	}
	var lost, gained []diff.Reach
	for _, r := range v.d.Reach {
		if g == diff.Removals && len(r.Lost) > 0 {
			lost = append(lost, r)
		}
		if g == diff.Listeners {
			gained = append(gained, r)
		}
	}
	if len(list)+len(lost)+len(gained) == 0 && !(g == diff.Listeners && v.firewallOff()) {
		return
	}
	v.Title(titles[g])
	more := 0
	if g != diff.Removals && !v.o.Full && len(list) > shortGroup {
		more = len(list) - shortGroup
		list = list[:shortGroup]
	}
	for _, c := range list {
		v.change(c)
	}
	for _, r := range lost {
		v.line(r.Impact, "-", fmt.Sprintf("way to %s: closed to %s", socket(r), strings.Join(r.Lost, ", ")), "")
	}
	if more > 0 {
		v.Wrap(fmt.Sprintf("and %d more: the full view shows them", more), "  ", "  ", canvas.Dim)
	}
	if g == diff.Listeners && v.firewallOff() {
		v.Wrap("Without the firewall packets from everyone arrive at every listener; sbcd alone drops those of strangers.", "  ", "  ", canvas.Red)
	}
	if len(gained) > 0 {
		v.Wrap("Who can now reach what:", "  ", "  ", canvas.Bold)
		for _, r := range gained {
			v.Wrap(socket(r), "    ", "      ", "")
			if len(r.Gained) > 0 {
				v.Wrap("+ "+strings.Join(r.Gained, ", "), "      ", "        ", canvas.Yellow)
			}
			if len(r.Lost) > 0 {
				v.Wrap("- "+strings.Join(r.Lost, ", "), "      ", "        ", canvas.Red)
			}
		}
	}
}

// firewallOff reports whether the change turns the firewall off.
func (v *view) firewallOff() bool {
	for _, c := range v.d.Changes {
		if c.Path == "firewall.enabled" {
			return c.After == false
		}
	}
	return false
}

func socket(r diff.Reach) string { return r.Listener + " " + r.Socket }

var marks = map[string]string{diff.Add: "+", diff.Remove: "-", diff.Modify: "~"}

func (v *view) change(c diff.Change) {
	what := c.Object
	switch {
	case c.Field == "":
		if c.Summary != "" {
			what += ": " + c.Summary
		}
	default:
		if what != "" {
			what += " "
		}
		what += c.Field + ": " + step(c, v.o.Full)
	}
	mark := marks[c.Action]
	if c.Group == diff.Removals {
		mark = "-"
	}
	v.line(c.Impact, mark, what, c.How)
}

// line is one change: impact, mark, text; in the full view with how it is taken up.
func (v *view) line(i diff.Impact, mark, text, how string) {
	word := string(i)
	if i == diff.None {
		word = ""
	}
	code := map[string]string{"+": canvas.Green, "-": canvas.Red}[mark]
	v.Wrap(text, fmt.Sprintf("  %-7s  %s ", word, mark), strings.Repeat(" ", 13), code)
	if v.o.Full && how != "" && i != diff.None {
		v.Wrap(how, strings.Repeat(" ", 13), strings.Repeat(" ", 13), canvas.Dim)
	}
}

func (v *view) ceilings() {
	list := v.d.Ceilings
	if len(list) == 0 {
		return
	}
	v.Title("Ceilings")
	more := 0
	if !v.o.Full && len(list) > shortCeilings {
		more = len(list) - shortCeilings
		list = list[:shortCeilings]
	}
	rows := [][]string{{"resource", "before", "after"}}
	at := func(value, head float64, axis string) string {
		if value == 0 && head == 0 {
			return "none"
		}
		unit := " calls/s"
		if axis == sizing.AxisConcurrent {
			unit = " calls"
		}
		return fmt.Sprintf("%s%s (%.2fx)", sizing.Count(value), unit, head)
	}
	for _, c := range list {
		rows = append(rows, []string{c.Resource, at(c.Before, c.HeadroomBefore, c.Axis), at(c.After, c.HeadroomAfter, c.Axis)})
	}
	v.table(rows)
	if more > 0 {
		v.Wrap(fmt.Sprintf("and %d more with more headroom", more), "  ", "  ", canvas.Dim)
	}
}

func (v *view) findings() {
	f := v.d.Findings
	if len(f.New)+len(f.Resolved) == 0 {
		return
	}
	v.Title("Findings")
	show := func(mark string, list []diff.Finding, detail bool) {
		for _, x := range list {
			at := ""
			if x.At != "" && detail {
				at = " (" + x.At + ")"
			}
			v.Wrap(fmt.Sprintf("%s %s: %s%s", mark, x.Severity, x.Summary, at), "  ", "    ", severity(x.Severity, detail))
			if detail {
				v.Wrap(x.Detail, "    ", "    ", "")
			}
		}
	}
	show("+", f.New, true)
	show("- no longer,", f.Resolved, false)
}

func (v *view) files() {
	var shown []diff.FileChange
	same := 0
	for _, f := range v.d.Files {
		if f.DigestOnly {
			same++
			continue
		}
		shown = append(shown, f)
	}
	if len(v.d.Files) == 0 {
		return
	}
	v.Title("Files of the config layer")
	for _, f := range shown {
		text := "/" + f.Path
		if v.o.Full {
			text += "  " + digests(f)
		}
		v.line(f.Impact, marks[f.Action], text, f.How)
		if v.o.Full {
			for l := range strings.Lines(f.Lines) {
				code := map[byte]string{'+': canvas.Green, '-': canvas.Red, '@': canvas.Dim}[l[0]]
				v.WriteString("      " + v.Paint(strings.TrimRight(l, "\n"), code) + "\n")
			}
		}
	}
	if same > 0 {
		v.Wrap(canvas.Plural(same, "file")+" more: only the spec digest in the head", "  ", "  ", canvas.Dim)
	}
}

func digests(f diff.FileChange) string {
	before, after := "none", "none"
	if f.Before != "" {
		before = canvas.Digest(f.Before)
	}
	if f.After != "" {
		after = canvas.Digest(f.After)
	}
	return before + " -> " + after
}
