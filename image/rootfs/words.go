package rootfs

import (
	"fmt"
	"io/fs"
	"strings"
)

// words splits a line of sysusers.d or tmpfiles.d: blanks separate, quotes hold
// together, '#' at the start is a comment.
func words(line string) ([]string, error) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return nil, nil
	}
	var out []string
	for line != "" {
		var w string
		if q := line[0]; q == '"' || q == '\'' {
			end := strings.IndexByte(line[1:], q)
			if end < 0 {
				return nil, fmt.Errorf("%s: the quote is not closed", line)
			}
			w, line = line[1:1+end], line[2+end:]
		} else if i := strings.IndexAny(line, " \t"); i < 0 {
			w, line = line, ""
		} else {
			w, line = line[:i], line[i:]
		}
		out = append(out, w)
		line = strings.TrimLeft(line, " \t")
	}
	return out, nil
}

func fsMode(m uint32) fs.FileMode { return fs.FileMode(m) & fs.ModePerm }
