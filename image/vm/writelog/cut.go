package writelog

import (
	"fmt"
	"io"
	"math/rand/v2"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// Disk is written to; a file of an image is one.
type Disk interface{ io.WriterAt }

// Replay does to a disk what the entries from one to before another did. A disk that has had the
// first from of them has the first to of them then.
func (l *Log) Replay(d Disk, from, to int) error {
	for _, e := range l.entries[from:to] {
		if err := l.write(d, e, 0, e.Length); err != nil {
			return err
		}
	}
	return nil
}

// Durable is how many of the first n entries are on the disk whatever happens: those up to the
// last flush among them.
func (l *Log) Durable(n int) int {
	for ; n > 0; n-- {
		if l.entries[n-1].Flush {
			return n
		}
	}
	return 0
}

// Loss is what a power cut made of the writes that were not durable.
type Loss struct{ Whole, Torn, Lost int }

func (l Loss) String() string {
	return fmt.Sprintf("%d writes since the last flush: %d arrived, %d in part, %d not", l.Whole+l.Torn+l.Lost, l.Whole, l.Torn, l.Lost)
}

// Cut does to a disk that has had the first Durable(n) entries what the rest of the first n may
// come to when the power goes: the disk had them in its cache, and each has arrived, has not, or
// some of its sectors have, in any order. The same random numbers give the same disk.
func (l *Log) Cut(d Disk, n int, random *rand.Rand) (Loss, error) {
	var loss Loss
	from := l.Durable(n)
	for _, i := range random.Perm(n - from) {
		e := l.entries[from+i]
		fate := random.IntN(3)
		switch {
		case e.Length == 0:
		case e.FUA || fate == 0:
			loss.Whole++
			if err := l.write(d, e, 0, e.Length); err != nil {
				return loss, err
			}
		case fate == 1 && e.Length > sectorBytes:
			loss.Torn++
			for at := int64(0); at < e.Length; at += sectorBytes {
				if random.IntN(2) == 0 {
					continue
				}
				if err := l.write(d, e, at, sectorBytes); err != nil {
					return loss, err
				}
			}
		default:
			loss.Lost++
		}
	}
	return loss, nil
}

// write writes n bytes of an entry's data, from one of them on.
func (l *Log) write(d Disk, e Entry, from, n int64) error {
	to := io.NewOffsetWriter(d, e.Offset+from)
	if _, err := io.Copy(to, io.NewSectionReader(l.from, e.data+from, n)); err != nil {
		return fmt.Errorf("replaying a write of %d bytes at byte %d of the disk: %w", e.Length, e.Offset, err)
	}
	return nil
}
