package compare

import (
	"bytes"
	"fmt"
	"os"
	"slices"

	"trunkline/image/uki"
)

// member is one part of a container.
type member struct {
	name  string
	attrs string                 // what it is besides its bytes: mode, owner, time
	data  func() ([]byte, error) // its bytes
}

func held(b []byte) func() ([]byte, error) { return func() ([]byte, error) { return b, nil } }

// inside names the parts of two files that the difference at offset lies in.
func inside(a, b string, offset int64) []Part {
	if x, y := openDisk(a), openDisk(b); x != nil && y != nil {
		if p := members(x.files, y.files); p != nil {
			return p
		}
		return []Part{{Name: x.region(offset), Offset: offset}}
	}
	x, err := os.ReadFile(a)
	if err != nil {
		return nil
	}
	y, err := os.ReadFile(b)
	if err != nil {
		return nil
	}
	return content(x, y)
}

// content names the parts of two byte strings that differ.
func content(a, b []byte) []Part {
	at := int64(first(a, b))
	if at < 0 {
		return nil
	}
	for _, f := range []struct {
		split func([]byte) []member      // nil: not of this format
		rest  func([]byte, int64) string // nil: the next one looks closer
	}{
		{sectionsWithoutDigest, nil},
		{sections, outsideSections},
		{archives, func([]byte, int64) string { return "compression of the archives, or what lies between them" }},
		{cpioFiles, func([]byte, int64) string { return "headers of the archive" }},
		{rootFiles, func([]byte, int64) string { return "layout of the file system" }},
	} {
		x, y := f.split(a), f.split(b)
		if x == nil || y == nil {
			continue
		}
		if p := members(x, y); p != nil {
			return p
		}
		if f.rest != nil {
			return []Part{{Name: f.rest(a, at), Offset: at}}
		}
	}
	return nil
}

// members finds the first member that differs and what of it does; nil: none.
func members(a, b []member) []Part {
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(b):
			return []Part{{a[i].name, -1, "only in the first"}}
		case i >= len(a):
			return []Part{{b[i].name, -1, "only in the second"}}
		case a[i].name != b[i].name:
			if !slices.ContainsFunc(b, func(m member) bool { return m.name == a[i].name }) {
				return []Part{{a[i].name, -1, "only in the first"}}
			}
			if !slices.ContainsFunc(a, func(m member) bool { return m.name == b[i].name }) {
				return []Part{{b[i].name, -1, "only in the second"}}
			}
			return []Part{{a[i].name, -1, "the order differs: the second has " + b[i].name + " there"}}
		}
		x, err := a[i].data()
		if err != nil {
			return []Part{{a[i].name, -1, "cannot be read in the first: " + err.Error()}}
		}
		y, err := b[i].data()
		if err != nil {
			return []Part{{a[i].name, -1, "cannot be read in the second: " + err.Error()}}
		}
		if at := first(x, y); at >= 0 {
			deeper := content(x, y)
			p := Part{Name: a[i].name, Offset: int64(at)}
			if deeper == nil {
				p.Detail = values(x, y, at)
			}
			return append([]Part{p}, deeper...)
		}
		if a[i].attrs != b[i].attrs {
			return []Part{{a[i].name, -1, a[i].attrs + " and " + b[i].attrs}}
		}
	}
	return nil
}

// sections are those of a PE image.
func sections(b []byte) []member {
	if !bytes.HasPrefix(b, []byte("MZ")) {
		return nil
	}
	list, err := uki.Inspect(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	out := make([]member, len(list))
	for i, s := range list {
		out[i] = member{"section " + s.Name, fmt.Sprintf("address %#x", s.Address), held(b[s.Offset : s.Offset+s.Size])}
	}
	return out
}

// sectionsWithoutDigest are those of a PE image without the digest of the image in
// its command line: that follows from all others.
func sectionsWithoutDigest(b []byte) []member {
	out := sections(b)
	for i, m := range out {
		if m.name == "section .cmdline" {
			line, err := m.data()
			if err != nil {
				return nil
			}
			out[i].data = held(uki.WithoutDigest(line))
		}
	}
	return out
}

// outsideSections says what of a PE image lies at an offset that no section differs at.
func outsideSections(b []byte, at int64) string {
	list, err := uki.Inspect(bytes.NewReader(b))
	if err != nil || len(list) == 0 || at < int64(list[0].Offset) {
		return "PE headers"
	}
	const page = 4096
	last := list[len(list)-1]
	if end := (int64(last.Offset) + int64(last.Size) + page - 1) / page * page; at >= end {
		return "what follows the sections (signature)"
	}
	return "padding between the sections"
}
