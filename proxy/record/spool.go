package record

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// spool is a queue of lines on the disk, of bounded size, that outlives the process. What was
// taken from it and not yet removed when the process ended is there again: whoever gets the
// lines must know those it has.
type spool struct {
	s       *segments
	max     int64 // bytes
	segment int64
	bytes   int64 // of all files
	count   int64 // lines that wait
	at      int64 // in the first file: where the first line that waits begins
}

var errSpoolFull = errors.New("the spool is full")

// openSpool opens the queue of a directory, which it makes.
func openSpool(dir string, limit, segment int64) (*spool, error) {
	s, err := openSegments(dir, "spool")
	if err != nil {
		return nil, err
	}
	q := &spool{s: s, max: limit, segment: segment}
	for _, n := range s.numbers {
		lines, size, err := countLines(s.path(n))
		if err != nil {
			return nil, err
		}
		q.count, q.bytes = q.count+lines, q.bytes+size
	}
	return q, nil
}

func countLines(path string) (lines, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := f.Read(b)
		for _, c := range b[:n] {
			if c == '\n' {
				lines++
			}
		}
		size += int64(n)
		if err == io.EOF {
			return lines, size, nil
		} else if err != nil {
			return 0, 0, err
		}
	}
}

// append queues lines and has the disk keep them.
func (q *spool) append(b []byte, lines int) error {
	n := int64(len(b))
	if q.bytes+n > q.max {
		return fmt.Errorf("%w: it has %d bytes", errSpoolFull, q.bytes)
	}
	if left, err := room(q.s.dir); err != nil {
		return err
	} else if left < n {
		return fmt.Errorf("%w: no room is left on the state partition", errSpoolFull)
	}
	if q.s.size > 0 && q.s.size+n > q.segment {
		if err := q.s.next(); err != nil {
			return err
		}
	}
	before := q.s.size
	if err := q.s.append(b); err != nil {
		return err
	}
	if err := q.s.sync(); err != nil {
		err = errors.Join(err, q.s.f.Truncate(before))
		q.s.size = before
		return err
	}
	q.bytes, q.count = q.bytes+n, q.count+int64(lines)
	return nil
}

// first gives the lines that wait longest, at most n of one file, and what remove is to be
// told once they need not be kept.
func (q *spool) first(n int) (lines [][]byte, size int64, err error) {
	for {
		f, err := os.Open(q.s.path(q.s.numbers[0]))
		if err != nil {
			return nil, 0, err
		}
		lines, size, err = readLines(f, q.at, n)
		f.Close()
		if err != nil || len(lines) > 0 || len(q.s.numbers) == 1 {
			return lines, size, err
		}
		if err := q.dropFirst(); err != nil {
			return nil, 0, err
		}
	}
}

func readLines(f *os.File, at int64, n int) (lines [][]byte, size int64, err error) {
	if _, err := f.Seek(at, io.SeekStart); err != nil {
		return nil, 0, err
	}
	r := bufio.NewReaderSize(f, 1<<16)
	for len(lines) < n {
		line, err := r.ReadBytes('\n')
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, 0, err
		}
		lines, size = append(lines, line), size+int64(len(line))
	}
	return lines, size, nil
}

// remove takes lines off that first gave.
func (q *spool) remove(lines int, size int64) error {
	q.at, q.count = q.at+size, q.count-int64(lines)
	if q.count > 0 {
		return nil
	}
	// All were taken: begin anew, so that no restart sends them again.
	if err := q.s.next(); err != nil {
		return err
	}
	for len(q.s.numbers) > 1 {
		if err := q.dropFirst(); err != nil {
			return err
		}
	}
	return nil
}

// dropFirst removes the first file, all lines of which were taken.
func (q *spool) dropFirst() error {
	st, err := os.Stat(q.s.path(q.s.numbers[0]))
	if err != nil {
		return err
	}
	if err := q.s.removeFirst(); err != nil {
		return err
	}
	q.bytes, q.at = q.bytes-st.Size(), 0
	return nil
}
