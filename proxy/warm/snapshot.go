package warm

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"trunkline/appliance/durable"
	"trunkline/proxy/route"
)

// snapshot is the last good table of a cache: a CSV file, like those of file sources, whose
// first comments say what it is and whose last one holds the digest of all before it. It is
// written beside the old one, synced and renamed, so there is always a whole one; the digest
// tells when the disk did not keep it.
type snapshot struct {
	dir   string
	cache string
	of    string // digest of what the rows are from
	// taken is when the source gave what rows has read.
	taken time.Time
}

const (
	snapshotHead  = "# trunkline: last good table of a cache; do not edit\n"
	snapshotOf    = "# source "
	snapshotTaken = "# taken "
	snapshotEnd   = "# end sha256:"
)

// snapshotTail is the length of the last line.
const snapshotTail = len(snapshotEnd) + 2*sha256.Size + 1

func (s *snapshot) path() string { return filepath.Join(s.dir, url.PathEscape(s.cache)+".csv") }

// rows reads the table, after it was found to be whole and of the same source.
func (s *snapshot) rows(ctx context.Context, add adder) error {
	f, err := os.Open(s.path())
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("none was ever kept in %s", s.dir)
	} else if err != nil {
		return err
	}
	defer f.Close()
	body, err := s.check(f)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path(), err)
	}
	return parse(ctx, s.path(), io.NewSectionReader(f, 0, body), add)
}

// check gives the length of what the digest covers.
func (s *snapshot) check(f *os.File) (body int64, err error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if body = st.Size() - int64(snapshotTail); body < 0 {
		return 0, errors.New("is not whole")
	}
	h, tail := sha256.New(), make([]byte, snapshotTail)
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, body)); err != nil {
		return 0, err
	}
	if _, err := f.ReadAt(tail, body); err != nil {
		return 0, err
	}
	if string(tail) != snapshotEnd+hex.EncodeToString(h.Sum(nil))+"\n" {
		return 0, errors.New("is not what was written: the disk did not keep it")
	}
	r := bufio.NewReader(io.NewSectionReader(f, 0, body))
	var head [3]string
	for i := range head {
		if head[i], err = r.ReadString('\n'); err != nil {
			return 0, errors.New("is not whole")
		}
	}
	of, taken := strings.TrimSpace(strings.TrimPrefix(head[1], snapshotOf)), strings.TrimSpace(strings.TrimPrefix(head[2], snapshotTaken))
	if of != s.of {
		return 0, errors.New("is the answer to another query, or of another source")
	}
	s.taken, err = time.Parse(time.RFC3339, taken)
	return body, err
}

// write keeps a table that the source gave at a moment.
func (s *snapshot) write(t *route.Table, taken time.Time, r *route.Router) (err error) {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	// A process that was killed while it wrote left its file, and nobody else writes here.
	if err := durable.Sweep(s.path(), 0); err != nil {
		return err
	}
	f, err := durable.Create(s.path(), 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Cleanup()) }()
	h := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, h), 1<<16)
	fmt.Fprintf(w, "%s%s%s\n%s%s\n", snapshotHead, snapshotOf, s.of, snapshotTaken, taken.UTC().Format(time.RFC3339))
	if err := WriteCSV(w, t, r); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(f, "%s%x\n", snapshotEnd, h.Sum(nil)); err != nil {
		return err
	}
	return f.Commit()
}

// WriteCSV writes the rows of a table as a file source has them, in the order of their
// prefixes.
func WriteCSV(w io.Writer, t *route.Table, r *route.Router) error {
	var line []byte
	var err error
	t.Each(func(prefix []byte, set int) bool {
		line = line[:0]
		for _, c := range prefix {
			if userChar[c] && c != '%' {
				line = append(line, c)
			} else {
				line = fmt.Appendf(line, "%%%02X", c)
			}
		}
		line = append(append(append(line, ','), r.SetName(set)...), '\n')
		_, err = w.Write(line)
		return err == nil
	})
	return err
}
