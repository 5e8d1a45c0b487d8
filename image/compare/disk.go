package compare

import (
	"fmt"
	"os"

	"trunkline/image/disk"
)

const sector = 512

// rawDisk is a disk with a GUID partition table and the files of its EFI system
// partition.
type rawDisk struct {
	files      []member // in the order they have there
	start, end int64    // of the partition, bytes
}

// openDisk reads a disk; nil: the file is none, or cannot be read as one.
func openDisk(name string) *rawDisk {
	f, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close() //nolint:errcheck // read only
	if disk.FormatOf(f) != disk.Raw {
		return nil
	}
	esp, err := disk.Read(name)
	if err != nil {
		return nil
	}
	d := &rawDisk{start: esp.Start, end: esp.Start + esp.Size}
	for _, x := range esp.Files {
		d.files = append(d.files, member{name: "ESP file " + x.Path, data: held(x.Data)})
	}
	return d
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
