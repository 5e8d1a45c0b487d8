package debian

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	arMagic      = "!<arch>\n"
	arHeaderSize = 60
	maxArMembers = 16 // a .deb has three
)

// arMember is one member of an ar archive.
type arMember struct {
	name   string
	offset int64
	size   int64
	r      io.ReaderAt
}

// reader reads the member from its start.
func (m arMember) reader() io.Reader {
	return bufio.NewReaderSize(io.NewSectionReader(m.r, m.offset, m.size), 64<<10)
}

// readAr lists the members of a common-format ar archive. Only what deb(5) uses
// is known: short names, no symbol tables.
func readAr(r io.ReaderAt, size int64) ([]arMember, error) {
	magic := make([]byte, len(arMagic))
	if _, err := r.ReadAt(magic, 0); err != nil || string(magic) != arMagic {
		return nil, errors.New("not an ar archive")
	}
	var out []arMember
	for at := int64(len(arMagic)); at < size; {
		if size-at < arHeaderSize {
			return nil, fmt.Errorf("ar: %d stray bytes at the end", size-at)
		}
		var h [arHeaderSize]byte
		if _, err := r.ReadAt(h[:], at); err != nil {
			return nil, fmt.Errorf("ar: header at %d: %w", at, err)
		}
		if string(h[58:60]) != "`\n" {
			return nil, fmt.Errorf("ar: no member header at %d", at)
		}
		n, err := strconv.ParseUint(strings.TrimRight(string(h[48:58]), " "), 10, 62)
		if err != nil {
			return nil, fmt.Errorf("ar: size of the member at %d: %w", at, err)
		}
		at += arHeaderSize
		if int64(n) > size-at {
			return nil, fmt.Errorf("ar: the member at %d is cut short", at)
		}
		if len(out) == maxArMembers {
			return nil, fmt.Errorf("ar: more than %d members", maxArMembers)
		}
		name := strings.TrimSuffix(strings.TrimRight(string(h[0:16]), " "), "/")
		out = append(out, arMember{name: name, offset: at, size: int64(n), r: r})
		at += int64(n) + int64(n)%2 // members start at even offsets
	}
	return out, nil
}
