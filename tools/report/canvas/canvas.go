// Package canvas lays out plain text for a terminal: wrapped paragraphs, titles
// and, when asked, colours. The text views of plans and of changes write on it.
package canvas

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"trunkline/appliance/sizing"
)

// ANSI colours (ECMA-48 SGR); an empty code means none.
const (
	Red    = "31"
	Green  = "32"
	Yellow = "33"
	Bold   = "1"
	Dim    = "2"
)

// Canvas is text being written.
type Canvas struct {
	strings.Builder
	Width int // columns a paragraph may take
	Color bool
}

// Paint colours s, if the canvas has colours.
func (c *Canvas) Paint(s, code string) string {
	if !c.Color || code == "" || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Title begins a section.
func (c *Canvas) Title(s string) { c.WriteString("\n" + c.Paint(s, Bold) + "\n") }

// Wrap writes s in lines of the canvas's width, the first indented by first, the
// others by rest. A word longer than a line gets a line of its own: file names and
// addresses stay whole.
func (c *Canvas) Wrap(s, first, rest, code string) {
	line, indent := "", first
	flush := func() {
		c.WriteString(indent + c.Paint(line, code) + "\n")
		line, indent = "", rest
	}
	for _, w := range strings.Fields(s) {
		if line != "" && len(indent)+utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > c.Width {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += w
	}
	flush()
}

// Plural is "1 worker", "2 workers".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", sizing.Count(float64(n)), what)
}

// Digest cuts a "sha256:" digest for the eye.
func Digest(digest string) string {
	const prefix = "sha256:"
	h, ok := strings.CutPrefix(digest, prefix)
	if h = h[:min(len(h), 12)]; ok {
		return prefix + h
	}
	return h
}
