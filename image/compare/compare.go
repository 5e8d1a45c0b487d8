// Package compare says where two outputs of a build first differ: in which file, at
// which byte, and, inside of images, in which partition, section, archive and file.
//
// It promises: nil exactly when every file of both sides has the same path,
// permission bits and bytes. What is named inside a file is its first part that
// differs by itself: a checksum or an identity that only follows from other bytes
// is named when nothing else differs. Formats it cannot take apart end the descent,
// never the comparison. Offsets and sizes are bytes, offsets count from 0.
//
// Formats read: UEFI GPT and FAT32 (raw disks), PE32+ (unified kernel images, UAPI.5),
// RFC 8878 (zstd) and newc cpio (initrd), erofs.
package compare

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Difference is the first one between two directories.
type Difference struct {
	// File is the path below both directories, with slashes. Bills of material and
	// provenance come last: they differ when the image does.
	File   string   `json:"file"`
	Offset int64    `json:"offset"`           // of the first byte that differs; -1: Detail says what does
	Detail string   `json:"detail,omitempty"` // in words
	Inside []Part   `json:"inside,omitempty"` // parts of the file that byte lies in, from the outermost
	Others []string `json:"others,omitempty"` // further files that differ, sorted
}

// Part is one member of a container: a section, an archive, a file.
type Part struct {
	Name   string `json:"name"`
	Offset int64  `json:"offset"` // of the first byte in it that differs; -1: Detail says what does
	Detail string `json:"detail,omitempty"`
}

// Dirs compares all regular files below two directories. Directories themselves do
// not count; whatever else lies there (a link, a device) is an error.
func Dirs(a, b string) (*Difference, error) {
	x, err := list(a)
	if err != nil {
		return nil, err
	}
	y, err := list(b)
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(x))
	for p := range x {
		paths = append(paths, p)
	}
	for p := range y {
		if _, both := x[p]; !both {
			paths = append(paths, p)
		}
	}
	slices.SortFunc(paths, func(a, b string) int {
		if x, y := follows(a), follows(b); x != y {
			return cmp.Compare(x, y)
		}
		return strings.Compare(a, b)
	})
	var first *Difference
	for _, p := range paths {
		d, err := one(p, filepath.Join(a, p), filepath.Join(b, p), x, y)
		if err != nil {
			return nil, err
		}
		switch {
		case d == nil:
		case first == nil:
			first = d
		default:
			first.Others = append(first.Others, d.File)
		}
	}
	if first != nil {
		slices.Sort(first.Others)
	}
	if first != nil && first.Offset >= 0 {
		first.Inside = inside(filepath.Join(a, first.File), filepath.Join(b, first.File), first.Offset)
	}
	return first, nil
}

// follows is 1 for what a build writes about an image, which differs when the image
// does, and 0 for all else.
func follows(path string) int {
	for _, ending := range []string{".spdx.json", ".cdx.json", ".provenance.json"} {
		if strings.HasSuffix(path, ending) {
			return 1
		}
	}
	return 0
}

// list finds the files below a directory: path -> permission bits.
func list(dir string) (map[string]fs.FileMode, error) {
	out := map[string]fs.FileMode{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a directory: a build makes nothing else", p)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(rel)] = info.Mode().Perm()
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	return out, nil
}

// one compares the file at path p of both sides.
func one(p, a, b string, x, y map[string]fs.FileMode) (*Difference, error) {
	m, inA := x[p]
	n, inB := y[p]
	switch {
	case !inB:
		return &Difference{File: p, Offset: -1, Detail: "only the first build wrote it"}, nil
	case !inA:
		return &Difference{File: p, Offset: -1, Detail: "only the second build wrote it"}, nil
	}
	offset, detail, err := files(a, b)
	if err != nil {
		return nil, fmt.Errorf("comparing %s: %w", p, err)
	}
	switch {
	case offset >= 0:
		return &Difference{File: p, Offset: offset, Detail: detail}, nil
	case m != n:
		return &Difference{File: p, Offset: -1, Detail: fmt.Sprintf("permission bits %04o and %04o", m, n)}, nil
	}
	return nil, nil
}

// files finds the first byte at which two files differ; -1: nowhere.
func files(a, b string) (int64, string, error) {
	f, err := os.Open(a)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() //nolint:errcheck // read only
	g, err := os.Open(b)
	if err != nil {
		return 0, "", err
	}
	defer g.Close() //nolint:errcheck // read only
	const block = 1 << 20
	r, s := bufio.NewReaderSize(f, block), bufio.NewReaderSize(g, block)
	for at := int64(0); ; {
		p, err := r.Peek(block)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, "", err
		}
		q, err := s.Peek(block)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, "", err
		}
		if i := first(p, q); i >= 0 {
			return at + int64(i), values(p, q, i), nil
		}
		if len(p) == 0 {
			return -1, "", nil
		}
		at += int64(len(p))
		if _, err := r.Discard(len(p)); err != nil {
			return 0, "", err
		}
		if _, err := s.Discard(len(q)); err != nil {
			return 0, "", err
		}
	}
}

// first is the index of the first byte that differs, the shorter length when one
// begins the other, -1 when they are equal.
func first(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// values says what stands at the first byte that differs, index i: the line in a
// text, else the byte.
func values(a, b []byte, i int) string {
	switch {
	case i >= len(a):
		return "the first ends there"
	case i >= len(b):
		return "the second ends there"
	}
	begin := bytes.LastIndexByte(a[:i], '\n') + 1
	if l, m := line(a[begin:]), line(b[begin:]); l != "" && m != "" {
		return fmt.Sprintf("%q and %q", l, m)
	}
	return fmt.Sprintf("%#02x and %#02x", a[i], b[i])
}

// line is what a text begins with, up to the end of its line; empty when it is
// none, or too long to show.
func line(b []byte) string {
	const longest = 120
	l, _, found := bytes.Cut(b[:min(len(b), longest)], []byte("\n"))
	if !found || bytes.ContainsFunc(l, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }) {
		return ""
	}
	return strings.TrimSpace(string(l))
}
