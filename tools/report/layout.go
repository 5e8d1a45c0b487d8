package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"trunkline/appliance/sizing"
)

// ANSI colours; empty means none.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

func severity(s string) string {
	switch s {
	case sizing.SeverityError:
		return red
	case sizing.SeverityWarning:
		return yellow
	}
	return dim
}

func (v *view) paint(s, code string) string {
	if !v.o.Color || code == "" || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (v *view) title(s string) {
	v.b.WriteString("\n" + v.paint(s, bold) + "\n")
}

// wrap writes s in lines of the view's width. A word longer than a line gets a
// line of its own: file names and addresses stay whole.
func (v *view) wrap(s, first, rest, code string) {
	line, indent := "", first
	flush := func() {
		v.b.WriteString(indent + v.paint(line, code) + "\n")
		line, indent = "", rest
	}
	for _, w := range strings.Fields(s) {
		if line != "" && len(indent)+utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > v.o.Width {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	flush()
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
			code = dim
		}
		if last := len(r) - 1; utf8.RuneCountInString(line) > v.o.Width && !cols[last].right {
			v.broken(width, r, code)
			continue
		}
		v.b.WriteString(v.paint(line, code) + "\n")
	}
}

// broken writes a row that does not fit: first cell, then the others below it.
func (v *view) broken(width []int, r []string, code string) {
	v.wrap(r[0], "  ", "    ", code)
	for _, c := range r[1:] {
		if c != "" {
			v.wrap(c, "      ", "        ", code)
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

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", sizing.Count(float64(n)), what)
}

func whole(v float64) string { return sizing.Count(v) }

// short cuts a digest for the eye.
func short(digest string) string {
	const prefix = "sha256:"
	if h, ok := strings.CutPrefix(digest, prefix); ok && len(h) > 12 {
		return prefix + h[:12]
	}
	return digest
}

func free(b *sizing.Budget) float64 {
	if len(b.Memory) == 0 {
		return 0
	}
	return b.Memory[len(b.Memory)-1].Bytes.Value
}

// Rate is the planned call rate, which the offered load was computed from.
func Rate(b *sizing.Budget) string {
	for _, in := range b.OfferedCalls.Inputs {
		if in.Unit == "calls/s" {
			return sizing.Count(in.Value) + " calls/s"
		}
	}
	return "load"
}
