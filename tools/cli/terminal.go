package cli

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminal is how to write to a stream.
type terminal struct {
	is    bool // a terminal, on which lines can be drawn anew
	color bool
	width uint // columns
}

const (
	plainWidth = 80
	maxWidth   = 120 // prose in longer lines is hard to read
)

// look finds out what w is.
func look(w io.Writer, getenv func(string) string) terminal {
	t := terminal{width: plainWidth}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return t
	}
	if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
		t.width = min(uint(columns), maxWidth)
	}
	t.is = getenv("TERM") != "dumb"
	t.color = t.is && getenv("NO_COLOR") == ""
	return t
}
