// Package writelog reads the log that a machine's disk keeps of what is written to it
// (vm.Config.WriteLog), and makes of it and the disk from before the disk as it was at any
// moment, or as a power cut at that moment may have left it.
//
// What is promised: replaying the first n entries gives what a machine that was ended after its
// n-th write leaves. A log whose machine was ended amid a write is read up to its last whole
// entry. Nothing is read into memory but the entries without their data.
//
// The format is that of Linux's device-mapper target log-writes, version 1 (kernel
// documentation, admin-guide/device-mapper/log-writes; drivers/md/dm-log-writes.c), as QEMU's
// filter blklogwrites writes it: little endian; a superblock, then for each entry a sector that
// describes it and the sectors of its data. QEMU logs a write once it has completed.
package writelog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Of the superblock and of entries, bytes.
const (
	magic       = 0x6a736677736872
	version     = 1
	superBytes  = 28 // magic, version, number of entries: 8 each; size of a sector: 4
	entryBytes  = 32 // first sector, sectors, flags, bytes of data: 8 each
	leastSector = 512
	mostSector  = 1 << 16 // more than any disk has
)

// Flags of an entry.
const (
	flagFlush    = 1 << iota // what completed before is durable
	flagFUA                  // the write itself is durable
	flagDiscard              // no data: the sectors may hold anything
	flagMark                 // no write: a name that somebody gave this moment
	flagMetadata             // a write of a file system's own
	flags        = flagFlush | flagFUA | flagDiscard | flagMark | flagMetadata
)

// Entry is one thing that was done to the disk.
type Entry struct {
	Offset, Length int64 // of the write on the disk, bytes; Length 0: none, a flush alone
	Flush, FUA     bool

	data int64 // where the log has what was written
	end  int64 // where the log goes on
}

// Log is an open log.
type Log struct {
	from    io.ReaderAt
	entries []Entry
}

// Read reads a log of size bytes, which stays in use.
func Read(from io.ReaderAt, size int64) (*Log, error) {
	var super [superBytes]byte
	if _, err := from.ReadAt(super[:], 0); err != nil {
		return nil, fmt.Errorf("log of writes: %w", err)
	}
	le := binary.LittleEndian
	if le.Uint64(super[0:]) != magic {
		return nil, errors.New("log of writes: it has no superblock; it gets one when the disk is flushed for the first time")
	}
	if v := le.Uint64(super[8:]); v != version {
		return nil, fmt.Errorf("log of writes: format version %d, and %d is known", v, version)
	}
	sector := int64(le.Uint32(super[24:]))
	if sector < leastSector || sector > mostSector || sector&(sector-1) != 0 {
		return nil, fmt.Errorf("log of writes: sectors of %d bytes", sector)
	}
	// The number of entries in the superblock is that of the last flush: the log goes on.
	l := &Log{from: from}
	for at := sector; ; {
		e, ok, err := readEntry(from, at, sector, size)
		if err != nil || !ok {
			return l, err
		}
		l.entries = append(l.entries, e)
		at = e.end
	}
}

// readEntry reads the entry at a place of the log; false: there is no whole one.
func readEntry(from io.ReaderAt, at, sector, size int64) (Entry, bool, error) {
	if at > size-sector {
		return Entry{}, false, nil
	}
	var b [entryBytes]byte
	if _, err := from.ReadAt(b[:], at); err != nil {
		return Entry{}, false, fmt.Errorf("log of writes: %w", err)
	}
	le := binary.LittleEndian
	first, n, f := le.Uint64(b[0:]), le.Uint64(b[8:]), le.Uint64(b[16:])
	if n == 0 && f == 0 {
		return Entry{}, false, nil // not written yet, while one behind it was
	}
	most := uint64(1<<62) / uint64(sector)
	if f&^flags != 0 || first > most || n > most-first {
		return Entry{}, false, fmt.Errorf("log of writes: what is at byte %d is no entry", at)
	}
	e := Entry{Offset: int64(first) * sector, Flush: f&flagFlush != 0, FUA: f&flagFUA != 0, data: at + sector, end: at + sector}
	if f&(flagDiscard|flagMark) != 0 {
		return e, true, nil
	}
	e.Length = int64(n) * sector
	if e.Length > size-e.data {
		return Entry{}, false, nil
	}
	e.end += e.Length
	return e, true, nil
}

// Entries are in the order they completed in.
func (l *Log) Entries() []Entry { return l.entries }

// Within is the number of entries in the first size bytes of the log: who looks at the size of
// the file when something happens knows afterwards which entries came before it.
func (l *Log) Within(size int64) int {
	n := 0
	for n < len(l.entries) && l.entries[n].end <= size {
		n++
	}
	return n
}
