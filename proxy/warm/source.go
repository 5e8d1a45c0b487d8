package warm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"trunkline/proxy/route"
)

// maxLine bounds a line of a source: a file that is no table at all must not fill
// the memory before anyone notices.
const maxLine = 4096

// readFile reads the CSV file at path into a table. It streams, so the file may be
// a FIFO or larger than memory would like; ctx ends it even while it waits for
// somebody to write. progress is called with the rows read so far.
func readFile(ctx context.Context, path string, rows int, r *route.Router, progress func(int)) (*route.Table, error) {
	f, err := open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.IsDir() {
		return nil, fmt.Errorf("%s is a directory: name a CSV file", path)
	}
	// Closing the file ends a read that waits, which a context alone cannot.
	stop := context.AfterFunc(ctx, func() { f.Close() })
	defer stop()
	t, err := parse(ctx, path, f, rows, r, progress)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", path, context.Cause(ctx))
	}
	return t, err
}

// open opens path for reading. Opening a FIFO waits for its writer; when ctx ends
// first, open becomes the writer itself for a moment to end the wait.
func open(ctx context.Context, path string) (*os.File, error) {
	type result struct {
		f   *os.File
		err error
	}
	done := make(chan result, 1)
	go func() {
		f, err := os.Open(path)
		done <- result{f, err}
	}()
	select {
	case r := <-done:
		return r.f, r.err
	case <-ctx.Done():
	}
	if w, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		_ = w.Close()
	}
	go func() {
		if r := <-done; r.err == nil {
			_ = r.f.Close()
		}
	}()
	return nil, fmt.Errorf("%s: %w", path, context.Cause(ctx))
}

// parse reads rows of prefix and dispatcher set. Its errors begin with name:line.
func parse(ctx context.Context, name string, in io.Reader, rows int, r *route.Router, progress func(int)) (*route.Table, error) {
	lines := &lineLimit{r: bufio.NewReaderSize(in, 1<<16)}
	c := csv.NewReader(lines)
	c.Comment = '#'
	c.FieldsPerRecord = -1
	c.TrimLeadingSpace = true
	c.ReuseRecord = true
	b := route.NewBuilder(rows)
	var key []byte
	for n := 0; ; n++ {
		if n%1024 == 0 {
			progress(n)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		rec, err := c.Read()
		if errors.Is(err, io.EOF) {
			progress(n)
			break
		}
		if err != nil {
			return nil, readError(name, lines, err)
		}
		line, _ := c.FieldPos(0)
		if len(rec) != 2 {
			return nil, fmt.Errorf("%s:%d: a row has 2 fields, this one has %d: write a prefix, a comma and a dispatcher set", name, line, len(rec))
		}
		prefix, set := strings.TrimSpace(rec[0]), strings.TrimSpace(rec[1])
		if i := strings.IndexFunc(prefix, notUser); i >= 0 {
			return nil, fmt.Errorf("%s:%d: prefix %q holds a character that no user part of a SIP URI has (RFC 3261 section 25.1): correct the row", name, line, prefix)
		}
		v, ok := r.Set([]byte(set))
		if !ok {
			return nil, fmt.Errorf("%s:%d: there is no dispatcher %q: use one of %s", name, line, set, r.SetNames())
		}
		key = append(key[:0], prefix...)
		if err := b.Add(key, v); err != nil {
			return nil, fmt.Errorf("%s:%d: prefix %q: %w", name, line, prefix, err)
		}
	}
	return b.Table(), nil
}

func readError(name string, lines *lineLimit, err error) error {
	var pe *csv.ParseError
	switch {
	case errors.Is(err, errLine):
		return fmt.Errorf("%s:%d: the line is longer than %d bytes: this is no table of prefix and dispatcher set", name, lines.line, maxLine)
	case errors.As(err, &pe):
		return fmt.Errorf("%s:%d: this is not CSV: %w: write a prefix, a comma and a dispatcher set, without quotes", name, pe.StartLine, pe.Err)
	default:
		return fmt.Errorf("%s: read: %w", name, err)
	}
}

// notUser reports whether no user part holds c as it stands. Bytes beyond ASCII are
// escaped there, so '%' is fine and they are not.
func notUser(c rune) bool {
	return c > '~' || c < '!' || strings.ContainsRune("\"<>[\\]^`{|}#@:", c)
}

var errLine = errors.New("line too long")

// lineLimit passes a stream on and ends it with errLine at a line beyond maxLine.
// A byte order mark at the beginning, which spreadsheets write, is left out.
type lineLimit struct {
	r       *bufio.Reader
	line    int // the line being read, from 1
	length  int
	started bool
}

func (l *lineLimit) Read(p []byte) (int, error) {
	if !l.started {
		l.started, l.line = true, 1
		if b, err := l.r.Peek(3); err == nil && string(b) == "\ufeff" {
			_, _ = l.r.Discard(3)
		}
	}
	n, err := l.r.Read(p)
	for rest := p[:n]; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			l.length += len(rest)
			break
		}
		if l.length += i; l.length > maxLine {
			return 0, errLine
		}
		l.line, l.length, rest = l.line+1, 0, rest[i+1:]
	}
	if l.length > maxLine {
		return 0, errLine
	}
	return n, err
}
