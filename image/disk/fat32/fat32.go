// Package fat32 writes a complete FAT32 file system in one pass from a list of
// files known beforehand.
//
// It promises a deterministic result: every file is one run of clusters in the
// order given, time stamps are the FAT epoch, the serial number is the
// caller's. Long names are kept exactly (VFAT entries), as UEFI firmware and
// systemd-boot see them. Only what is not zero is written, so a fresh file
// stays sparse. Rules: Microsoft "FAT: General Overview of On-Disk Format"
// 1.03, which the UEFI specification adopts (section 13.3).
package fat32

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Geometry. With 4 KiB clusters a FAT32 volume has at least 256 MiB: fewer than
// 65525 clusters would make it FAT16 by definition.
const (
	SectorSize  = 512
	ClusterSize = 4096

	sectorsPerCluster = ClusterSize / SectorSize
	reservedSectors   = 32
	fatCopies         = 2
	minClusters       = 65525
	maxClusters       = 0x0ffffff4
	endOfChain        = 0x0fffffff

	// MinSize is the smallest volume Write takes, bytes.
	MinSize = 260 << 20
)

var le = binary.LittleEndian

// File is one file of the volume. Path is absolute and slash-separated, in
// plain ASCII; directories on the way are made.
type File struct {
	Path string
	Data []byte
}

// Volume is what Write makes.
type Volume struct {
	Size   int64  // bytes, a multiple of SectorSize
	Start  int64  // bytes before the volume on the disk (the "hidden sectors")
	Label  string // up to 11 characters, upper case
	Serial uint32
	Files  []File
}

// Write writes v to w, whose offset 0 is the start of the disk: the volume's
// first byte goes to v.Start. What is under the volume must read as zeros.
func Write(w io.WriterAt, v Volume) error {
	g, err := geometry(v)
	if err != nil {
		return fmt.Errorf("fat32: %w", err)
	}
	root, err := buildTree(v.Files)
	if err != nil {
		return fmt.Errorf("fat32: %w", err)
	}
	fat := &table{entries: []uint32{0x0ffffff8, endOfChain}, limit: g.clusters + 2}
	if err := allocate(root, fat); err != nil {
		return fmt.Errorf("fat32: volume of %d MiB is too small: %w", v.Size>>20, err)
	}
	put := func(b []byte, off int64) error {
		_, err := w.WriteAt(b, v.Start+off)
		return err
	}
	boot, info := g.bootSector(v), fat.infoSector(g)
	for _, sector := range []int64{0, 6} { // the copy at 6 is what the boot sector names
		if err := put(boot, sector*SectorSize); err != nil {
			return fmt.Errorf("fat32: boot sector: %w", err)
		}
		if err := put(info, (sector+1)*SectorSize); err != nil {
			return fmt.Errorf("fat32: FSInfo sector: %w", err)
		}
	}
	bytes := fat.bytes()
	for i := range int64(fatCopies) {
		if err := put(bytes, reservedSectors*SectorSize+i*g.fatBytes()); err != nil {
			return fmt.Errorf("fat32: allocation table: %w", err)
		}
	}
	return writeTree(root, v.Label, func(cluster uint32, b []byte) error {
		return put(b, g.dataStart()+int64(cluster-2)*ClusterSize)
	})
}

// layout is the arithmetic of a volume.
type layout struct {
	sectors    uint32
	fatSectors uint32
	clusters   uint32
}

func (l layout) fatBytes() int64  { return int64(l.fatSectors) * SectorSize }
func (l layout) dataStart() int64 { return reservedSectors*SectorSize + fatCopies*l.fatBytes() }

