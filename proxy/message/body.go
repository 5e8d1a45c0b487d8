package message

import (
	"bytes"
	"strconv"
)

// Description says what a body has of a session description (RFC 8866).
type Description uint8

// Descriptions.
const (
	NoDescription     Description = iota
	HasDescription                // application/sdp, alone or as a part
	ClosedDescription             // there may be one that cannot be read: compressed, or in a multipart body that is not understood
)

// maxParts bounds the parts of a multipart body that are looked at.
const maxParts = 32

// Description finds the session description in the body of a message that parsed: the body, or
// the first part of a multipart one (RFC 5621 section 3) with the type application/sdp.
func (v *View) Description() (at Span, d Description) {
	if v.Body.Empty() {
		return Span{}, NoDescription
	}
	lines := LinesOf(v.buf)
	kind, encoding := bodyLines(&lines)
	switch {
	case mediaType(kind, "application/sdp"):
		if encoded(encoding) {
			return v.Body, ClosedDescription
		}
		return v.Body, HasDescription
	case hasPrefixFold(kind, "multipart/"):
		if encoded(encoding) {
			return v.Body, ClosedDescription
		}
		return v.part(kind)
	}
	return Span{}, NoDescription
}

// bodyLines reads the header lines that say what a body is, of a message or of a part.
func bodyLines(lines *Lines) (kind, encoding []byte) {
	for {
		l, ok := lines.Next()
		if !ok {
			return kind, encoding
		}
		name, value := lines.buf[l.Start:l.NameEnd], lines.buf[l.Value:l.Stop]
		switch {
		case equalFold(name, "c"), equalFold(name, "content-type"):
			if kind == nil {
				kind = value
			}
		case equalFold(name, "e"), equalFold(name, "content-encoding"), equalFold(name, "content-transfer-encoding"):
			if len(value) > 0 {
				encoding = value
			}
		}
	}
}

// encoded reports whether a body is not what it says as it stands.
func encoded(v []byte) bool {
	return len(v) > 0 && !equalFold(v, "identity") && !equalFold(v, "binary") && !equalFold(v, "8bit") && !equalFold(v, "7bit")
}

func hasPrefixFold(b []byte, lower string) bool {
	return len(b) >= len(lower) && equalFold(b[:len(lower)], lower)
}

// mediaType reports whether a Content-Type is one type, with parameters or without.
func mediaType(value []byte, lower string) bool {
	if !hasPrefixFold(value, lower) {
		return false
	}
	rest := value[len(lower):]
	return len(rest) == 0 || rest[0] == ';' || rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r'
}

// part finds the session description among the parts of a multipart body (RFC 2046 section
// 5.1). Parts within parts are not looked into.
func (v *View) part(kind []byte) (Span, Description) {
	mark := boundary(kind)
	if len(mark) == 0 {
		return v.Body, ClosedDescription
	}
	body, start := v.Get(v.Body), int(v.Body.Start)
	at, nested := delimiter(body, 0, mark), false
	for range maxParts {
		if at < 0 {
			break
		}
		from := bytes.IndexByte(body[at:], '\n')
		if from < 0 || bytes.HasPrefix(body[at+2+len(mark):], []byte("--")) {
			break
		}
		from += at + 1
		next := delimiter(body, from, mark)
		if next < 0 {
			return v.Body, ClosedDescription // it does not end
		}
		end := next - 1 // the line end before a delimiter is the delimiter's
		if end > from && body[end-1] == '\r' {
			end--
		}
		end = max(end, from)
		lines := Lines{buf: body[:end], pos: from, body: -1}
		kind, encoding := bodyLines(&lines)
		if first := lines.Body(); first >= 0 && mediaType(kind, "application/sdp") && first < end {
			if encoded(encoding) {
				return v.Body, ClosedDescription
			}
			return span(start+first, start+end), HasDescription
		}
		nested = nested || hasPrefixFold(kind, "multipart/")
		at = next
	}
	if nested {
		return v.Body, ClosedDescription
	}
	return Span{}, NoDescription
}

// boundary is the parameter of a multipart type.
func boundary(kind []byte) []byte {
	for {
		i := bytes.IndexByte(kind, ';')
		if i < 0 {
			return nil
		}
		kind = bytes.TrimLeft(kind[i+1:], " \t\r\n")
		if !hasPrefixFold(kind, "boundary") {
			continue
		}
		value := bytes.TrimLeft(kind[len("boundary"):], " \t")
		if len(value) == 0 || value[0] != '=' {
			continue
		}
		value = bytes.TrimLeft(value[1:], " \t")
		if len(value) > 0 && value[0] == '"' {
			value = value[1:]
			if i := bytes.IndexByte(value, '"'); i >= 0 {
				return value[:i]
			}
			return nil
		}
		if i := bytes.IndexAny(value, "; \t\r\n"); i >= 0 {
			value = value[:i]
		}
		return value
	}
}

// delimiter finds the next line from at on that begins with -- and the boundary, -1: none.
func delimiter(body []byte, at int, mark []byte) int {
	for at < len(body) {
		line := body[at:]
		if len(line) >= 2+len(mark) && line[0] == '-' && line[1] == '-' && bytes.Equal(line[2:2+len(mark)], mark) {
			return at
		}
		i := bytes.IndexByte(line, '\n')
		if i < 0 {
			return -1
		}
		at += i + 1
	}
	return -1
}

// AppendWith appends the message with other bytes in the place of a part of its body, and the
// Content-Length that follows from it. It allocates nothing where dst has room.
func (v *View) AppendWith(dst []byte, part Span, with []byte) []byte {
	b := v.buf
	from := 0
	if v.ContentLength >= 0 {
		n := v.Body.Len() - part.Len() + len(with)
		for lines := LinesOf(b); ; {
			l, ok := lines.Next()
			if !ok {
				break
			}
			if name := b[l.Start:l.NameEnd]; equalFold(name, "content-length") || equalFold(name, "l") {
				dst = append(dst, b[from:l.Value]...)
				dst = strconv.AppendInt(dst, int64(n), 10)
				from = l.Stop
			}
		}
	}
	dst = append(dst, b[from:part.Start]...)
	dst = append(dst, with...)
	return append(dst, b[part.End:]...)
}
