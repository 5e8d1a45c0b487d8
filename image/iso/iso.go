// Package iso writes and reads media that UEFI firmware boots as a CD-ROM, such as the
// virtual media of a server's management controller, and as a USB stick.
//
// A medium is an ISO 9660 volume with one El Torito entry for EFI whose boot image, the
// FAT volume that firmware starts /EFI/BOOT/BOOTX64.EFI from, is also the file EFI.IMG, and
// a partition of the MBR. Nothing else is on it but ABOUT.TXT.
//
// It promises: the same contents give the same bytes. go-diskfs writes such volumes too,
// but takes their times from the clock, writes them in the zone of the host, and keeps
// to itself where the boot image lies, which the MBR must say.
//
// Formats: ECMA-119 (ISO 9660), El Torito 1.0, UEFI 2.10 13.3.2 (El Torito) and 5.2
// (MBR). Sizes and offsets are bytes unless they say blocks.
package iso

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// Block is the size of a logical block, and so what a boot image is aligned to.
const Block = 2048

// Blocks of a medium, in order. The boot image begins after the text.
const (
	systemBlocks  = 16 // ECMA-119 6.2.1: not specified there; holds the MBR
	pvdBlock      = 16
	bootBlock     = 17 // El Torito 2.0 wants its record there
	endBlock      = 18
	catalogBlock  = 19
	pathLBlock    = 20
	pathMBlock    = 21
	rootBlock     = 22
	aboutBlock    = 23
	mbrSector     = 512
	mbrPartition  = 446
	mbrSignature  = 510
	typeESP       = 0xef
	platformEFI   = 0xef
	maxSectors    = 0xffff // of a boot image in the catalog, 512 bytes each
	bootIndicator = 0x88
)

// Layout says where the boot image of a medium lies.
type Layout struct {
	Start int64 // of the boot image
	Total int64 // bytes of the medium
}

// Lay places a boot image of a size behind a text.
func Lay(about []byte, image int64) Layout {
	start := aboutBlock*Block + up(int64(len(about)))
	return Layout{Start: start, Total: start + up(image)}
}

func up(n int64) int64 { return (n + Block - 1) / Block * Block }

// Write writes everything but the boot image, of image bytes, to w. Label names the
// volume: upper-case letters, digits and '_', 32 at most. Text becomes ABOUT.TXT.
func Write(w io.WriterAt, label string, about []byte, image int64) error {
	l := Lay(about, image)
	if image <= 0 || l.Total/Block > 1<<31 {
		return fmt.Errorf("iso: a boot image of %d bytes", image)
	}
	if label == "" || len(label) > 32 || strings.Trim(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return fmt.Errorf("iso: label %q: A-Z, 0-9 and _ are allowed, 32 at most", label)
	}
	head := make([]byte, aboutBlock*Block+up(int64(len(about))))
	block := func(n int) []byte { return head[n*Block : (n+1)*Block] }
	l.mbr(head, image)
	l.primary(block(pvdBlock), label)
	bootRecord(block(bootBlock))
	copy(block(endBlock), "\xffCD001\x01")
	l.catalog(block(catalogBlock), image)
	pathTable(block(pathLBlock), binary.LittleEndian)
	pathTable(block(pathMBlock), binary.BigEndian)
	root := block(rootBlock)
	for _, r := range [][]byte{
		record("\x00", rootBlock, Block, true), record("\x01", rootBlock, Block, true),
		record("ABOUT.TXT;1", aboutBlock, int64(len(about)), false),
		record("EFI.IMG;1", l.Start/Block, image, false),
	} {
		root = root[copy(root, r):]
	}
	copy(head[aboutBlock*Block:], about)
	_, err := w.WriteAt(head, 0)
	return err
}

// both writes a number in both byte orders (ECMA-119 7.2.3, 7.3.3).
func both(b []byte, n int64) {
	binary.LittleEndian.PutUint32(b, uint32(n))
	binary.BigEndian.PutUint32(b[4:], uint32(n))
}

