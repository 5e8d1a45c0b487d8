package changes

import (
	"encoding"
	"fmt"
	"slices"
	"strings"

	"trunkline/appliance/plan/diff"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/canvas"
)

// The words of a diff, for every view of it.

// Enough says what an impact asks for.
var Enough = map[diff.Impact]string{
	diff.None:    "nothing runs differently",
	diff.Live:    "a reload would be enough, no call notices",
	diff.Restart: "a restart of sbcd would be enough",
	diff.Reboot:  "a reboot is needed",
}

// Titles are the headings of the groups of changes.
var Titles = map[diff.Group]string{
	diff.Removals:  "Removals",
	diff.Sizing:    "Sizing",
	diff.Machine:   "Machine",
	diff.Listeners: "Listeners and firewall",
	diff.Calls:     "Dispatchers, routes, limits and timers",
}

// Unguarded is what a firewall turned off means.
const Unguarded = "Without the firewall packets from everyone arrive at every listener; sbcd alone drops those of strangers."

// Headline says in one sentence, without its full stop, how much d changes and
// what that asks for.
func Headline(d *diff.Diff) string {
	name := d.After.Appliance
	if d.Before.Appliance != name {
		name = d.Before.Appliance + " -> " + name
	}
	switch {
	case !d.Changed && d.Before.SpecDigest == d.After.SpecDigest:
		return name + ": no changes"
	case !d.Changed:
		return name + ": no changes. The specs differ in their text alone, such as comments"
	}
	return name + ": " + Tally(d) + "; " + Enough[d.Impact]
}

// Tally counts the changes of d, and the removals among them.
func Tally(d *diff.Diff) string {
	n := len(d.Changes)
	for _, r := range d.Reach {
		n += min(len(r.Lost), 1) // shown among the removals
	}
	line := canvas.Plural(n, "change")
	switch r := Removals(d); {
	case n == 0: // what no field tells of: a table of prefixes, a gateway
		files := 0
		for _, f := range d.Files {
			if !f.DigestOnly {
				files++
			}
		}
		return canvas.Plural(files, "file") + " changed and nothing else"
	case r == n && n == 1:
		line += ", a removal"
	case r == 1:
		line += ", 1 of them a removal"
	case r > 1:
		line += ", " + sizing.Count(float64(r)) + " of them removals"
	}
	return line
}

// Removals counts what is there no more: objects, protection, ways to sockets.
func Removals(d *diff.Diff) int {
	n := 0
	for _, c := range d.Changes {
		if c.Group == diff.Removals {
			n++
		}
	}
	for _, r := range d.Reach {
		n += min(len(r.Lost), 1)
	}
	return n
}

// FleetHeadline is Headline for several appliances.
func FleetHeadline(f *diff.Fleet) string {
	changed, same := 0, 0
	for _, d := range f.Appliances {
		if d.Changed {
			changed++
		} else {
			same++
		}
	}
	if !f.Changed {
		return canvas.Plural(same, "appliance") + ": no changes"
	}
	return fmt.Sprintf("%s changed, %d removed, %d added, %d as they were; of those changed %s",
		canvas.Plural(changed, "appliance"), len(f.Removed), len(f.Added), same, Enough[f.Impact])
}

// Today says what today's appliance needs to take the changes up; empty: nothing.
func Today(d *diff.Diff) string {
	if d.Today != diff.Reboot {
		return ""
	}
	return fmt.Sprintf("Today's appliance reads its configuration at boot alone: build a new image and reboot into it. At the planned load that meets %s being set up, which fail, and %s answered: those go on, but their next request waits until the appliance is ready.",
		canvas.Plural(int(d.Calls.SettingUp), "call"), sizing.Count(d.Calls.Answered))
}

// FirewallOff reports whether the change turns the firewall off.
func FirewallOff(d *diff.Diff) bool {
	for _, c := range d.Changes {
		if c.Path == "firewall.enabled" {
			return c.After == false
		}
	}
	return false
}

// shortList is how many entries of a list the short view names.
const shortList = 6

// What says what changes, and from what to what; of a list at most most entries
// are named, 0 being all.
func What(c diff.Change, most int) string {
	what := Subject(c)
	if c.Field == "" {
		if c.Summary != "" {
			what += ": " + c.Summary
		}
		return what
	}
	return what + ": " + step(c, most)
}

// Subject names what changes: an object, a value of one, or a value of the
// appliance as a whole.
func Subject(c diff.Change) string {
	return strings.TrimSpace(c.Object + " " + c.Field)
}

// step writes the way from one value to another.
func step(c diff.Change, most int) string {
	parts, ok := Moved(c)
	if !ok {
		return Value(c, c.Before) + " -> " + Value(c, c.After)
	}
	if most > 0 && len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(parts)-most))
	}
	return strings.Join(parts, " ")
}

// Moved lists what left a list ("-a") and what joined it ("+b"); false: the change
// is not one of a list whose order says nothing.
func Moved(c diff.Change) ([]string, bool) {
	before, isList := c.Before.([]string)
	after, _ := c.After.([]string)
	if !isList || strings.HasPrefix(c.Field, "order of ") {
		return nil, false
	}
	var parts []string
	for _, s := range before {
		if !slices.Contains(after, s) {
			parts = append(parts, "-"+s)
		}
	}
	for _, s := range after {
		if !slices.Contains(before, s) {
			parts = append(parts, "+"+s)
		}
	}
	return parts, true
}

// Value writes one value of a change with its unit.
func Value(c diff.Change, v any) string {
	n, isNumber := Number(v)
	switch v := v.(type) {
	case nil:
		return "none"
	case []string:
		return strings.Join(v, ", ")
	case string:
		if v == "" {
			return "none"
		}
		return v
	case bool:
		if v {
			return "on"
		}
		return "off"
	case encoding.TextMarshaler:
		b, err := v.MarshalText()
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	}
	switch {
	case !isNumber:
		return fmt.Sprint(v)
	case n == 0 && (strings.HasPrefix(c.Path, "limits.") || strings.HasPrefix(c.Path, "firewall.")):
		return "none"
	case c.Unit == "":
		return sizing.Count(n)
	}
	return sizing.Figure{Value: n, Unit: c.Unit}.Format()
}

// Number is the value of a plain number.
func Number(v any) (float64, bool) {
	switch v := v.(type) {
	case int:
		return float64(v), true
	case uint64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// At writes one side of a ceiling that moved.
func At(value, headroom float64, axis string) string {
	if value == 0 && headroom == 0 {
		return "none"
	}
	unit := " calls/s"
	if axis == sizing.AxisConcurrent {
		unit = " calls"
	}
	return fmt.Sprintf("%s%s (%.2fx)", sizing.Count(value), unit, headroom)
}
