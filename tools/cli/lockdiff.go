package cli

import (
	"fmt"

	"trunkline/appliance/sizing"
	"trunkline/image/debian"
)

// showChanges lists what differs, removals first: they are what a reader must not
// overlook.
func (a *app) showChanges(changes []debian.Change) {
	for _, c := range changes {
		if c.New == "" {
			fmt.Fprintf(a.Stdout, "%s %s %s (%s)\n", a.paint(a.Stdout, "-", "31"), c.Name, c.Old, sizing.Bytes(float64(c.OldSize)))
		}
	}
	for _, c := range changes {
		switch {
		case c.New == "":
		case c.Old == "":
			fmt.Fprintf(a.Stdout, "%s %s %s (%s)\n", a.paint(a.Stdout, "+", "32"), c.Name, c.New, sizing.Bytes(float64(c.NewSize)))
		case c.Old == c.New:
			fmt.Fprintf(a.Stdout, "%s %s %s (same version, other content%s)\n", a.paint(a.Stdout, "~", "33"), c.Name, c.New, grown(", ", c.NewSize-c.OldSize, ""))
		default:
			fmt.Fprintf(a.Stdout, "%s %s %s -> %s%s\n", a.paint(a.Stdout, "~", "33"), c.Name, c.Old, c.New, grown(" (", c.NewSize-c.OldSize, ")"))
		}
	}
}

// grown is a change of size with its sign, between before and after; empty: none.
func grown(before string, bytes int64, after string) string {
	switch {
	case bytes == 0:
		return ""
	case bytes > 0:
		before += "+"
	}
	return before + sizing.Bytes(float64(bytes)) + after
}

// changed counts changes: "1 removed, 2 added, 0 changed, +3 KiB to download".
func changed(changes []debian.Change) string {
	removed, added := 0, 0
	var bytes int64
	for _, c := range changes {
		bytes += c.NewSize - c.OldSize
		switch {
		case c.New == "":
			removed++
		case c.Old == "":
			added++
		}
	}
	return fmt.Sprintf("%d removed, %d added, %d changed%s", removed, added, len(changes)-removed-added, grown(", ", bytes, " to download"))
}
