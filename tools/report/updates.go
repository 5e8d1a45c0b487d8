package report

import (
	"fmt"
	"strings"
	"time"

	"trunkline/appliance/runtime"
)

// updates is where new images come from, and when they are booted.
func updates(u *runtime.Update) Table {
	t := Table{Title: "Updates", Columns: []Column{{"update", false}, {"", false}}}
	if u == nil {
		return t
	}
	row := func(name, value string) { t.Rows = append(t.Rows, []string{name, value}) }
	row("from", u.URL)
	if u.CA != "" {
		row("server known by", "authorities of the spec")
	} else {
		row("server known by", "public authorities")
	}
	row("looked for", fmt.Sprintf("every %s, first %s after the boot", span(u.Interval.D()), span(u.Offset.D())))
	switch u.Reboot {
	case runtime.RebootWindow:
		row("booted", fmt.Sprintf("at %s UTC, in the window %s-%s", u.RebootAt, u.WindowFirst, u.WindowLast))
	case runtime.RebootAtOnce:
		row("booted", "at once, after a drain")
	default:
		row("booted", "when somebody restarts the machine")
	}
	row("tries", fmt.Sprintf("%d boots, then the old image returns", u.Tries))
	return t
}

// span is a duration without zeros at its end: "6h", "17m3s".
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
