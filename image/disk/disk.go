// Package disk writes the raw disk of an appliance: a GPT with one EFI System
// Partition (ESP) that holds systemd-boot, its configuration, the unified kernel
// image and, when given, the Secure Boot keys that systemd-boot enrols. The same disk
// also as qcow2, and the files of its ESP as a medium to boot from that is only read (ISO).
//
// It promises: the same layout gives the same bytes (GUIDs and the FAT serial
// number are derived from the contents); the file appears whole or not at all;
// it is sparse, so it takes about the room of its contents. Sectors are 512
// bytes. No root, no loop device.
//
// Table and file system are written by go-diskfs; the file system is read by package fat. An
// image that is damaged or cut off is an error with place and remedy.
package disk

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/diskfs/go-diskfs/backend"
	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"
	"github.com/google/uuid"

	"trunkline/image/entry"
)

// Layout is what goes on the disk.
type Layout struct {
	// Name of the appliance and Version of the image: the UKI becomes
	// /EFI/Linux/NAME_VERSION.efi, whose starts are not counted, for there is nothing to
	// fall back to.
	Name, Version string
	UKI           []byte
	// Digest says which UKI it is: of two with the same one, the disks have the same GUIDs.
	// Empty: its SHA-256.
	Digest     string
	BootLoader []byte // systemd-bootx64.efi
	// Keys are the Secure Boot updates that systemd-boot enrols in a machine without
	// keys, by file name; none: it enrols nothing.
	Keys map[string][]byte
	// ESPBytes is the size of the ESP; 0: computed by ESPSize.
	ESPBytes int64
}

const (
	mib        = 1 << 20
	sectorSize = 512
	// minESP is room for images of 12 MiB. It is FAT32 whatever its size: a volume of fewer
	// than 65,525 clusters is FAT16 by definition (Microsoft FAT specification 1.03), and
	// go-diskfs makes clusters of one sector up to 260 MiB, of eight above.
	minESP = 64 * mib
	// partitionStart leaves the first MiB to the table, as every tool does.
	partitionStart = mib
	// tail holds the backup table; a whole MiB keeps the disk's size round.
	tail = mib
)

// loaderConf lets systemd-boot start the newest image at once and closes the
// command line editor, which would be a way into the appliance.
const loaderConf = "timeout 0\neditor no\nauto-entries yes\nauto-firmware no\n"

// enrolConf has systemd-boot enrol the keys of keysDir by itself in a virtual machine,
// and offer it in its menu on hardware, where option ROMs may need keys of their maker
// (loader.conf(5), secure-boot-enroll).
const enrolConf = "secure-boot-enroll if-safe\n"

// keysDir is where systemd-boot looks for keys to enrol by itself (systemd-boot(7)).
const keysDir = "/loader/keys/auto"

// ESPSize is the computed size of the ESP in bytes: three images of this size
// (the running one, its predecessor, the next one while it arrives) with a
// quarter of growth, and room for loaders. Never below what FAT32 needs.
func ESPSize(uki int64) int64 {
	size := 3*(uki+uki/4) + 16*mib
	size = max(size, minESP)
	const step = 4 * mib
	return soundSize((size+step-1)/step*step, step)
}

// Write writes the disk to path, replacing what is there.
func Write(path string, l Layout) error {
	if err := l.check(); err != nil {
		return err
	}
	esp := l.ESPBytes
	if esp == 0 {
		esp = ESPSize(int64(len(l.UKI)))
	}
	return replace(path, func(f *os.File) error {
		if err := f.Truncate(partitionStart + esp + tail); err != nil {
			return fmt.Errorf("making %s %d MiB large: %w", f.Name(), (partitionStart+esp+tail)/mib, err)
		}
		return l.fill(f, esp)
	})
}

