package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"trunkline/appliance/durable"
)

// segments are files of lines in a directory, PREFIX-NUMBER.jsonl: the one of the highest
// number is written, the others are complete. A line that a process or a power cut ended in
// the middle of is taken away when they are opened.
type segments struct {
	dir, prefix string
	f           *os.File // the last one
	size        int64    // of the last one
	numbers     []uint64 // of all, ascending
}

const suffix = ".jsonl"

func openSegments(dir, prefix string) (*segments, error) {
	s := &segments{dir: dir, prefix: prefix}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), prefix+"-")
		number, ends := strings.CutSuffix(number, suffix)
		if n, err := strconv.ParseUint(number, 10, 64); err == nil && ok && ends && e.Type().IsRegular() {
			s.numbers = append(s.numbers, n)
		}
	}
	slices.Sort(s.numbers)
	if len(s.numbers) == 0 {
		return s, s.next()
	}
	return s, s.mend()
}

func (s *segments) path(n uint64) string {
	return filepath.Join(s.dir, fmt.Sprintf("%s-%08d%s", s.prefix, n, suffix))
}

func (s *segments) last() uint64 { return s.numbers[len(s.numbers)-1] }

// mend opens the last file and takes half a line off its end.
func (s *segments) mend() (err error) {
	if s.f, err = os.OpenFile(s.path(s.last()), os.O_RDWR|os.O_APPEND, 0o600); err != nil {
		return err
	}
	st, err := s.f.Stat()
	if err != nil {
		return err
	}
	s.size = st.Size()
	tail, err := readTail(s.f, s.size, maxLine)
	if err != nil {
		return err
	}
	if whole := int64(bytes.LastIndexByte(tail, '\n') + 1); whole != int64(len(tail)) {
		s.size -= int64(len(tail)) - whole
		return s.f.Truncate(s.size)
	}
	return nil
}

// maxLine is longer than any line, bytes: the texts of a row have 288, each byte of which
// JSON may write as six, names and times the rest.
const maxLine = 8192

// readTail reads the end of a file, at most n bytes.
func readTail(f *os.File, size, n int64) ([]byte, error) {
	b := make([]byte, min(n, size))
	_, err := f.ReadAt(b, size-int64(len(b)))
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return b, err
}

// next begins another file.
func (s *segments) next() error {
	n := uint64(1)
	if len(s.numbers) > 0 {
		n = s.last() + 1
	}
	f, err := os.OpenFile(s.path(n), os.O_RDWR|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(s.sync(), durable.SyncDir(s.dir)); err != nil {
		f.Close()
		os.Remove(f.Name())
		return err
	}
	if s.f != nil {
		s.f.Close() // it is synced
	}
	s.f, s.size, s.numbers = f, 0, append(s.numbers, n)
	return nil
}

// append writes lines to the last file, all of them or none.
func (s *segments) append(b []byte) error {
	if _, err := s.f.Write(b); err != nil {
		return errors.Join(err, s.f.Truncate(s.size))
	}
	s.size += int64(len(b))
	return nil
}

// removeFirst removes the oldest file, which is not the one that is written.
func (s *segments) removeFirst() error {
	if err := os.Remove(s.path(s.numbers[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.numbers = s.numbers[1:]
	return nil
}

func (s *segments) sync() error {
	if s.f == nil {
		return nil
	}
	return s.f.Sync()
}

func (s *segments) close() error { return errors.Join(s.sync(), s.f.Close()) }

// room says how many bytes of the file system may be written until no more than a reserve is
// left, which others need.
func room(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, os.NewSyscallError("statfs", err)
	}
	size, left := int64(st.Blocks)*st.Bsize, int64(st.Bavail)*st.Bsize
	return left - max(size/8, 8<<20), nil
}
