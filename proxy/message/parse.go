package message

import "bytes"

// Parse reads the message in b, which the View refers to from then on. The error
// is nil or a [Fault]: the first one found. After a fault the View holds what could
// be read, so that a reply can be built when Replyable says so.
func (v *View) Parse(b []byte) error {
	*v = View{MaxForwards: -1, ContentLength: -1}
	for len(b) > 0 && (b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	v.buf = b
	switch {
	case len(b) == 0:
		v.fault = FaultEmpty
	case len(b) > MaxSize:
		v.buf, v.fault = nil, FaultTooLarge
	default:
		if end, ok := v.startLine(); ok {
			v.headers(end)
		}
	}
	if v.fault != FaultNone {
		return v.fault
	}
	return nil
}

// flaw keeps the first fault.
func (v *View) flaw(f Fault) {
	if v.fault == FaultNone {
		v.fault = f
	}
}

const version = "SIP/2.0"

// startLine reads the first line and returns the offset after it. ok is false when
// the rest is not worth reading.
func (v *View) startLine() (next int, ok bool) {
	b := v.buf
	nl := bytes.IndexByte(b, '\n')
	if nl < 0 {
		v.flaw(FaultNotSIP)
		return 0, false
	}
	end := nl
	if end > 0 && b[end-1] == '\r' {
		end--
	} else {
		v.flaw(FaultLineEnd)
	}
	if bytes.IndexByte(b[:end], '\r') >= 0 || bytes.IndexByte(b[:end], 0) >= 0 {
		v.flaw(FaultNotSIP)
		return 0, false
	}
	if end >= 4 && equalFold(b[:4], "sip/") {
		return nl + 1, v.statusLine(end)
	}
	return nl + 1, v.requestLine(end)
}

// statusLine reads "SIP/2.0 SP code SP phrase"; the phrase and the space before it
// may be missing.
func (v *View) statusLine(end int) bool {
	b := v.buf[:end]
	if len(b) <= len(version) || !equalFold(b[:len(version)], "sip/2.0") || b[len(version)] != ' ' {
		v.flaw(FaultNotSIP)
		return false
	}
	i := len(version) + 1
	code, to, ok := scanNumber(b, i, end, 699)
	if !ok || to-i != 3 || code < 100 || (to < end && b[to] != ' ') {
		v.flaw(FaultStatusLine)
		return false
	}
	v.status = uint16(code)
	if to < end {
		v.Reason = span(to+1, end)
	}
	return true
}

// requestLine reads "method SP Request-URI SP SIP/2.0".
func (v *View) requestLine(end int) bool {
	b := v.buf[:end]
	i := skipToken(b, 0, end)
	if i == 0 || i == end || b[i] != ' ' {
		v.flaw(FaultNotSIP)
		return false
	}
	// The version, wherever the spaces are, tells SIP from noise.
	last := bytes.LastIndexByte(b[:trimLWS(b, 0, end)], ' ')
	if len(b)-last <= 4 || !equalFold(b[last+1:last+5], "sip/") {
		v.flaw(FaultNotSIP)
		return false
	}
	v.request = true
	v.MethodText = span(0, i)
	v.Method = ParseMethod(b[:i])
	if !equalFold(b[last+1:trimLWS(b, 0, end)], "sip/2.0") {
		v.flaw(FaultVersion)
	}
	from, to := i+1, last
	if to <= from || b[end-1] == ' ' || b[end-1] == '\t' {
		v.flaw(FaultRequestLine)
	}
	if to <= from {
		v.URI = span(i, i)
		return true
	}
	v.URI = span(from, to)
	uri := b[from:to]
	if bytes.IndexByte(uri, ' ') >= 0 || bytes.IndexByte(uri, '\t') >= 0 {
		v.flaw(FaultRequestLine)
	}
	if uri[0] == '<' || hasHeaders(uri) {
		v.flaw(FaultURI)
	}
	return true
}

// hasHeaders reports whether a SIP URI carries header fields, which a Request-URI
// must not (RFC 3261 19.1.1). A question mark in the user part is none.
func hasHeaders(uri []byte) bool {
	q := bytes.LastIndexByte(uri, '?')
	return q >= 0 && len(uri) > 3 && equalFold(uri[:3], "sip") && bytes.IndexByte(uri[q:], '@') < 0
}

// headers reads the header lines from offset pos on and finds the body.
func (v *View) headers(pos int) {
	b := v.buf
	from, crlfs, lfs, lines := pos, 0, 0, 0
	for {
		if pos < len(b) && b[pos] == '\n' {
			pos++
			lfs++
			break
		}
		if pos+1 < len(b) && b[pos] == '\r' && b[pos+1] == '\n' {
			pos += 2
			lfs++
			crlfs++
			break
		}
		start := pos
		for {
			n := bytes.IndexByte(b[pos:], '\n')
			if n < 0 {
				v.flaw(FaultUnterminated)
				v.complete(len(b))
				return
			}
			pos += n + 1
			lfs++
			if n > 0 && b[pos-2] == '\r' {
				crlfs++
			}
			if pos == len(b) || (b[pos] != ' ' && b[pos] != '\t') {
				break
			}
		}
		if lines++; lines > MaxHeaders {
			v.flaw(FaultTooManyLines)
			v.complete(len(b))
			return
		}
		v.header(start, pos)
	}
	// A lone CR or LF ends a line for some readers and not for others, which would
	// then see different headers; only CRLF does (RFC 3261 7). Counting CRs once is
	// cheaper than looking at each line.
	if lfs != crlfs || bytes.Count(b[from:pos], crByte) != crlfs {
		v.flaw(FaultLineEnd)
	}
	v.complete(pos)
}

var crByte = []byte{'\r'}

// complete checks what must be there once the header, which ends before body, has
// been read.
func (v *View) complete(body int) {
	if v.Via.Line.Empty() {
		v.flaw(FaultNoVia)
	}
	if v.From.Line.Empty() {
		v.flaw(FaultNoFrom)
	}
	if v.To.Line.Empty() {
		v.flaw(FaultNoTo)
	}
	if v.callIDLine.Empty() {
		v.flaw(FaultNoCallID)
	}
	if v.cseqLine.Empty() {
		v.flaw(FaultNoCSeq)
	}
	if v.request && v.fault == FaultNone && !bytes.Equal(v.Get(v.MethodText), v.Get(v.CSeqMethodText)) {
		v.flaw(FaultCSeqMethod)
	}
	end := len(v.buf)
	if n := int(v.ContentLength); n >= 0 {
		if n > end-body {
			v.flaw(FaultTruncated)
		} else {
			end = body + n
		}
	}
	v.Body = span(body, end)
	v.buf = v.buf[:end]
}
