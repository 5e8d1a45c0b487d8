// Package disk writes the raw disk of an appliance: a GPT with one EFI System
// Partition (ESP) that holds systemd-boot, its configuration and the unified
// kernel image.
//
// It promises: the same layout gives the same bytes (GUIDs and the FAT serial
// number are derived from the contents); the file appears whole or not at all;
// it is sparse, so it takes about the room of its contents. Sectors are 512
// bytes. No root, no loop device.
//
// The table is go-diskfs's. The file system is package fat32's: the library's
// own takes its time stamps from the process environment and keeps no serial
// number, so two builds in one process could not be told apart or kept apart.
package disk

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/uuid"

	"trunkline/image/disk/fat32"
)

// Layout is what goes on the disk.
type Layout struct {
	Name       string // appliance name: the UKI becomes /EFI/Linux/NAME.efi
	UKI        []byte
	BootLoader []byte // systemd-bootx64.efi
	// ESPBytes is the size of the ESP; 0: computed by ESPSize.
	ESPBytes int64
}

const (
	mib = 1 << 20
	// partitionStart leaves the first MiB to the table, as every tool does.
	partitionStart = mib
	// tail holds the backup table; a whole MiB keeps the disk's size round.
	tail = mib
)

// loaderConf lets systemd-boot start the newest image at once and closes the
// command line editor, which would be a way into the appliance.
const loaderConf = "timeout 0\neditor no\nauto-entries yes\nauto-firmware no\n"

// ESPSize is the computed size of the ESP in bytes: three images of this size
// (the running one, its predecessor, the next one while it arrives) with a
// quarter of growth, and room for loaders. Never below what FAT32 needs.
func ESPSize(uki int64) int64 {
	size := 3*(uki+uki/4) + 16*mib
	size = max(size, fat32.MinSize)
	return (size + 4*mib - 1) / (4 * mib) * (4 * mib)
}

// Write writes the disk to path, replacing what is there.
func Write(path string, l Layout) (err error) {
	switch {
	case l.Name == "" || strings.ContainsAny(l.Name, `/\`):
		return fmt.Errorf("disk: name %q cannot name a file", l.Name)
	case len(l.UKI) == 0:
		return errors.New("disk: no UKI given")
	case len(l.BootLoader) == 0:
		return errors.New("disk: no boot loader given")
	}
	esp := l.ESPBytes
	if esp == 0 {
		esp = ESPSize(int64(len(l.UKI)))
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := f.Truncate(partitionStart + esp + tail); err != nil {
		return fmt.Errorf("disk: making %s %d MiB large: %w", f.Name(), (partitionStart+esp+tail)/mib, err)
	}
	if err := l.fill(f, esp); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	// CreateTemp makes the file 0600; an image is no secret.
	if err := f.Chmod(0o644); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("disk: syncing %s: %w", f.Name(), err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func (l Layout) fill(f *os.File, esp int64) error {
	id := l.identity()
	table := &gpt.Table{
		LogicalSectorSize: fat32.SectorSize, PhysicalSectorSize: fat32.SectorSize,
		ProtectiveMBR: true,
		GUID:          guid(id, "disk"),
		Partitions: []*gpt.Partition{{
			Index: 1,
			Start: partitionStart / fat32.SectorSize,
			End:   uint64(partitionStart+esp)/fat32.SectorSize - 1,
			Size:  uint64(esp),
			Type:  gpt.EFISystemPartition,
			Name:  "ESP",
			GUID:  guid(id, "esp"),
		}},
	}
	if err := table.Write(unsynced{f}, partitionStart+esp+tail); err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	return fat32.Write(f, fat32.Volume{
		Size: esp, Start: partitionStart, Label: "ESP",
		Serial: uint32(id[0]) | uint32(id[1])<<8 | uint32(id[2])<<16 | uint32(id[3])<<24,
		Files: []fat32.File{
			{Path: "/EFI/BOOT/BOOTX64.EFI", Data: l.BootLoader},
			{Path: "/loader/loader.conf", Data: []byte(loaderConf)},
			{Path: "/EFI/Linux/" + l.Name + ".efi", Data: l.UKI},
		},
	})
}

// identity is a digest of everything on the disk.
func (l Layout) identity() [sha256.Size]byte {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(l.Name), l.BootLoader, l.UKI} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	var id [sha256.Size]byte
	h.Sum(id[:0])
	return id
}

// guid derives a version 8 UUID (RFC 9562, 5.8) for one use.
func guid(id [sha256.Size]byte, use string) string {
	sum := sha256.Sum256(append(id[:], use...))
	u := uuid.UUID(sum[:16])
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return strings.ToUpper(u.String())
}

// unsynced hides the file's Sync from the partition writer, which would call it
// five times: the whole file is synced once, before the rename.
type unsynced struct{ f *os.File }

var _ backend.WritableFile = unsynced{}

func (u unsynced) Stat() (os.FileInfo, error)                   { return u.f.Stat() }
func (u unsynced) Read(b []byte) (int, error)                   { return u.f.Read(b) }
func (u unsynced) ReadAt(b []byte, off int64) (int, error)      { return u.f.ReadAt(b, off) }
func (u unsynced) WriteAt(b []byte, off int64) (int, error)     { return u.f.WriteAt(b, off) }
func (u unsynced) Seek(offset int64, whence int) (int64, error) { return u.f.Seek(offset, whence) }
func (u unsynced) Close() error                                 { return u.f.Close() }

// syncDir makes the rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("disk: syncing %s: %w", dir, err)
	}
	return nil
}