func geometry(v Volume) (layout, error) {
	switch {
	case v.Size%SectorSize != 0 || v.Start%SectorSize != 0:
		return layout{}, fmt.Errorf("size %d and start %d must be multiples of %d", v.Size, v.Start, SectorSize)
	case v.Size < MinSize:
		return layout{}, fmt.Errorf("size %d MiB is below the smallest volume, %d MiB", v.Size>>20, MinSize>>20)
	case v.Size/SectorSize > 0xffffffff:
		return layout{}, errors.New("size is above 2 TiB")
	case len(v.Label) > 11 || v.Label != strings.ToUpper(v.Label):
		return layout{}, fmt.Errorf("label %q must be at most 11 upper-case characters", v.Label)
	}
	l := layout{sectors: uint32(v.Size / SectorSize)}
	// Smallest table that covers the clusters left once both copies are taken.
	perSector := uint64(SectorSize / 4 * sectorsPerCluster)
	l.fatSectors = uint32((uint64(l.sectors-reservedSectors) + perSector + fatCopies - 1) / (perSector + fatCopies))
	for {
		l.clusters = (l.sectors - reservedSectors - fatCopies*l.fatSectors) / sectorsPerCluster
		if uint64(l.clusters)+2 <= uint64(l.fatSectors)*(SectorSize/4) {
			break
		}
		l.fatSectors++
	}
	if l.clusters < minClusters || l.clusters > maxClusters {
		return layout{}, fmt.Errorf("%d clusters are outside what FAT32 allows", l.clusters)
	}
	return l, nil
}

// bootSector is the BIOS parameter block of FAT32.
func (l layout) bootSector(v Volume) []byte {
	b := make([]byte, SectorSize)
	copy(b, []byte{0xeb, 0x58, 0x90})
	copy(b[3:], "TRUNKLNE")
	le.PutUint16(b[11:], SectorSize)
	b[13] = sectorsPerCluster
	le.PutUint16(b[14:], reservedSectors)
	b[16] = fatCopies
	b[21] = 0xf8             // fixed disk
	le.PutUint16(b[24:], 63) // geometry nobody reads
	le.PutUint16(b[26:], 255)
	le.PutUint32(b[28:], uint32(v.Start/SectorSize))
	le.PutUint32(b[32:], l.sectors)
	le.PutUint32(b[36:], l.fatSectors)
	le.PutUint32(b[44:], 2) // the root directory's first cluster
	le.PutUint16(b[48:], 1) // FSInfo
	le.PutUint16(b[50:], 6) // backup boot sector
	b[64] = 0x80
	b[66] = 0x29
	le.PutUint32(b[67:], v.Serial)
	copy(b[71:], fmt.Sprintf("%-11s", v.Label))
	copy(b[82:], "FAT32   ")
	b[510], b[511] = 0x55, 0xaa
	return b
}

// table is the file allocation table; it grows as clusters are taken.
type table struct {
	entries []uint32
	limit   uint32 // entries there is room for
}

// take reserves a chain of n clusters in a row and returns the first.
func (t *table) take(n uint32) (uint32, error) {
	first := uint32(len(t.entries))
	if n > t.limit-first {
		return 0, fmt.Errorf("%d KiB needed, %d KiB free", uint64(n)*ClusterSize>>10, uint64(t.limit-first)*ClusterSize>>10)
	}
	for i := range n {
		next := first + i + 1
		if i == n-1 {
			next = endOfChain
		}
		t.entries = append(t.entries, next)
	}
	return first, nil
}

func (t *table) bytes() []byte {
	b := make([]byte, 0, len(t.entries)*4)
	for _, e := range t.entries {
		b = le.AppendUint32(b, e)
	}
	return b
}

// infoSector is FSInfo: how many clusters are free and where to look first.
func (t *table) infoSector(l layout) []byte {
	b := make([]byte, SectorSize)
	le.PutUint32(b, 0x41615252)
	le.PutUint32(b[484:], 0x61417272)
	le.PutUint32(b[488:], l.clusters+2-uint32(len(t.entries)))
	le.PutUint32(b[492:], uint32(len(t.entries)))
	le.PutUint32(b[508:], 0xaa550000)
	return b
}
