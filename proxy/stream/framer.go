package stream

import "bytes"

// Kind is what a framer found.
type Kind uint8

// Kinds.
const (
	More    Kind = iota // nothing whole; more bytes are needed
	Message             // a message
	Ping                // a keep-alive that wants an answer
	Broken              // a message whose end cannot be told; nothing follows
	End                 // the peer said that it closes (WebSocket)
	Idle                // a keep-alive that wants no answer (WebSocket)
)

// Fault is why a stream cannot be cut into messages.
type Fault uint8

// Faults.
const (
	FaultNone       Fault = iota
	FaultHeaderSize       // the header is longer than allowed
	FaultBodySize         // the message is longer than allowed
	FaultNoLength         // no Content-Length (RFC 3261 18.3 requires one)
	FaultLength           // a Content-Length that is no number
	FaultConflict         // Content-Lengths that differ
	FaultWebSocket        // RFC 6455 is violated
	numFaults
)

var faultNames = [numFaults]string{"none", "header_size", "body_size", "no_content_length", "bad_content_length", "conflicting_content_length", "websocket"}

func (f Fault) String() string { return faultNames[f] }

// Framer cuts the bytes of a stream into SIP messages (RFC 3261 7.5, 18.3). It does
// no I/O: the caller reads into Space, says with Wrote how much, and calls Next until it
// returns More. However the bytes are split, the messages are the same.
type Framer struct {
	MaxHeader  int // bytes of start line and header lines
	MaxMessage int // bytes of a message in all

	in    buffer
	scan  int   // bytes of the present header that were searched for its end
	size  int   // of the present message, once its header is complete
	crlf  uint8 // how much of CRLF CRLF was seen
	fault Fault
}

// Space is where to read to. It ends the life of what Next returned.
func (f *Framer) Space() []byte { return f.in.space(f.size) }

// Wrote says that n bytes were read into Space.
func (f *Framer) Wrote(n int) { f.in.w += n }

// Partial reports whether a message has begun and is not complete.
func (f *Framer) Partial() bool { return f.in.r < f.in.w && f.fault == FaultNone }

// Fault is why Next returned Broken.
func (f *Framer) Fault() Fault { return f.fault }

// Release gives the memory back; the framer is not to be used after.
func (f *Framer) Release() { f.in.release() }

// Next returns what comes next. With Message it is the message; with Broken the header
// of the message that cannot be told from what follows, nil when even that is too long.
// The bytes are valid until Space is called, and belong to the caller until then.
func (f *Framer) Next() (Kind, []byte) {
	if f.fault != FaultNone {
		return More, nil
	}
	if f.size == 0 {
		if f.scan == 0 && f.lineEnds() {
			return Ping, nil
		}
		head := f.header()
		if head == 0 {
			if f.in.len() > f.MaxHeader {
				return f.broken(FaultHeaderSize, nil)
			}
			return More, nil
		}
		b := f.in.bytes()[:head]
		if head > f.MaxHeader {
			return f.broken(FaultHeaderSize, nil)
		}
		n, fault := contentLength(b)
		if fault == FaultNone && n > f.MaxMessage-head {
			fault = FaultBodySize
		}
		if fault != FaultNone {
			return f.broken(fault, b)
		}
		f.size = head + n
	}
	if f.in.len() < f.size {
		return More, nil
	}
	b := f.in.take(f.size)
	f.size, f.scan = 0, 0
	return Message, b
}

func (f *Framer) broken(why Fault, b []byte) (Kind, []byte) {
	f.fault = why
	return Broken, b
}

// lineEnds skips line ends before a message (RFC 3261 7.5) and reports whether they
// made up a ping; more may follow then.
func (f *Framer) lineEnds() bool {
	const ping = "\r\n\r\n"
	for ; f.in.r < f.in.w; f.in.r++ {
		switch c := f.in.at(f.in.r); {
		case c != '\r' && c != '\n':
			f.crlf = 0
			return false
		case c == ping[f.crlf]:
			f.crlf++
		case c == '\r':
			f.crlf = 1
		default:
			f.crlf = 0
		}
		if int(f.crlf) == len(ping) {
			f.crlf = 0
			f.in.r++
			return true
		}
	}
	return false
}

// header returns the length of the header with the empty line that ends it, 0 while it
// is not complete. What ends it for package message ends it here.
func (f *Framer) header() int {
	b := f.in.bytes()
	for {
		n := bytes.IndexByte(b[f.scan:], '\n')
		if n < 0 {
			f.scan = len(b)
			return 0
		}
		nl := f.scan + n
		switch rest := b[nl+1:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return nl + 2
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return nl + 3
		case len(rest) == 0 || len(rest) == 1 && rest[0] == '\r':
			f.scan = nl // to be looked at again
			return 0
		}
		f.scan = nl + 1
	}
}

// contentLength finds the Content-Length of a complete header.
func contentLength(head []byte) (int, Fault) {
	length := -1
	for pos := bytes.IndexByte(head, '\n') + 1; pos < len(head); {
		start := pos
		for {
			n := bytes.IndexByte(head[pos:], '\n')
			if n < 0 {
				pos = len(head)
				break
			}
			pos += n + 1
			if pos == len(head) || head[pos] != ' ' && head[pos] != '\t' { // not folded
				break
			}
		}
		if c := head[start] | 0x20; c != 'c' && c != 'l' {
			continue
		}
		value, ok := lengthValue(head[start:pos])
		if !ok {
			continue
		}
		n, ok := number(value)
		switch {
		case !ok:
			return 0, FaultLength
		case length >= 0 && n != length:
			return 0, FaultConflict
		}
		length = n
	}
	if length < 0 {
		return 0, FaultNoLength
	}
	return length, FaultNone
}

// lengthValue is the value of a header line that is a Content-Length (compact: l).
func lengthValue(line []byte) ([]byte, bool) {
	colon := bytes.IndexByte(line, ':')
	if colon < 0 {
		return nil, false
	}
	name := bytes.TrimRight(line[:colon], " \t\r\n")
	if !foldsTo(name, "content-length") && !foldsTo(name, "l") {
		return nil, false
	}
	return bytes.Trim(line[colon+1:], " \t\r\n"), true
}

// foldsTo reports whether name is lower, whatever the case of its ASCII letters.
func foldsTo(name []byte, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i, c := range name {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// number reads decimal digits; what no message can be long is all the same.
func number(b []byte) (int, bool) {
	const beyond = 1 << 30
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = min(n*10+int(c-'0'), beyond)
	}
	return n, len(b) > 0
}