func (l Layout) fill(f *os.File, esp int64) error {
	id := l.identity()
	table := &gpt.Table{
		LogicalSectorSize: sectorSize, PhysicalSectorSize: sectorSize,
		ProtectiveMBR: true,
		GUID:          guid(id, "disk"),
		Partitions: []*gpt.Partition{{
			Index: 1,
			Start: partitionStart / sectorSize,
			End:   uint64(partitionStart+esp)/sectorSize - 1,
			Size:  uint64(esp),
			Type:  gpt.EFISystemPartition,
			Name:  "ESP",
			GUID:  guid(id, "esp"),
		}},
	}
	if err := table.Write(unsynced{f}, partitionStart+esp+tail); err != nil {
		return fmt.Errorf("partition table: %w", err)
	}
	if err := l.fillESP(f, partitionStart, esp); err != nil {
		return err
	}
	if err := mendParents(f, partitionStart); err != nil {
		return err
	}
	return makeRoom(f, partitionStart)
}

// fatEpoch is the first moment a FAT time stamp can hold, 1980-01-01, as a Unix
// time.
const fatEpoch = "315532800"

// epochLock is held while the process's epoch is ours.
var epochLock sync.Mutex

// setEpoch sets the variable go-diskfs reads its time stamps from
// (reproducible-builds.org), until restore is called: others in this process ask
// it for the date. Builds running side by side take turns.
func setEpoch() (restore func(), err error) {
	const name = "SOURCE_DATE_EPOCH"
	epochLock.Lock()
	before, had := os.LookupEnv(name)
	restore = func() {
		defer epochLock.Unlock()
		if had {
			_ = os.Setenv(name, before)
		} else {
			_ = os.Unsetenv(name)
		}
	}
	if err := os.Setenv(name, fatEpoch); err != nil {
		epochLock.Unlock()
		return nil, err
	}
	return restore, nil
}

// fillESP makes the FAT32 file system of the ESP and its files. start is where it begins.
func (l Layout) fillESP(to *os.File, start, size int64) error {
	restore, err := setEpoch()
	if err != nil {
		return err
	}
	defer restore()
	joined := gather(to)
	fs, err := fat32.Create(file.New(joined, false), size, start, sectorSize, "ESP", true)
	if err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	dirs, conf := []string{"/EFI/BOOT", "/" + entry.Dir, "/loader"}, loaderConf
	if len(l.Keys) > 0 {
		dirs, conf = append(dirs, keysDir), conf+enrolConf
	}
	for _, dir := range dirs {
		if err := fs.Mkdir(dir); err != nil {
			return fmt.Errorf("ESP: %s: %w", dir, err)
		}
	}
	type content struct {
		path string
		data []byte
	}
	files := []content{
		{"/EFI/BOOT/BOOTX64.EFI", l.BootLoader},
		{"/loader/loader.conf", []byte(conf)},
		{"/" + entry.Dir + "/" + entry.Good(l.Name, l.Version).File(), l.UKI},
	}
	for _, name := range slices.Sorted(maps.Keys(l.Keys)) {
		files = append(files, content{keysDir + "/" + name, l.Keys[name]})
	}
	for _, f := range files {
		if err := writeFile(fs, f.path, f.data); err != nil {
			return fmt.Errorf("ESP of %d MiB: %s (%d bytes): %w", size/mib, f.path, len(f.data), err)
		}
	}
	return errors.Join(fs.Close(), joined.flush())
}

func writeFile(fs *fat32.FileSystem, path string, data []byte) error {
	w, err := fs.OpenFile(path, os.O_CREATE|os.O_RDWR)
	if err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

// identity is a digest of all that says which disk this is.
func (l Layout) identity() [sha256.Size]byte {
	h := sha256.New()
	digest := l.Digest
	if digest == "" {
		sum := sha256.Sum256(l.UKI)
		digest = hex.EncodeToString(sum[:])
	}
	parts := [][]byte{[]byte(l.Name + "_" + l.Version), l.BootLoader, []byte(digest)}
	for _, name := range slices.Sorted(maps.Keys(l.Keys)) {
		parts = append(parts, []byte(name), l.Keys[name])
	}
	for _, part := range parts {
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
