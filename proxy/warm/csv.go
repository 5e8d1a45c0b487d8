package warm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
)

// maxLine bounds a line of a source: a file that is no table at all must not fill
// the memory before anyone notices.
const maxLine = 4096

var (
	byteOrderMark = []byte("\ufeff") // which spreadsheets write
	quote         = []byte{'"'}
)

// parse reads rows of prefix and dispatcher set. Its errors begin with name:line. Lines
// without quotes, which is all of them as a rule, are read here, several times as fast as by
// encoding/csv, which reads the others.
func parse(ctx context.Context, name string, in io.Reader, add adder) error {
	r := bufio.NewReaderSize(in, 1<<16) // few system calls
	for n := 1; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		line, err := r.ReadSlice('\n')
		end := errors.Is(err, io.EOF)
		if errors.Is(err, bufio.ErrBufferFull) || len(line) > maxLine+1 {
			return fmt.Errorf("%s:%d: the line is longer than %d bytes: this is no table of prefix and dispatcher set", name, n, maxLine)
		}
		if err != nil && !end {
			return fmt.Errorf("%s: read: %w", name, err)
		}
		if n == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if err := parseLine(bytes.TrimRight(line, "\r\n"), add); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		if end {
			return nil
		}
	}
}

// parseLine reads a line: a row, a comment, or nothing.
func parseLine(line []byte, add adder) error {
	if len(bytes.TrimSpace(line)) == 0 || line[0] == '#' {
		return nil
	}
	if bytes.Contains(line, quote) {
		return quoted(line, add)
	}
	fields := bytes.Count(line, []byte{','}) + 1
	if fields != 2 {
		return errFields(fields)
	}
	prefix, set, _ := bytes.Cut(line, []byte{','})
	return add(prefix, set)
}

func quoted(line []byte, add adder) error {
	c := csv.NewReader(bytes.NewReader(line))
	c.FieldsPerRecord = -1
	c.TrimLeadingSpace = true
	rec, err := c.Read()
	var pe *csv.ParseError
	switch {
	case errors.As(err, &pe):
		return fmt.Errorf("this is not CSV: %w: write a prefix, a comma and a dispatcher set, without quotes", pe.Err)
	case err != nil:
		return err
	case len(rec) != 2:
		return errFields(len(rec))
	}
	return add([]byte(rec[0]), []byte(rec[1]))
}

func errFields(n int) error {
	return fmt.Errorf("a row has 2 fields, this one has %d: write a prefix, a comma and a dispatcher set", n)
}
