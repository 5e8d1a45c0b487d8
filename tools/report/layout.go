package report

import (
	"strings"
	"unicode/utf8"

	"trunkline/appliance/sizing"
	"trunkline/tools/report/canvas"
)

func severity(s string) string {
	switch s {
	case sizing.SeverityError:
		return canvas.Red
	case sizing.SeverityWarning:
		return canvas.Yellow
	}
	return canvas.Dim
}

type column struct{ right bool }

// table writes rows in columns; with head, the first row is a heading. A table
// wider than the view lets its last column run on below.
func (v *view) table(cols []column, rows [][]string, head ...bool) {
	width := make([]int, len(cols))
	for _, r := range rows {
		for i, c := range r {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for n, r := range rows {
		line := ""
		for i, c := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			sep := "  "
			if cols[i].right {
				line += sep + pad + c
			} else {
				line += sep + c + pad
			}
		}
		line = strings.TrimRight(line, " ")
		code := ""
		if n == 0 && len(head) > 0 && head[0] {
			code = canvas.Dim
		}
		if last := len(r) - 1; utf8.RuneCountInString(line) > v.o.Width && !cols[last].right {
			v.broken(width, r, code)
			continue
		}
		v.WriteString(v.Paint(line, code) + "\n")
	}
}

// broken writes a row that does not fit: first cell, then the others below it.
func (v *view) broken(width []int, r []string, code string) {
	v.Wrap(r[0], "  ", "    ", code)
	for _, c := range r[1:] {
		if c != "" {
			v.Wrap(c, "      ", "        ", code)
		}
	}
}

// bar draws a share of the whole, one mark at least for what is not nothing.
func bar(part, total float64, width int) string {
	if width < 10 {
		width = 10
	}
	if !(part > 0 && total > 0) {
		return ""
	}
	return strings.Repeat("#", min(max(1, int(part/total*float64(width)+0.5)), width))
}

func whole(v float64) string { return sizing.Count(v) }

func free(b *sizing.Budget) float64 {
	if len(b.Memory) == 0 {
		return 0
	}
	return b.Memory[len(b.Memory)-1].Bytes.Value
}

// Rate is the planned call rate, which the offered load was computed from.
func Rate(b *sizing.Budget) string {
	if v, ok := CallRate(b); ok {
		return sizing.Count(v) + " calls/s"
	}
	return "load"
}

// CallRate is the planned call rate in calls/s; false: the budget names none.
func CallRate(b *sizing.Budget) (float64, bool) {
	for _, in := range b.OfferedCalls.Inputs {
		if in.Unit == "calls/s" {
			return in.Value, true
		}
	}
	return 0, false
}
