package disk

import (
	"fmt"

	"trunkline/image/fat"
)

// ESP is the EFI system partition of a disk.
type ESP struct {
	Files       []fat.File // each directory in its order
	Start, Size int64      // within the disk, bytes
}

// maxESP bounds what is read of an ESP, bytes; ours are a quarter of it.
const maxESP = 2 << 30

// Read reads the EFI System Partition of a disk of any format. A file without a partition table, a
// damaged one and one that is cut off is an error that says so, with the place.
func Read(name string) (*ESP, error) {
	e, err := openESP(name)
	if err != nil {
		return nil, err
	}
	defer e.Close() //nolint:errcheck // read only
	files, err := e.Files()
	if err != nil {
		return nil, fmt.Errorf("%s: EFI system partition: %w: %s", name, err, again)
	}
	return &ESP{Files: files, Start: e.start, Size: e.size}, nil
}
