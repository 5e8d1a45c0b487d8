package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

const (
	plainWidth = 80  // columns, where there is no terminal
	maxWidth   = 120 // prose in longer lines is hard to read
)

// columns is the width of the terminal behind w; 0: none, or it does not tell.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	n, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return n
}

// terminal reports whether w is one on which lines can be drawn anew.
func (a *app) terminal(w io.Writer) bool { return columns(w) > 0 && a.Getenv("TERM") != "dumb" }

// color reports whether w is to be written to in colour.
func (a *app) color(w io.Writer) bool { return a.terminal(w) && a.Getenv("NO_COLOR") == "" }

// width is how many columns of w to fill.
func width(w io.Writer) int {
	if n := columns(w); n > 0 {
		return min(n, maxWidth)
	}
	return plainWidth
}

// paint puts text into an ANSI colour, where w is written to in colour.
func (a *app) paint(w io.Writer, text, code string) string {
	if !a.color(w) {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
