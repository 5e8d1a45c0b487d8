package markdown

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"trunkline/appliance/plan/diff"
	"trunkline/tools/report/changes"
)

// DiffFleet writes what differs between two fleets: appliances that went, then a
// line for each that changed, then what changed, told once for all of which the
// same is true.
func DiffFleet(w io.Writer, f *diff.Fleet, o Options) error {
	d := newDoc(o, "diff")
	d.head("fleet", escape(changes.FleetHeadline(f)), "")
	var gone, came []string
	for _, name := range f.Removed {
		gone = append(gone, "- "+code(name)+"\n")
	}
	for _, name := range f.Added {
		came = append(came, "- "+code(name)+"\n")
	}
	d.list("Appliances that are there no more", "removed appliance", gone, 0.6)
	d.list("New appliances", "new appliance", came, 0.8)
	changed := slices.DeleteFunc(slices.Clone(f.Appliances), func(x *diff.Diff) bool { return !x.Changed })
	slices.SortStableFunc(changed, worse)
	d.list("Risks", "risk", fleetRisks(changed), 0.6)
	if rows := fleetRows(changed); len(rows) > 0 {
		head := []string{"appliance", "impact", "changes", "saturates first, after"}
		d.section("Appliances that changed", table(head, fitting(rows, d.room()*2/5, d)))
	}
	for _, g := range alike(changed) {
		d.fold(g.title, g.body)
	}
	end := ""
	if slices.ContainsFunc(changed, func(x *diff.Diff) bool { return x.Today == diff.Reboot }) {
		end = "Today's appliances read their configuration at boot alone: each that changed needs a new image and a reboot."
	}
	return d.write(w, end)
}

// worse puts what cannot be built first, then by removals, then by impact.
func worse(a, b *diff.Diff) int {
	if a.After.Errored != b.After.Errored {
		if a.After.Errored {
			return -1
		}
		return 1
	}
	if n := changes.Removals(b) - changes.Removals(a); n != 0 {
		return n
	}
	return b.Impact.Compare(a.Impact)
}

func fleetRisks(list []*diff.Diff) []string {
	var out []string
	at := map[string]int{}
	names := map[string][]string{}
	for _, x := range list {
		for _, r := range risks(x) {
			if _, known := at[r]; !known {
				at[r] = len(out)
				out = append(out, r)
			}
			names[r] = append(names[r], x.After.Appliance)
		}
	}
	for i, r := range out {
		out[i] = "- " + escape(some(names[r])) + ": " + strings.TrimPrefix(r, "- ")
	}
	return out
}

// some names the first of several appliances.
func some(names []string) string {
	const most = 4
	s := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		s += " and " + plural(more, "other")
	}
	return s
}

func fleetRows(list []*diff.Diff) [][]string {
	var rows [][]string
	for _, x := range list {
		first, _, _ := strings.Cut(strings.TrimPrefix(x.After.Verdict, "Saturates first: "), ". ")
		if x.After.Errored {
			first = "cannot be built; " + first
		}
		rows = append(rows, []string{escape(x.After.Appliance), impact(x.Impact), changes.Tally(x), shorten(escape(first), 200)})
	}
	return rows
}

// fitting are the rows that a table of so many bytes holds; the others are counted.
func fitting(rows [][]string, most int, d *doc) [][]string {
	for n, r := range rows {
		if most -= len(strings.Join(r, " | ")) + len("|  |\n"); most < 0 && n > 0 {
			d.cut = append(d.cut, plural(len(rows)-n, "more appliance"))
			return rows[:n]
		}
	}
	return rows
}

// alike folds the changes of appliances together that read the same.
func alike(list []*diff.Diff) []section {
	var out []section
	names := map[string][]string{}
	var order []string
	first := map[string]*diff.Diff{}
	for _, x := range list {
		d := newDoc(Options{}, "diff")
		d.removals(x, 0.4)
		d.body(x)
		d.section("Files of the config layer", changedFiles(x))
		body := d.b.String()
		if len(d.cut) > 0 {
			body += "Left out for length: " + shorten(strings.Join(d.cut, ", "), 400) + ".\n"
		}
		if first[body] == nil {
			first[body] = x
			order = append(order, body)
		}
		names[body] = append(names[body], x.After.Appliance)
	}
	for _, body := range order {
		x := first[body]
		title := fmt.Sprintf("%s: %s; %s", some(names[body]), changes.Tally(x), changes.Enough[x.Impact])
		out = append(out, section{escapeHTML(title), strings.TrimRight(body, "\n") + "\n"})
	}
	return out
}
