package message

import "bytes"

// Lines walks over the header lines of a message, for who looks at all of them;
// Parse looks only at those a proxy must understand. Folded lines are one line
// (RFC 3261 7.3.1). It allocates nothing.
type Lines struct {
	buf  []byte
	pos  int
	body int
}

// Line is one header line as offsets into its message.
type Line struct {
	Start   int // of the name
	NameEnd int // after the name; Start when the line has none
	Value   int // of the value, without white space before it
	Stop    int // after the value, without white space behind it
	End     int // after the line end
}

// LinesOf starts at the first header line of the message in b, the one after the
// start line.
func LinesOf(b []byte) Lines {
	l := Lines{buf: b, pos: len(b), body: -1}
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		l.pos = i + 1
	}
	return l
}

// Next gives the next line. ok is false when the header has ended.
func (l *Lines) Next() (line Line, ok bool) {
	b, start := l.buf, l.pos
	if start == len(b) {
		return line, false
	}
	if b[start] == '\n' {
		l.body = start + 1
		return line, false
	}
	if b[start] == '\r' && start+1 < len(b) && b[start+1] == '\n' {
		l.body = start + 2
		return line, false
	}
	end := start
	for {
		i := bytes.IndexByte(b[end:], '\n')
		if i < 0 {
			end = len(b)
			break
		}
		end += i + 1
		if end == len(b) || (b[end] != ' ' && b[end] != '\t') {
			break
		}
	}
	l.pos = end
	line = Line{Start: start, NameEnd: start, Value: start, End: end}
	name := skipToken(b, start, end)
	colon := name
	for colon < end && (b[colon] == ' ' || b[colon] == '\t') {
		colon++
	}
	if name > start && colon < end && b[colon] == ':' {
		line.NameEnd = name
		line.Value = skipLWS(b, colon+1, end)
	}
	line.Stop = trimLWS(b, line.Value, end)
	return line, true
}

// Find gives the value of the next line of a name, written in lower case and in full. ok
// is false when there is none any more.
func (l *Lines) Find(lower string) (value []byte, ok bool) {
	for {
		line, ok := l.Next()
		if !ok {
			return nil, false
		}
		if equalFold(l.buf[line.Start:line.NameEnd], lower) {
			return l.buf[line.Value:line.Stop], true
		}
	}
}

// Body is the offset of the body once Next has come to the end of the header, -1
// when the header does not end.
func (l *Lines) Body() int { return l.body }
