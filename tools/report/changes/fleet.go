package changes

import (
	"fmt"
	"io"
	"strings"

	"trunkline/appliance/plan/diff"
)

// Fleet writes what differs between two fleets: appliances that went first, then
// one line for each that changed; in the full view all of each.
func Fleet(w io.Writer, f *diff.Fleet, o Options) error {
	if o.Width < 60 {
		o.Width = 80
	}
	v := &view{o: o}
	same := 0
	var changed []*diff.Diff
	for _, d := range f.Appliances {
		if d.Changed {
			changed = append(changed, d)
		} else {
			same++
		}
	}
	if !f.Changed {
		v.wrap(plural(same, "appliance")+": no changes.", "", "  ", green)
	} else {
		v.b.WriteString(v.paint(fmt.Sprintf("%s changed, %d removed, %d added, %d as they were; of those changed %s.",
			plural(len(changed), "appliance"), len(f.Removed), len(f.Added), same, enough[f.Impact]), bold) + "\n")
	}
	for _, name := range f.Removed {
		v.wrap("- "+name+": the appliance is there no more", "  ", "    ", red)
	}
	for _, name := range f.Added {
		v.wrap("+ "+name+": a new appliance", "  ", "    ", green)
	}
	if !o.Full {
		rows := [][]string{}
		for _, d := range changed {
			one := &view{o: o, d: d}
			what := plural(len(d.Changes), "change")
			if n := one.removals(); n > 0 {
				what += ", " + plural(n, "removal")
			}
			if d.After.Errored {
				what += ", cannot be built"
			}
			rows = append(rows, []string{"~ " + d.After.Appliance, string(d.Impact), what})
		}
		v.table(rows)
		if len(changed) > 0 {
			v.wrap("One of them in full: -appliance NAME; all of them: -full", "", "", dim)
		}
	}
	if _, err := io.WriteString(w, v.b.String()); err != nil {
		return err
	}
	if !o.Full {
		return nil
	}
	for _, d := range changed {
		if _, err := io.WriteString(w, "\n"+v.paint("== "+d.After.Appliance+" "+strings.Repeat("=", max(o.Width-len(d.After.Appliance)-4, 4)), bold)+"\n\n"); err != nil {
			return err
		}
		if err := Text(w, d, o); err != nil {
			return err
		}
	}
	return nil
}
