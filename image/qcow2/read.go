package qcow2

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// Reader reads the disk in an image. It may be used by several goroutines.
type Reader struct {
	r    io.ReaderAt
	bits uint32
	size int64
	l1   []uint64

	mu sync.Mutex
	at uint64   // offset of the L2 table that is held
	l2 []uint64 // nil: none
}

// Is reports whether a file begins as an image does.
func Is(r io.ReaderAt) bool {
	var head [4]byte
	_, err := r.ReadAt(head[:], 0)
	return err == nil && be.Uint32(head[:]) == magic
}

// Limits of what is read: far above ours, far below what would harm.
const (
	maxSize = 1 << 42
	maxL1   = 1 << 20
)

// Open reads the header and the first table of an image.
func Open(r io.ReaderAt) (*Reader, error) {
	q, err := open(r)
	if err != nil {
		return nil, fmt.Errorf("qcow2: %w", err)
	}
	return q, nil
}

func open(r io.ReaderAt) (*Reader, error) {
	var h [headerLength]byte
	if n, err := r.ReadAt(h[:], 0); n < len(h) {
		return nil, fmt.Errorf("header: %w", err)
	}
	const convert = "; `qemu-img convert -O qcow2` makes one that stands for itself"
	bits := be.Uint32(h[hdrClusterBits:])
	size := be.Uint64(h[hdrSize:])
	entries := uint64(be.Uint32(h[hdrL1Size:]))
	switch {
	case be.Uint32(h[:]) != magic:
		return nil, errors.New("not a qcow2 image")
	case be.Uint32(h[hdrVersion:]) != version:
		return nil, fmt.Errorf("version %d, and 3 is read%s", be.Uint32(h[hdrVersion:]), convert)
	case be.Uint64(h[hdrBacking:]) != 0:
		return nil, errors.New("the image changes another file (backing file)" + convert)
	case be.Uint32(h[hdrCrypt:]) != 0:
		return nil, errors.New("the image is encrypted" + convert)
	case be.Uint64(h[hdrIncompatible:]) != 0:
		return nil, fmt.Errorf("the image has features %#x that are not read%s", be.Uint64(h[hdrIncompatible:]), convert)
	case bits < 9 || bits > 21:
		return nil, fmt.Errorf("clusters of 2^%d bytes", bits)
	case size == 0 || size > maxSize:
		return nil, fmt.Errorf("a disk of %d bytes", size)
	}
	perL2 := uint64(1) << (bits - 3) // entries
	if need := (size + perL2<<bits - 1) / (perL2 << bits); entries < need || entries > maxL1 {
		return nil, fmt.Errorf("an L1 table of %d entries, %d are needed", entries, need)
	}
	l1, err := readTable(r, be.Uint64(h[hdrL1Offset:]), entries)
	if err != nil {
		return nil, fmt.Errorf("L1 table: %w", err)
	}
	return &Reader{r: r, bits: bits, size: int64(size), l1: l1}, nil
}

// Size is that of the disk.
func (q *Reader) Size() int64 { return q.size }

func readTable(r io.ReaderAt, at, entries uint64) ([]uint64, error) {
	b := make([]byte, entries*entrySize)
	if n, err := r.ReadAt(b, int64(at&offsetMask)); n < len(b) {
		return nil, noEOF(err)
	}
	out := make([]uint64, entries)
	for i := range out {
		out[i] = be.Uint64(b[i*entrySize:])
	}
	return out, nil
}

// noEOF: the end of a file is no end where there must be something.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ReadAt implements io.ReaderAt over the disk.
func (q *Reader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("qcow2: negative offset")
	}
	done := 0
	for done < len(b) {
		at := off + int64(done)
		if at >= q.size {
			return done, io.EOF
		}
		within := uint64(at) & (1<<q.bits - 1)
		n := int(min(uint64(len(b)-done), 1<<q.bits-within, uint64(q.size-at)))
		if err := q.read(b[done:done+n], uint64(at)>>q.bits, within); err != nil {
			return done, fmt.Errorf("qcow2: cluster at byte %d: %w", uint64(at)-within, err)
		}
		done += n
	}
	return done, nil
}

// read fills b from within one cluster of the disk.
func (q *Reader) read(b []byte, c, within uint64) error {
	entry, err := q.entry(c)
	switch {
	case err != nil:
		return err
	case entry&compressed != 0:
		return errors.New("it is compressed; `qemu-img convert -O qcow2` makes an image without compression")
	case entry&offsetMask == 0 || entry&zero != 0:
		clear(b)
		return nil
	}
	n, err := q.r.ReadAt(b, int64(entry&offsetMask+within))
	if n < len(b) {
		return noEOF(err)
	}
	return nil
}

// entry is the L2 entry of a cluster.
func (q *Reader) entry(c uint64) (uint64, error) {
	perL2 := uint64(1) << (q.bits - 3)
	at := q.l1[c/perL2] & offsetMask
	if at == 0 {
		return 0, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.l2 == nil || q.at != at {
		l2, err := readTable(q.r, at, perL2)
		if err != nil {
			return 0, fmt.Errorf("L2 table: %w", err)
		}
		q.l2, q.at = l2, at
	}
	return q.l2[c%perL2], nil
}
