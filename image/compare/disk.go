package compare

import (
	"fmt"
	"io"
	"os"
	"path"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

const sector = 512

// rawDisk is a disk with a GUID partition table and the files of its first FAT
// partition.
type rawDisk struct {
	files      []member
	start, end int64 // of the partition, bytes
}

// openDisk reads a disk; nil: the file is none.
func openDisk(name string) *rawDisk {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // read only
	var magic [8]byte
	if _, err := f.ReadAt(magic[:], sector); err != nil || string(magic[:]) != "EFI PART" {
		return nil
	}
	table, err := gpt.Read(f, sector, sector)
	if err != nil || len(table.Partitions) == 0 {
		return nil
	}
	p := table.Partitions[0]
	d := &rawDisk{start: int64(p.Start) * sector, end: (int64(p.End) + 1) * sector}
	volume, err := fat32.Read(file.New(f, true), d.end-d.start, d.start, sector)
	if err != nil || d.walk(volume, ".", 0) != nil {
		return nil
	}
	return d
}

// walk reads the files of a directory, in the order they have there.
func (d *rawDisk) walk(volume *fat32.FileSystem, dir string, depth int) error {
	const deepest = 8
	if depth > deepest {
		return fmt.Errorf("%s: directories nested deeper than %d", dir, deepest)
	}
	entries, err := volume.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.Name() == "." || e.Name() == "..":
		case e.IsDir():
			if err := d.walk(volume, name, depth+1); err != nil {
				return err
			}
		default:
			f, err := volume.OpenFile(name, os.O_RDONLY)
			if err != nil {
				return err
			}
			b, err := io.ReadAll(io.LimitReader(f, d.end-d.start))
			if err != nil {
				return err
			}
			d.files = append(d.files, member{name: "ESP file " + name, data: held(b)})
		}
	}
	return nil
}

// region says what lies at an offset of the disk outside of the files.
func (d *rawDisk) region(at int64) string {
	switch {
	case at < sector:
		return "protective MBR"
	case at < 2*sector:
		return "GPT header"
	case at < d.start:
		return "GPT partition entries"
	case at < d.end:
		return fmt.Sprintf("ESP, outside of its files (byte %d of the partition)", at-d.start)
	}
	return "backup GPT"
}
