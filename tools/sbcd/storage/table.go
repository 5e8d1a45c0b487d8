package storage

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Fields of the header of a GUID partition table (UEFI 2.10, 5.3.2), and of the record of the
// protective MBR (5.2.3).
const (
	gptSize       = 12 // of the header, bytes
	gptCRC        = 16 // of the header, taken with zeros here
	gptMine       = 24 // block of this header
	gptOther      = 32 // block of the other one
	gptLast       = 48 // last block a partition may have
	gptEntries    = 72 // first block of the entries
	gptCount      = 80 // of entries
	gptEntrySize  = 84
	gptEntriesCRC = 88
	gptLeast      = 92 // bytes of a header

	mbrBlocks = 446 + 12 // of the record that covers the disk
)

var gptMagic = []byte("EFI PART")

// maxEntries bounds the entries that are read, bytes; a table has 16 KiB of them.
const maxEntries = 1 << 20

// extend tells the partition table of a disk that the disk has become larger, as a disk has
// that an image was written to: systemd-repart uses what the table says there is. The backup of
// the table moves to the end. It reports whether there was something to do.
//
// A power cut at any moment leaves a table that counts: the new backup is on the disk before
// the header that names it, which is one block.
func extend(disk *os.File, size, block int64) (bool, error) {
	header, entries, err := readTable(disk, block)
	if err != nil {
		return false, err
	}
	le := binary.LittleEndian
	last := uint64(size/block) - 1
	room := (uint64(len(entries)) + uint64(block) - 1) / uint64(block)
	if le.Uint64(header[gptOther:]) >= last || le.Uint64(header[gptLast:]) >= last-room {
		return false, nil
	}
	le.PutUint64(header[gptOther:], last)
	le.PutUint64(header[gptLast:], last-room-1)
	backup := bytes.Clone(header)
	le.PutUint64(backup[gptMine:], last)
	le.PutUint64(backup[gptOther:], le.Uint64(header[gptMine:]))
	le.PutUint64(backup[gptEntries:], last-room)
	for _, w := range []struct {
		data  []byte
		block uint64
		seal  bool
	}{{entries, last - room, false}, {backup, last, true}, {header, le.Uint64(header[gptMine:]), true}} {
		if w.seal {
			seal(w.data)
		}
		if _, err := disk.WriteAt(w.data, int64(w.block)*block); err != nil {
			return false, err
		}
		if err := disk.Sync(); err != nil {
			return false, err
		}
	}
	var covers [4]byte // a disk of more than 2 TiB has all ones there
	le.PutUint32(covers[:], uint32(min(last, 1<<32-1)))
	if _, err := disk.WriteAt(covers[:], mbrBlocks); err != nil {
		return false, err
	}
	return true, disk.Sync()
}

// readTable reads the first block's worth of the header and all entries, and checks them.
func readTable(disk io.ReaderAt, block int64) (header, entries []byte, err error) {
	header = make([]byte, block)
	if _, err := disk.ReadAt(header, block); err != nil {
		return nil, nil, fmt.Errorf("partition table: %w", err)
	}
	le := binary.LittleEndian
	n := le.Uint32(header[gptSize:])
	if !bytes.HasPrefix(header, gptMagic) || n < gptLeast || int64(n) > block {
		return nil, nil, errors.New("the disk has no GUID partition table")
	}
	want := le.Uint32(header[gptCRC:])
	if seal(header) != want {
		return nil, nil, errors.New("the header of the partition table is damaged")
	}
	size := int64(le.Uint32(header[gptCount:])) * int64(le.Uint32(header[gptEntrySize:]))
	if size <= 0 || size > maxEntries {
		return nil, nil, fmt.Errorf("the partition table claims %d bytes of entries", size)
	}
	entries = make([]byte, size)
	if _, err := disk.ReadAt(entries, int64(le.Uint64(header[gptEntries:]))*block); err != nil {
		return nil, nil, fmt.Errorf("partition table: %w", err)
	}
	if crc32.ChecksumIEEE(entries) != le.Uint32(header[gptEntriesCRC:]) {
		return nil, nil, errors.New("the entries of the partition table are damaged")
	}
	return header, entries, nil
}

// seal writes the checksum of a header into it and returns it.
func seal(header []byte) uint32 {
	le := binary.LittleEndian
	le.PutUint32(header[gptCRC:], 0)
	sum := crc32.ChecksumIEEE(header[:le.Uint32(header[gptSize:])])
	le.PutUint32(header[gptCRC:], sum)
	return sum
}

// extendDisk is extend for a disk of this machine.
func extendDisk(disk string) error {
	f, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // synced
	block, err := unix.IoctlGetInt(int(f.Fd()), unix.BLKSSZGET)
	if err != nil {
		return fmt.Errorf("%s: %w", disk, err)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("%s: %w", disk, err)
	}
	_, err = extend(f, size, int64(block))
	return err
}
