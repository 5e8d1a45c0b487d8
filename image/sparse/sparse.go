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

// bufferSize is what is read at once, bytes.
const bufferSize = 256 << 10

// Sum returns size and SHA-256, in lower-case hexadecimal, of a file.
func Sum(name string) (size int64, digest string, err error) {
	return SumBy(name, func(r io.Reader) (sum [sha256.Size]byte, err error) {
		h := sha256.New()
		_, err = io.CopyBuffer(struct{ io.Writer }{h}, r, make([]byte, bufferSize))
		h.Sum(sum[:0])
		return sum, err
	})
}

// SumBy is Sum by another implementation of SHA-256, which is given the whole file.
func SumBy(name string, sum func(io.Reader) ([sha256.Size]byte, error)) (size int64, digest string, err error) {
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
	got, err := sum(&reader{f: f, ranges: ranges, size: size})
	if err != nil {
		return 0, "", fmt.Errorf("reading %s: %w", name, err)
	}
	return size, hex.EncodeToString(got[:]), nil
}

// reader is a whole file; of holes, nothing is asked of the file system.
type reader struct {
	f        *os.File
	ranges   []Range // those that at has not passed
	at, size int64
}

func (r *reader) Read(b []byte) (int, error) {
	if r.at >= r.size {
		return 0, io.EOF
	}
	for len(r.ranges) > 0 && r.ranges[0].End <= r.at {
		r.ranges = r.ranges[1:]
	}
	end, hole := r.size, true
	if len(r.ranges) > 0 {
		if end = r.ranges[0].Start; end <= r.at {
			end, hole = r.ranges[0].End, false
		}
	}
	b = b[:min(int64(len(b)), end-r.at)]
	n, err := len(b), error(nil)
	if hole {
		clear(b)
	} else if n, err = r.f.ReadAt(b, r.at); n > 0 {
		err = nil // the next call has it
	} else if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	r.at += int64(n)
	return n, err
}
