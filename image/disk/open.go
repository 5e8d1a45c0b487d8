package disk

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"

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
	*fat32.FileSystem
	contents
	start, size int64 // within the contents
}

// openESP opens the EFI system partition of a disk of any format. The caller closes it.
func openESP(name string) (*esp, error) {
	c, err := openContents(name)
	if err != nil {
		return nil, err
	}
	e := &esp{contents: c}
	if err := e.open(); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("%s%w", name, err)
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
	} else {
		table, err := gpt.Read(e.contents, sectorSize, sectorSize)
		if err != nil {
			return fmt.Errorf(" is no disk with a GUID partition table: %w", err)
		}
		i := slices.IndexFunc(table.Partitions, func(p *gpt.Partition) bool { return p.Type == gpt.EFISystemPartition })
		if i < 0 {
			return fmt.Errorf(" has no EFI system partition")
		}
		p := table.Partitions[i]
		e.start, e.size = int64(p.Start)*sectorSize, (int64(p.End)-int64(p.Start)+1)*sectorSize
	}
	if e.size <= 0 || e.size > maxESP {
		return fmt.Errorf(": an EFI system partition of %d bytes is not read", e.size)
	}
	if e.FileSystem, err = fat32.Read(file.New(e.contents, true), e.size, e.start, sectorSize); err != nil {
		return fmt.Errorf(": EFI system partition: %w", err)
	}
	return nil
}
