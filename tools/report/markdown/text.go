package markdown

import (
	"html"
	"strings"
	"unicode/utf8"

	"trunkline/appliance/sizing"
)

// escaper keeps text from being markup. An at sign would notify a stranger, a
// hash sign with digits link to an issue; code hosts look for both in the rendered
// page, where an entity is the character again (github/cmark-gfm issue 181): a
// space of no width keeps them apart from what follows. The first character of
// what would become a link goes as an entity: links are made of the source.
var escaper = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "@&#8203;", "#", "#&#8203;",
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`, "$", `\$`,
	"://", "&#58;//", "www.", "www&#46;",
)

// escape makes s one line of plain text.
func escape(s string) string { return escaper.Replace(strings.Join(strings.Fields(s), " ")) }

// escapeHTML does the same for text within an HTML element, where Markdown is not
// read.
func escapeHTML(s string) string {
	return strings.NewReplacer("&#", "&#", "@", "@&#8203;", "#", "#&#8203;").Replace(html.EscapeString(strings.Join(strings.Fields(s), " ")))
}

// code makes s a code span, in a fence longer than any within.
func code(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	fence := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// cell makes s a code span within a table, where a bar would end the cell: GFM
// takes the backslash away even within code (GFM spec, tables).
func cell(s string) string { return strings.ReplaceAll(code(s), "|", `\|`) }

// block makes s a fenced block.
func block(lang, s string) string {
	fence := strings.Repeat("`", max(3, longestRun(s)+1))
	return fence + lang + "\n" + strings.TrimRight(s, "\n") + "\n" + fence + "\n"
}

// longestRun is the longest run of backticks in s.
func longestRun(s string) int {
	most, run := 0, 0
	for _, r := range s {
		if r == '`' {
			run++
			most = max(most, run)
		} else {
			run = 0
		}
	}
	return most
}

// shorten cuts s to n bytes, never within a character or what escape made of one.
func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	s = s[:n]
	for len(s) > 0 && !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	if i := strings.LastIndexByte(s, ' '); i > n/2 {
		s = s[:i]
	} else {
		if i := strings.LastIndexByte(s, '&'); i >= 0 && !strings.Contains(s[i:], ";") {
			s = s[:i]
		}
		s = strings.TrimRight(s, `\`)
	}
	return s + " ..."
}

// table renders rows below a head; columns whose head starts with ">" align right.
// Cells are markup already.
func table(head []string, rows [][]string) string {
	if len(rows) == 0 {
		return ""
	}
	var b strings.Builder
	line := func(cells []string) { b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }
	names, marks := make([]string, len(head)), make([]string, len(head))
	for i, h := range head {
		name, right := strings.CutPrefix(h, ">")
		names[i], marks[i] = name, "---"
		if right {
			marks[i] = "---:"
		}
	}
	line(names)
	line(marks)
	for _, r := range rows {
		line(r)
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return sizing.Count(float64(n)) + " " + what + "s"
}

// digest cuts a digest for the eye; it is shown in a code span.
func digest(s string) string {
	s = strings.ReplaceAll(s, "`", "")
	return s[:min(len(s), len("sha256:")+12)]
}
