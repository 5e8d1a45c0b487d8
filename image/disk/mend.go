package disk

import (
	"encoding/binary"
	"fmt"
	"os"
)

// Layout of FAT32, from Microsoft "FAT: General Overview of On-Disk Format" 1.03.
const (
	dirEntry    = 32   // bytes of a directory entry
	attrLong    = 0x0f // attribute of a long-name entry
	attrDir     = 0x10
	rootCluster = 2
)

// mendParents sets the first cluster of ".." to 0 in the directories right below
// the root, as the specification wants for a parent that is the root: go-diskfs
// 1.9.4 writes the root's own cluster, which fsck.vfat reports as damage. start
// is where the volume begins in f, bytes.
func mendParents(f *os.File, start int64) error {
	var boot [sectorSize]byte
	if _, err := f.ReadAt(boot[:], start); err != nil {
		return fmt.Errorf("ESP: boot sector: %w", err)
	}
	le := binary.LittleEndian
	cluster := int64(boot[13]) * sectorSize
	data := start + (int64(le.Uint16(boot[14:]))+int64(boot[16])*int64(le.Uint32(boot[36:])))*sectorSize
	offset := func(n uint32) int64 { return data + int64(n-rootCluster)*cluster }

	root := make([]byte, cluster)
	if _, err := f.ReadAt(root, offset(rootCluster)); err != nil {
		return fmt.Errorf("ESP: root directory: %w", err)
	}
	for e := root; len(e) >= dirEntry && e[0] != 0; e = e[dirEntry:] {
		if e[11]&attrLong == attrLong || e[11]&attrDir == 0 {
			continue
		}
		at := offset(uint32(le.Uint16(e[20:]))<<16|uint32(le.Uint16(e[26:]))) + dirEntry
		var parent [dirEntry]byte
		if _, err := f.ReadAt(parent[:], at); err != nil {
			return fmt.Errorf("ESP: directory: %w", err)
		}
		if string(parent[:3]) != ".. " {
			return fmt.Errorf("ESP: directory %q has no parent entry", e[:11])
		}
		le.PutUint16(parent[20:], 0)
		le.PutUint16(parent[26:], 0)
		if _, err := f.WriteAt(parent[:], at); err != nil {
			return fmt.Errorf("ESP: directory: %w", err)
		}
	}
	return nil
}

// soundSize is the least volume, from size on in whole steps, that go-diskfs makes soundly:
// 1.9.4 forgets that the first two entries of a table stand for no cluster, and of some
// sizes the table is two entries short, which fsck.vfat and mtools refuse.
func soundSize(size, step int64) int64 {
	for ; ; size += step {
		const reserved, tables, entries = 32, 2, sectorSize / 4
		perCluster := int64(1) // sectors, as go-diskfs chooses
		if size > 260*mib {
			perCluster = 8
		}
		sectors := size/sectorSize - reserved
		perTable := (4*sectors + sectorSize*perCluster + 7) / (sectorSize*perCluster + 8)
		clusters := (sectors - tables*perTable) / perCluster
		if perTable*entries >= clusters+rootCluster {
			return size
		}
	}
}
