package debian

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Bounds of one stanza; the largest of Debian's are a few kilobytes, and the
// SHA256 list of a Release file some hundred.
const (
	maxStanzaFields = 256
	maxStanzaBytes  = 16 << 20
)

// A Field is one field of a control stanza. Continuation lines are kept in the
// value, joined by newlines, without their leading blank.
type Field struct{ Name, Value string }

// Stanza is one paragraph of a control file, fields in file order.
type Stanza []Field

// Get returns the value of a field, "" when absent. Names are matched without
// regard to case (Policy 5.1).
func (s Stanza) Get(name string) string {
	for _, f := range s {
		if strings.EqualFold(f.Name, name) {
			return f.Value
		}
	}
	return ""
}

// StanzaReader reads a control file stanza by stanza.
type StanzaReader struct {
	r    *bufio.Reader
	line int
}

// NewStanzaReader reads stanzas from r.
func NewStanzaReader(r io.Reader) *StanzaReader {
	return &StanzaReader{r: bufio.NewReaderSize(r, 64<<10)}
}

// Next returns the next stanza, io.EOF after the last. An error names the line.
func (s *StanzaReader) Next() (Stanza, error) {
	var out Stanza
	var cont []string // lines of the last field's value
	size := 0
	end := func() {
		if cont != nil {
			out[len(out)-1].Value = strings.Join(cont, "\n")
			cont = nil
		}
	}
	for {
		line, err := s.readLine(maxStanzaBytes - size)
		if errors.Is(err, io.EOF) {
			end()
			if len(out) == 0 {
				return nil, io.EOF
			}
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		size += len(line)
		switch {
		case strings.TrimSpace(line) == "":
			if len(out) == 0 {
				continue
			}
			end()
			return out, nil
		case line[0] == '#':
		case line[0] == ' ' || line[0] == '\t':
			if len(out) == 0 {
				return nil, fmt.Errorf("line %d: continuation without a field", s.line)
			}
			if cont == nil {
				cont = []string{out[len(out)-1].Value}
			}
			cont = append(cont, strings.TrimSpace(line))
		default:
			end()
			name, value, ok := strings.Cut(line, ":")
			if !ok || name == "" || strings.ContainsAny(name, " \t") {
				return nil, fmt.Errorf("line %d: no field name: %.40q", s.line, line)
			}
			if len(out) == maxStanzaFields {
				return nil, fmt.Errorf("line %d: more than %d fields in one stanza", s.line, maxStanzaFields)
			}
			out = append(out, Field{name, strings.TrimSpace(value)})
		}
	}
}

// readLine reads one line of at most limit bytes, without its newline. A last
// line without a newline counts.
func (s *StanzaReader) readLine(limit int) (string, error) {
	var long []byte
	for {
		frag, err := s.r.ReadSlice('\n')
		if len(long)+len(frag) > limit {
			return "", fmt.Errorf("line %d: stanza larger than %d bytes", s.line+1, maxStanzaBytes)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			long = append(long, frag...)
			continue
		case errors.Is(err, io.EOF) && len(long)+len(frag) == 0:
			return "", io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return "", err
		}
		s.line++
		if long != nil {
			frag = append(long, frag...)
		}
		return strings.TrimRight(string(frag), "\r\n"), nil
	}
}
