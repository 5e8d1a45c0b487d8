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

func (v *view) head() {
	d := v.d
	if d.Changed { // one line, however long: `head -1` must give all of it
		v.WriteString(v.Paint(Headline(d)+".", canvas.Bold) + "\n")
	} else {
		v.Wrap(Headline(d)+".", "", "  ", canvas.Green)
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
	if text := Today(d); text != "" {
		v.Wrap(text, "", "", "")
	}
	if d.After.Errored {
		v.Wrap("The plan after the change has errors: build refuses it.", "", "", canvas.Red)
	}
}

func (v *view) verdicts() {
	if v.d.Before.Verdict == v.d.After.Verdict {
		return
	}
	v.Title("What saturates first")
	v.Wrap("before: "+strings.TrimPrefix(v.d.Before.Verdict, "Saturates first: "), "  ", "    ", "")
	v.Wrap("after: "+strings.TrimPrefix(v.d.After.Verdict, "Saturates first: "), "  ", "    ", "")
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
	if len(list)+len(lost)+len(gained) == 0 && !(g == diff.Listeners && FirewallOff(v.d)) {
		return
	}
	v.Title(Titles[g])
	more := 0
	if g != diff.Removals && !v.o.Full && len(list) > shortGroup {
		more = len(list) - shortGroup
		list = list[:shortGroup]
	}
	for _, c := range list {
		v.change(c)
	}
	for _, r := range lost {
		v.line(r.Impact, "-", fmt.Sprintf("way to %s: closed to %s", r.Listener+" "+r.Socket, strings.Join(r.Lost, ", ")), "")
	}
	if more > 0 {
		v.Wrap(fmt.Sprintf("and %d more: the full view shows them", more), "  ", "  ", canvas.Dim)
	}
	if g == diff.Listeners && FirewallOff(v.d) {
		v.Wrap(Unguarded, "  ", "  ", canvas.Red)
	}
	if len(gained) > 0 {
		v.Wrap("Who can now reach what:", "  ", "  ", canvas.Bold)
		for _, r := range gained {
			v.Wrap(r.Listener+" "+r.Socket, "    ", "      ", "")
			if len(r.Gained) > 0 {
				v.Wrap("+ "+strings.Join(r.Gained, ", "), "      ", "        ", canvas.Yellow)
			}
			if len(r.Lost) > 0 {
				v.Wrap("- "+strings.Join(r.Lost, ", "), "      ", "        ", canvas.Red)
			}
		}
	}
}

var marks = map[string]string{diff.Add: "+", diff.Remove: "-", diff.Modify: "~"}

func (v *view) change(c diff.Change) {
	most := shortList
	if v.o.Full {
		most = 0
	}
	mark := marks[c.Action]
	if c.Group == diff.Removals {
		mark = "-"
	}
	v.line(c.Impact, mark, What(c, most), c.How)
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
	for _, c := range list {
		rows = append(rows, []string{c.Resource, At(c.Before, c.HeadroomBefore, c.Axis), At(c.After, c.HeadroomAfter, c.Axis)})
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
