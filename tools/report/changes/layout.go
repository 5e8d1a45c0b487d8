package changes

import (
	"strings"
	"unicode/utf8"

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
