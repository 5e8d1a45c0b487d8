// Package sparse reads files that are mostly holes without reading the holes.
//
// It promises the same bytes, and so the same digests, as reading the whole file;
// where the file system does not tell holes (lseek(2), SEEK_DATA), all of a file
// counts as data. Offsets and sizes are bytes.
package sparse

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Range is a part of a file that may hold something else than zeros.
type Range struct{ Start, End int64 }

// Ranges lists the parts of a file that are no holes, in order. The file's position
// moves.
func Ranges(f *os.File, size int64) ([]Range, error) {
	var out []Range
	for at := int64(0); at < size; {
		start, err := f.Seek(at, unix.SEEK_DATA)
		switch {
		case errors.Is(err, unix.ENXIO): // no data up to the end
			return out, nil
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSUP):
			return []Range{{0, size}}, nil
		case err != nil:
			return nil, fmt.Errorf("looking for the holes of %s: %w", f.Name(), err)
		}
		end, err := f.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return nil, fmt.Errorf("looking for the holes of %s: %w", f.Name(), err)
		}
		if start = min(start, size); start == size {
			return out, nil
		}
		at = min(end, size)
		out = append(out, Range{start, at})
	}
	return out, nil
}

// zeros is what holes read as.
var zeros [256 << 10]byte

// Sum returns size and SHA-256, in lower-case hexadecimal, of a file.
func Sum(name string) (size int64, digest string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	if err != nil {
		return 0, "", err
	}
	size = info.Size()
	ranges, err := Ranges(f, size)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	skip := func(n int64) {
		for ; n > 0; n -= int64(len(zeros)) {
			h.Write(zeros[:min(n, int64(len(zeros)))])
		}
	}
	at := int64(0)
	for _, r := range ranges {
		skip(r.Start - at)
		n, err := io.Copy(h, io.NewSectionReader(f, r.Start, r.End-r.Start))
		if err == nil && n < r.End-r.Start {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, "", fmt.Errorf("reading %s: %w", name, err)
		}
		at = r.End
	}
	skip(size - at)
	return size, hex.EncodeToString(h.Sum(nil)), nil
}
