package disk

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"trunkline/appliance/durable"
	"trunkline/image/entry"
	"trunkline/image/iso"
	"trunkline/image/qcow2"
)

// WriteQCOW2 writes the raw disk at raw as a qcow2 image to path, replacing what is there.
func WriteQCOW2(path, raw string) error {
	r, err := os.Open(raw)
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	defer r.Close() //nolint:errcheck // read only
	return replace(path, func(f *os.File) error { return qcow2.Write(f, r) })
}

// WriteISO writes what firmware boots as a CD-ROM or a USB stick to path, replacing what is
// there. Its boot image has the files of the ESP of Write and no room for more: such media
// are read, never written, so there are neither updates nor a state partition on one.
func WriteISO(path string, l Layout) error {
	if err := l.check(); err != nil {
		return err
	}
	about := []byte(fmt.Sprintf("Trunkline appliance %s, image %s. EFI.IMG is the volume that UEFI firmware boots:\r\n"+
		"as a CD-ROM (virtual media of a management controller, a hypervisor's drive), or\r\n"+
		"as a USB stick that this file was copied to. It is read only: updates and state\r\n"+
		"need a disk.\r\n", l.Name, l.Version))
	size := l.volumeSize()
	return replace(path, func(f *os.File) error {
		lay := iso.Lay(about, size)
		if err := f.Truncate(lay.Total); err != nil {
			return err
		}
		if err := l.fillESP(f, lay.Start, size); err != nil {
			return err
		}
		if err := mendParents(f, lay.Start); err != nil {
			return err
		}
		return iso.Write(f, volumeLabel(l.Name), about, size)
	})
}

// volumeSize is the size of a FAT32 volume with the files of the ESP and hardly more.
func (l Layout) volumeSize() int64 {
	// Clusters of one sector, each with an entry in both tables; and what every file and
	// directory takes besides.
	const tables, each = 2 * 4, 4 << 10
	n := int64(len(l.UKI) + len(l.BootLoader))
	for _, key := range l.Keys {
		n += int64(len(key)) + each
	}
	n += n/sectorSize*tables + 16*each
	return soundSize(max((n+mib-1)/mib*mib, minFAT32), mib)
}

// minFAT32 is a volume of 65,525 clusters of one sector, the fewest that FAT32 has, with
// tables and a margin for those who count otherwise (Microsoft FAT specification 1.03).
const minFAT32 = 34 * mib

// volumeLabel makes a name one of ISO 9660.
func volumeLabel(name string) string {
	const longest = 32
	label := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, strings.ToUpper(name))
	return label[:min(len(label), longest)]
}

// replace writes a file so that path holds the old bytes or all the new ones. An image is no
// secret.
func replace(path string, fill func(*os.File) error) (err error) {
	f, err := durable.Create(path, 0o644)
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if err = fill(f.File); err == nil {
		err = f.Commit()
	}
	if err = errors.Join(err, f.Cleanup()); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	return nil
}

// check says what is wrong with a layout.
func (l Layout) check() error {
	switch {
	case l.Name == "" || strings.ContainsAny(l.Name, `/\"*:<>?|`): // not allowed in FAT names
		return fmt.Errorf("disk: name %q cannot name a file", l.Name)
	case entry.CheckVersion(l.Version) != nil:
		return fmt.Errorf("disk: %w", entry.CheckVersion(l.Version))
	case len(l.UKI) == 0:
		return errors.New("disk: no UKI given")
	case len(l.BootLoader) == 0:
		return errors.New("disk: no boot loader given")
	}
	return nil
}
