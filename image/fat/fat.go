// Package fat reads the files of a FAT32 volume, such as an EFI system partition.
//
// It promises: a damaged or hostile volume gives an error that names the place (boot sector, file
// allocation table, directory or file, and cluster) and what is wrong there; there is no panic, no
// endless walk, and no more memory than a small multiple of the volume. What cannot be read is an
// error, never zeros. Files come in the order of their directories.
//
// Volumes are written by go-diskfs. They are not read by it: its 1.9.4 takes a read that failed for
// zeros, and a chain of clusters that is a circle, or shorter than its file, ends in a panic or not
// at all.
//
// Layout: Microsoft "FAT: General Overview of On-Disk Format" 1.03.
package fat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	sectorSize  = 512
	entrySize   = 32      // of a directory
	maxDir      = 2 << 20 // bytes of a directory: 65,536 entries
	maxEntries  = 1 << 16 // files and directories of a volume that are walked
	maxDepth    = 8       // of directories
	slackOfFAT  = 64 << 10
	firstInUse  = 2 // clusters are counted from 2
	clusterMask = 0x0fffffff
	endOfChain  = 0x0ffffff8 // and above
)

// Volume is a FAT32 volume that is read.
type Volume struct {
	r       io.ReaderAt
	size    int64
	table   []byte // the first file allocation table
	cluster int64  // bytes
	data    int64  // where cluster 2 begins
	end     uint32 // the first cluster that is none
	root    uint32
}

var le = binary.LittleEndian

// Open reads the boot sector and the tables of a volume of a size in bytes.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	var b [sectorSize]byte
	if err := readFull(r, b[:], 0, size); err != nil {
		return nil, fmt.Errorf("boot sector: %w", err)
	}
	v := &Volume{r: r, size: size, cluster: int64(b[13]) * sectorSize, root: le.Uint32(b[44:]) & clusterMask}
	reserved, perTable := int64(le.Uint16(b[14:])), int64(le.Uint32(b[36:]))
	table := perTable * sectorSize
	v.data = (reserved + 2*perTable) * sectorSize
	sectors := int64(le.Uint32(b[32:]))
	switch {
	case b[510] != 0x55 || b[511] != 0xaa:
		return nil, errors.New("boot sector: its signature is missing")
	case le.Uint16(b[11:]) != sectorSize:
		return nil, fmt.Errorf("boot sector: sectors of %d bytes, and %d are read", le.Uint16(b[11:]), sectorSize)
	case b[13] == 0 || b[13]&(b[13]-1) != 0:
		return nil, fmt.Errorf("boot sector: clusters of %d sectors", b[13])
	case le.Uint16(b[17:]) != 0 || le.Uint16(b[22:]) != 0 || le.Uint16(b[42:]) != 0:
		return nil, errors.New("boot sector: it is not that of a FAT32 volume")
	case b[16] != 2 || le.Uint16(b[40:])&0x80 != 0:
		return nil, errors.New("boot sector: it does not have two equal file allocation tables")
	case sectors*sectorSize > size:
		return nil, fmt.Errorf("boot sector: a volume of %d bytes in a partition of %d", sectors*sectorSize, size)
	case reserved == 0 || perTable == 0 || v.data >= sectors*sectorSize:
		return nil, fmt.Errorf("boot sector: data from byte %d of a volume of %d", v.data, sectors*sectorSize)
	case table > 8*(size/v.cluster)+slackOfFAT:
		return nil, fmt.Errorf("boot sector: file allocation tables of %d bytes for a volume of %d", table, size)
	}
	v.end = firstInUse + uint32(min((sectors*sectorSize-v.data)/v.cluster, table/4-firstInUse))
	v.table = make([]byte, table)
	second := make([]byte, table)
	if err := readFull(r, v.table, reserved*sectorSize, size); err != nil {
		return nil, fmt.Errorf("file allocation table: %w", err)
	}
	if err := readFull(r, second, reserved*sectorSize+table, size); err != nil {
		return nil, fmt.Errorf("second file allocation table: %w", err)
	}
	if !bytes.Equal(v.table, second) {
		return nil, errors.New("the two file allocation tables are not equal")
	}
	return v, nil
}

// content reads the first n bytes of what begins at a cluster.
func (v *Volume) content(first uint32, n int64) ([]byte, error) {
	if n > v.size {
		return nil, fmt.Errorf("%d bytes, more than the volume of %d has", n, v.size)
	}
	b := make([]byte, 0, n)
	for c := first; int64(len(b)) < n; {
		if c < firstInUse || c >= v.end {
			return nil, fmt.Errorf("cluster %d, of which there is none, after %d of %d bytes", c, len(b), n)
		}
		// Clusters that follow each other are read at once.
		run := v.cluster
		next := v.next(c)
		for last := c; next == last+1 && next < v.end && int64(len(b))+run < n; next = v.next(last) {
			run += v.cluster
			last++
		}
		from := len(b)
		b = b[:min(int64(from)+run, n)]
		if err := readFull(v.r, b[from:], v.data+int64(c-firstInUse)*v.cluster, v.size); err != nil {
			return nil, fmt.Errorf("cluster %d: %w", c, err)
		}
		if int64(len(b)) < n && next >= endOfChain {
			return nil, fmt.Errorf("its clusters end after %d of %d bytes", len(b), n)
		}
		c = next
	}
	return b, nil
}

// chain is the length of what begins at a cluster, bytes, at most a bound.
func (v *Volume) chain(first uint32, most int64) (int64, error) {
	n := int64(0)
	for c := first; ; {
		if c < firstInUse || c >= v.end {
			return 0, fmt.Errorf("cluster %d, of which there is none, after %d bytes", c, n)
		}
		if n += v.cluster; n > most {
			return 0, fmt.Errorf("more than %d bytes, or its clusters form a circle", most)
		}
		if c = v.next(c); c >= endOfChain {
			return n, nil
		}
	}
}

// next is the entry of a cluster in the table. c is below v.end.
func (v *Volume) next(c uint32) uint32 { return le.Uint32(v.table[4*c:]) & clusterMask }

// readFull reads all of b, which must lie within the size.
func readFull(r io.ReaderAt, b []byte, at, size int64) error {
	if at+int64(len(b)) > size {
		return fmt.Errorf("bytes %d to %d of a volume of %d", at, at+int64(len(b)), size)
	}
	n, err := r.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return fmt.Errorf("the file ends within it: %w", io.ErrUnexpectedEOF)
	}
	return err
}