func both16(b []byte, n uint16) {
	binary.LittleEndian.PutUint16(b, n)
	binary.BigEndian.PutUint16(b[2:], n)
}

// primary is the primary volume descriptor (ECMA-119 8.4).
func (l Layout) primary(b []byte, label string) {
	for _, text := range []struct{ from, to int }{{8, 72}, {190, 813}} {
		copy(b[text.from:text.to], bytes.Repeat([]byte(" "), text.to-text.from))
	}
	copy(b, "\x01CD001\x01")
	copy(b[40:], label)
	both(b[80:], l.Total/Block)
	both16(b[120:], 1) // volumes in the set
	both16(b[124:], 1) // number of this one
	both16(b[128:], Block)
	both(b[132:], pathTableSize)
	binary.LittleEndian.PutUint32(b[140:], pathLBlock)
	binary.BigEndian.PutUint32(b[148:], pathMBlock)
	copy(b[156:], record("\x00", rootBlock, Block, true))
	for at := 813; at < 881; at += 17 { // four dates, none specified (8.4.26.1)
		copy(b[at:], "0000000000000000\x00")
	}
	b[881] = 1 // version of the file structure
}

// bootRecord points to the boot catalog (El Torito 2.0, ECMA-119 8.2).
func bootRecord(b []byte) {
	copy(b, "\x00CD001\x01EL TORITO SPECIFICATION")
	binary.LittleEndian.PutUint32(b[71:], catalogBlock)
}

// catalog has one entry (El Torito 2.1, 2.2). A boot image that is larger than the entry
// can say has the count 0: it then reaches to the end of the medium (UEFI 13.3.2.1).
func (l Layout) catalog(b []byte, image int64) {
	b[0], b[1] = 1, platformEFI
	copy(b[4:28], "Trunkline")
	b[30], b[31] = 0x55, 0xaa
	var sum uint16
	for i := 0; i < 32; i += 2 {
		sum += binary.LittleEndian.Uint16(b[i:])
	}
	binary.LittleEndian.PutUint16(b[28:], -sum)
	entry := b[32:]
	entry[0] = bootIndicator
	if n := (image + mbrSector - 1) / mbrSector; n <= maxSectors {
		binary.LittleEndian.PutUint16(entry[6:], uint16(n))
	}
	binary.LittleEndian.PutUint32(entry[8:], uint32(l.Start/Block))
}

// mbr has one partition, the boot image, for firmware that sees a disk (UEFI 5.2.1).
func (l Layout) mbr(b []byte, image int64) {
	p := b[mbrPartition:]
	copy(p[1:], "\xfe\xff\xff") // addresses by cylinder are out of use
	p[4] = typeESP
	copy(p[5:], "\xfe\xff\xff")
	binary.LittleEndian.PutUint32(p[8:], uint32(l.Start/mbrSector))
	binary.LittleEndian.PutUint32(p[12:], uint32((image+mbrSector-1)/mbrSector))
	b[mbrSignature], b[mbrSignature+1] = 0x55, 0xaa
}

const pathTableSize = 10

// pathTable has the root directory alone (ECMA-119 9.4).
func pathTable(b []byte, order binary.ByteOrder) {
	b[0] = 1
	order.PutUint32(b[2:], rootBlock)
	order.PutUint16(b[6:], 1)
}

// record is a directory record (ECMA-119 9.1), of the first day that FAT knows as well.
func record(name string, block, size int64, dir bool) []byte {
	const fixed = 33
	b := make([]byte, (fixed+len(name)+1)/2*2)
	b[0] = byte(len(b))
	both(b[2:], block)
	both(b[10:], size)
	copy(b[18:], "\x50\x01\x01") // 1980-01-01 00:00:00 UTC
	if dir {
		b[25] = 2
	}
	both16(b[28:], 1)
	b[32] = byte(len(name))
	copy(b[fixed:], name)
	return b
}
