package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/partition/gpt"

	"trunkline/image/fat"
	"trunkline/image/iso"
	"trunkline/image/qcow2"
)

// Format is how the contents of a disk lie in a file.
type Format string

// Formats.
const (
	Raw   Format = "raw"   // byte for byte
	QCOW2 Format = "qcow2" // as QEMU writes it
	ISO   Format = "iso"   // a CD-ROM whose boot image is the EFI system partition
)

// FormatOf tells a file's format by its contents; empty: it is no disk.
func FormatOf(r io.ReaderAt) Format {
	var table [8]byte
	_, err := r.ReadAt(table[:], sectorSize)
	switch {
	case qcow2.Is(r):
		return QCOW2
	case err == nil && string(table[:]) == "EFI PART":
		return Raw
	case iso.Is(r):
		return ISO
	}
	return ""
}

// contents is what a machine would read of a disk.
type contents struct {
	*io.SectionReader
	f      *os.File
	format Format
}

func (c contents) Stat() (fs.FileInfo, error) { return c.f.Stat() }
func (c contents) Close() error               { return c.f.Close() }

func openContents(name string) (contents, error) {
	f, err := os.Open(name)
	if err != nil {
		return contents{}, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return contents{}, err
	}
	c := contents{SectionReader: io.NewSectionReader(f, 0, info.Size()), f: f, format: FormatOf(f)}
	if c.format == QCOW2 {
		q, err := qcow2.Open(f)
		if err != nil {
			_ = f.Close()
			return contents{}, fmt.Errorf("%s: %w", name, err)
		}
		c.SectionReader = io.NewSectionReader(q, 0, q.Size())
	}
	return c, nil
}

// esp is the EFI system partition of an open disk.
type esp struct {
	*fat.Volume
	contents
	start, size int64 // within the contents
}

// again is what helps against a damaged file.
const again = "copy the image again, or build it again"

// openESP opens the EFI system partition of a disk of any format. The caller closes it.
func openESP(name string) (*esp, error) {
	c, err := openContents(name)
	if err != nil {
		return nil, err
	}
	e := &esp{contents: c}
	if err := e.open(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("%s%w: %s", name, err, again)
	}
	return e, nil
}

// Close closes the file.
func (e *esp) Close() error { return e.contents.Close() }

// open finds the partition. Errors go on after the name of the file.
func (e *esp) open() (err error) {
	if e.format == ISO {
		if e.start, e.size, err = iso.BootImage(e.contents); err != nil {
			return fmt.Errorf(": %w", err)
		}
	} else if err = e.partition(); err != nil {
		return err
	}
	if e.size <= 0 || e.size > maxESP {
		return fmt.Errorf(": an EFI system partition of %d bytes is not read", e.size)
	}
	if end := e.start + e.size; end > e.SectionReader.Size() {
		return fmt.Errorf(" is cut off: its EFI system partition ends at byte %d, the disk at %d", end, e.SectionReader.Size())
	}
	if e.Volume, err = fat.Open(io.NewSectionReader(e.contents, e.start, e.size), e.size); err != nil {
		return fmt.Errorf(": EFI system partition: %w", err)
	}
	return nil
}

// partition finds the EFI system partition in a GUID partition table.
func (e *esp) partition() error {
	if err := boundTables(e.SectionReader); err != nil {
		return fmt.Errorf(" is no disk with a GUID partition table: %w", err)
	}
	table, err := gpt.Read(e.contents, sectorSize, sectorSize)
	if err != nil {
		return fmt.Errorf(" is no disk with a GUID partition table: %w", err)
	}
	i := slices.IndexFunc(table.Partitions, func(p *gpt.Partition) bool { return p.Type == gpt.EFISystemPartition })
	if i < 0 {
		return errors.New(" has no EFI system partition")
	}
	const sectors = math.MaxInt64 / sectorSize
	p := table.Partitions[i]
	if p.Start > p.End || p.End >= sectors {
		return fmt.Errorf(": GUID partition table: an EFI system partition from sector %d to %d", p.Start, p.End)
	}
	e.start, e.size = int64(p.Start)*sectorSize, int64(p.End-p.Start+1)*sectorSize
	return nil
}

// boundTables refuses headers of a GUID partition table, of the first or the backup, with more
// entries than any disk has: go-diskfs 1.9.4 takes as much memory as they say before it looks at
// the table (UEFI 5.3.2; 128 entries of 128 bytes are usual).
func boundTables(r *io.SectionReader) error {
	const most, entry = 1024, 128
	for _, at := range []int64{sectorSize, (r.Size()/sectorSize - 1) * sectorSize} {
		var h [sectorSize]byte
		if _, err := r.ReadAt(h[:], max(at, 0)); err != nil || string(h[:8]) != "EFI PART" {
			continue // gpt.Read says so, or reads the other one
		}
		if n, size := binary.LittleEndian.Uint32(h[80:]), binary.LittleEndian.Uint32(h[84:]); n > most || size != entry {
			return fmt.Errorf("its header at byte %d has %d entries of %d bytes", at, n, size)
		}
	}
	return nil
}
