package changes

import (
	"encoding"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"trunkline/appliance/plan/diff"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/canvas"
)

func severity(s string, isNew bool) string {
	switch {
	case !isNew:
		return canvas.Dim
	case s == sizing.SeverityError:
		return canvas.Red
	case s == sizing.SeverityWarning:
		return canvas.Yellow
	}
	return ""
}

// table writes rows in columns; the last one is not padded.
func (v *view) table(rows [][]string) {
	var width []int
	for _, r := range rows {
		for i, c := range r {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, r := range rows {
		line := ""
		for i, c := range r {
			line += "  " + c + strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
		}
		v.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// shortList is how many entries of a list the short view names.
const shortList = 6

// step writes the way from one value to another.
func step(c diff.Change, full bool) string {
	before, isList := c.Before.([]string)
	after, _ := c.After.([]string)
	if !isList || strings.HasPrefix(c.Field, "order of ") {
		return value(c, c.Before) + " -> " + value(c, c.After)
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
	if !full && len(parts) > shortList {
		parts = append(parts[:shortList], fmt.Sprintf("and %d more", len(parts)-shortList))
	}
	return strings.Join(parts, " ")
}

// value writes one value with its unit.
func value(c diff.Change, v any) string {
	var n float64
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
	case int:
		n = float64(v)
	case uint64:
		n = float64(v)
	case float64:
		n = v
	default:
		return fmt.Sprint(v)
	}
	switch {
	case n == 0 && (strings.HasPrefix(c.Path, "limits.") || strings.HasPrefix(c.Path, "firewall.")):
		return "none"
	case c.Unit == "":
		return sizing.Count(n)
	}
	return sizing.Figure{Value: n, Unit: c.Unit}.Format()
}
