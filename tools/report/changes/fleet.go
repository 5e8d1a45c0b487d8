package changes

import (
	"io"
	"strings"

	"trunkline/appliance/plan/diff"
	"trunkline/tools/report/canvas"
)

// Fleet writes what differs between two fleets: appliances that went first, then
// one line for each that changed; in the full view all of each.
func Fleet(w io.Writer, f *diff.Fleet, o Options) error {
	if o.Width < 60 {
		o.Width = 80
	}
	v := &view{Canvas: canvas.Canvas{Width: o.Width, Color: o.Color}, o: o}
	var changed []*diff.Diff
	for _, d := range f.Appliances {
		if d.Changed {
			changed = append(changed, d)
		}
	}
	if f.Changed {
		v.WriteString(v.Paint(FleetHeadline(f)+".", canvas.Bold) + "\n")
	} else {
		v.Wrap(FleetHeadline(f)+".", "", "  ", canvas.Green)
	}
	for _, name := range f.Removed {
		v.Wrap("- "+name+": the appliance is there no more", "  ", "    ", canvas.Red)
	}
	for _, name := range f.Added {
		v.Wrap("+ "+name+": a new appliance", "  ", "    ", canvas.Green)
	}
	if !o.Full {
		rows := [][]string{}
		for _, d := range changed {
			what := Tally(d)
			if d.After.Errored {
				what += ", cannot be built"
			}
			rows = append(rows, []string{"~ " + d.After.Appliance, string(d.Impact), what})
		}
		v.table(rows)
		if len(changed) > 0 {
			v.Wrap("One of them in full: -appliance NAME; all of them: -full", "", "", canvas.Dim)
		}
	}
	if _, err := io.WriteString(w, v.String()); err != nil {
		return err
	}
	if !o.Full {
		return nil
	}
	for _, d := range changed {
		if _, err := io.WriteString(w, "\n"+v.Paint("== "+d.After.Appliance+" "+strings.Repeat("=", max(o.Width-len(d.After.Appliance)-4, 4)), canvas.Bold)+"\n\n"); err != nil {
			return err
		}
		if err := Text(w, d, o); err != nil {
			return err
		}
	}
	return nil
}
