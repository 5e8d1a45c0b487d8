package disk

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"

	"trunkline/image/entry"
)

// directoryRoom is what the directories have that an appliance writes to, bytes: room for nine
// of the longest names there may be, where at most five are at a time.
const directoryRoom = 4096

// changing are the directories that an appliance writes to: for its images, for the boot loader's
// configuration and why an image failed, and, fsck.vfat alone, for what it finds.
var changing = []string{"", entry.Dir, "loader"}

// fsInfoFree is where the sector FSInfo has the number of free clusters, which go-diskfs leaves
// open; fsck.vfat would count it as something to mend.
const fsInfoFree = 488

// makeRoom gives directories the clusters that they will need, so that none grows on the
// appliance. One that grows is lost with all that is in it when the power goes at the wrong
// moment: its chain then ends in a cluster that is not marked as used, and the firmware (EDK II,
// FatPkg) does not read such a directory at all, so that nothing boots. start is where the volume
// begins in f, bytes.
func makeRoom(f *os.File, start int64) error {
	v, err := openVolume(f, start)
	if err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	for _, dir := range changing {
		if err := v.extend(dir, directoryRoom); err != nil {
			return fmt.Errorf("ESP: directory /%s: %w", dir, err)
		}
	}
	if err := v.write(); err != nil {
		return fmt.Errorf("ESP: %w", err)
	}
	return nil
}

// volume is a FAT32 file system with its table in memory.
type volume struct {
	f               *os.File
	start           int64 // of the volume, bytes
	cluster         int64 // bytes of one
	reserved, table int64 // sectors before the tables; of each
	tables, info    int64 // their number; the sector FSInfo
	sectors         int64 // of the whole volume
	fat             []byte
}

func openVolume(f *os.File, start int64) (*volume, error) {
	var boot [sectorSize]byte
	if _, err := f.ReadAt(boot[:], start); err != nil {
		return nil, fmt.Errorf("boot sector: %w", err)
	}
	le := binary.LittleEndian
	v := &volume{
		f: f, start: start, cluster: int64(boot[13]) * sectorSize, reserved: int64(le.Uint16(boot[14:])),
		tables: int64(boot[16]), table: int64(le.Uint32(boot[36:])), sectors: int64(le.Uint32(boot[32:])), info: int64(le.Uint16(boot[48:])),
	}
	v.fat = make([]byte, v.table*sectorSize)
	if _, err := f.ReadAt(v.fat, start+v.reserved*sectorSize); err != nil {
		return nil, fmt.Errorf("file allocation table: %w", err)
	}
	return v, nil
}

// at is where a cluster lies in the file.
func (v *volume) at(cluster uint32) int64 {
	return v.start + (v.reserved+v.tables*v.table)*sectorSize + int64(cluster-rootCluster)*v.cluster
}

// Of an entry of the table: its bits; the least of those that end a chain; the one that is
// written to end one.
const (
	fatBits = 0x0fffffff
	fatLast = 0x0ffffff8
	fatEnd  = 0x0fffffff
)

func (v *volume) next(cluster uint32) uint32 {
	return binary.LittleEndian.Uint32(v.fat[4*cluster:]) & fatBits
}

func (v *volume) set(cluster, next uint32) { binary.LittleEndian.PutUint32(v.fat[4*cluster:], next) }

// clusters is the end of the numbers of clusters; the table may have more entries.
func (v *volume) clusters() uint32 {
	data := (v.sectors - v.reserved - v.tables*v.table) * sectorSize / v.cluster
	return uint32(min(data+rootCluster, int64(len(v.fat)/4)))
}

// chain lists the clusters from one on.
func (v *volume) chain(cluster uint32) ([]uint32, error) {
	var out []uint32
	for cluster < fatLast {
		if cluster < rootCluster || cluster >= v.clusters() || len(out) > len(v.fat)/4 {
			return nil, fmt.Errorf("the chain of clusters leads to %d", cluster)
		}
		out = append(out, cluster)
		cluster = v.next(cluster)
	}
	return out, nil
}

// find is the first cluster of a directory, whose name is one of letters that FAT has as they
// are ("EFI/Linux").
func (v *volume) find(dir string) (uint32, error) {
	at := uint32(rootCluster)
	if dir == "" {
		return at, nil
	}
	le := binary.LittleEndian
	for name := range strings.SplitSeq(dir, "/") {
		chain, err := v.chain(at)
		if err != nil {
			return 0, err
		}
		found := uint32(0)
		for _, c := range chain {
			b := make([]byte, v.cluster)
			if _, err := v.f.ReadAt(b, v.at(c)); err != nil {
				return 0, err
			}
			for e := b; len(e) >= dirEntry && e[0] != 0; e = e[dirEntry:] {
				if e[11]&attrLong != attrLong && e[11]&attrDir != 0 && strings.TrimRight(string(e[:11]), " ") == strings.ToUpper(name) {
					found = uint32(le.Uint16(e[20:]))<<16 | uint32(le.Uint16(e[26:]))
				}
			}
		}
		if found == 0 {
			return 0, fmt.Errorf("there is no %s", name)
		}
		at = found
	}
	return at, nil
}

// extend gives a directory as many clusters as hold so many bytes. They are empty: a volume is
// made of zeros, and what is free of it still is.
func (v *volume) extend(dir string, bytes int64) error {
	first, err := v.find(dir)
	if err != nil {
		return err
	}
	chain, err := v.chain(first)
	if err != nil {
		return err
	}
	last := chain[len(chain)-1]
	free := uint32(rootCluster)
	for n := int64(len(chain)); n*v.cluster < bytes; n++ {
		for free < v.clusters() && v.next(free) != 0 {
			free++
		}
		if free == v.clusters() {
			return fmt.Errorf("no room for %d bytes", bytes)
		}
		v.set(last, free)
		v.set(free, fatEnd)
		last = free
	}
	return nil
}

// write writes the tables, and how many clusters are free.
func (v *volume) write() error {
	for i := range v.tables {
		if _, err := v.f.WriteAt(v.fat, v.start+(v.reserved+i*v.table)*sectorSize); err != nil {
			return fmt.Errorf("file allocation table: %w", err)
		}
	}
	var info [sectorSize]byte
	at := v.start + v.info*sectorSize
	if _, err := v.f.ReadAt(info[:], at); err != nil {
		return fmt.Errorf("FSInfo: %w", err)
	}
	free := uint32(0)
	for c := uint32(rootCluster); c < v.clusters(); c++ {
		if v.next(c) == 0 {
			free++
		}
	}
	binary.LittleEndian.PutUint32(info[fsInfoFree:], free)
	if _, err := v.f.WriteAt(info[:], at); err != nil {
		return fmt.Errorf("FSInfo: %w", err)
	}
	return nil
}
