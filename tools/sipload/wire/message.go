package wire

import "bytes"

// Method is a request's method, or the method of a response's CSeq.
type Method uint8

// The methods that are told apart.
const (
	Other Method = iota
	INVITE
	ACK
	BYE
	CANCEL
	OPTIONS
)

var methods = [...]string{INVITE: "INVITE", ACK: "ACK", BYE: "BYE", CANCEL: "CANCEL", OPTIONS: "OPTIONS"}

func (m Method) String() string {
	if m == Other || int(m) >= len(methods) {
		return "another method"
	}
	return methods[m]
}

func methodOf(b []byte) Method {
	for m := INVITE; m <= OPTIONS; m++ {
		if string(b) == methods[m] { // no copy: the compiler compares in place
			return m
		}
	}
	return Other
}

// Fault is why a datagram is no message that can be used.
type Fault string

// Error implements error.
func (f Fault) Error() string { return string(f) }

// Faults of Parse.
const (
	FaultStartLine = Fault("the first line is no SIP request line or status line")
	FaultHeader    = Fault("a header line is not name: value, ended by CRLF")
	FaultEnd       = Fault("no empty line ends the header")
	FaultMissing   = Fault("Via, From, To, Call-ID or CSeq is missing")
	FaultTwice     = Fault("From, To, Call-ID, CSeq or Content-Length is there twice")
	FaultCSeq      = Fault("CSeq is not a number and a method, or not the method of the request")
	FaultLength    = Fault("Content-Length is not the length of the body")
	FaultTooMany   = Fault("more lines of Via, Record-Route or Contact than can be kept")
)

// MaxLines is how many lines of one repeated header a Message keeps.
const MaxLines = 16

// Lines are the lines of a header that may be repeated, in order: each complete
// with its name and CRLF, and its value.
type Lines struct {
	N     int
	Full  [MaxLines][]byte
	Value [MaxLines][]byte
}

func (l *Lines) add(full, value []byte) bool {
	if l.N == MaxLines {
		return false
	}
	l.Full[l.N], l.Value[l.N] = full, value
	l.N++
	return true
}

// Message is a read message. Values are without the white space around them.
type Message struct {
	Status     int    // of a response, 100 to 699; 0: a request
	Method     Method // of the request, or of the response's CSeq
	URI        []byte // Request-URI
	CSeq       []byte // number and method
	From, To   []byte
	CallID     []byte
	Via        Lines
	RecordRt   Lines
	Contact    []byte // of the first Contact line
	Body       []byte
	lengthSeen bool
	length     int
}

// Parse reads b. After an error m holds nothing of use.
func (m *Message) Parse(b []byte) error {
	m.Status, m.Method, m.URI, m.CSeq, m.From, m.To, m.CallID, m.Contact = 0, Other, nil, nil, nil, nil, nil, nil
	m.Via.N, m.RecordRt.N, m.lengthSeen = 0, 0, false
	line, rest, ok := cutLine(b)
	if !ok || !m.startLine(line) {
		return FaultStartLine
	}
	for {
		if len(rest) >= 2 && rest[0] == '\r' && rest[1] == '\n' {
			rest = rest[2:]
			break
		}
		if len(rest) == 0 {
			return FaultEnd
		}
		start := rest
		line, rest, ok = cutLine(rest)
		if !ok {
			return FaultHeader
		}
		// A line that begins with white space continues the one before it (7.3.1).
		for len(rest) > 0 && (rest[0] == ' ' || rest[0] == '\t') {
			if _, rest, ok = cutLine(rest); !ok {
				return FaultHeader
			}
			line = start[:len(start)-len(rest)-2]
		}
		if err := m.header(line, start[:len(start)-len(rest)]); err != nil {
			return err
		}
	}
	if m.Via.N == 0 || m.From == nil || m.To == nil || m.CallID == nil || m.CSeq == nil {
		return FaultMissing
	}
	if m.lengthSeen && m.length != len(rest) {
		return FaultLength
	}
	m.Body = rest
	return m.cseq()
}

func cutLine(b []byte) (line, rest []byte, ok bool) {
	i := bytes.IndexByte(b, '\n')
	if i < 1 || b[i-1] != '\r' {
		return nil, nil, false
	}
	return b[:i-1], b[i+1:], true
}

func (m *Message) startLine(line []byte) bool {
	const version = "SIP/2.0"
	if len(line) >= len(version)+5 && string(line[:len(version)+1]) == version+" " {
		code, ok := number(line[8:11])
		m.Status = code
		return ok && code >= 100 && code <= 699 && line[11] == ' '
	}
	method, rest, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return false
	}
	uri, v, ok := bytes.Cut(rest, []byte(" "))
	m.Method, m.URI = methodOf(method), uri
	return ok && len(method) > 0 && len(uri) > 0 && string(v) == version
}

func (m *Message) header(line, full []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 {
		return FaultHeader
	}
	name, value := trim(line[:colon]), trim(line[colon+1:])
	var single *[]byte
	switch fieldOf(name) {
	case fieldVia:
		if !m.Via.add(full, value) {
			return FaultTooMany
		}
	case fieldRecordRoute:
		if !m.RecordRt.add(full, value) {
			return FaultTooMany
		}
	case fieldContact:
		if m.Contact == nil {
			m.Contact = value
		}
	case fieldFrom:
		single = &m.From
	case fieldTo:
		single = &m.To
	case fieldCallID:
		single = &m.CallID
	case fieldCSeq:
		single = &m.CSeq
	case fieldContentLength:
		if m.lengthSeen {
			return FaultTwice
		}
		m.lengthSeen = true
		if m.length, _ = number(value); len(value) == 0 {
			return FaultLength
		}
	}
	if single != nil {
		if *single != nil {
			return FaultTwice
		}
		*single = value
	}
	return nil
}

func (m *Message) cseq() error {
	digits, method, ok := bytes.Cut(m.CSeq, []byte(" "))
	if !ok {
		return FaultCSeq
	}
	if _, ok := number(digits); !ok {
		return FaultCSeq
	}
	switch of := methodOf(trim(method)); {
	case m.Status != 0:
		m.Method = of
	case of != m.Method:
		return FaultCSeq
	}
	return nil
}

// number reads a decimal number below 2^31; ok is false for anything else.
func number(b []byte) (n int, ok bool) {
	if len(b) == 0 || len(b) > 10 {
		return -1, false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1, false
		}
		n = n*10 + int(c-'0')
	}
	if n >= 1<<31 {
		return -1, false
	}
	return n, true
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\r' || b[0] == '\n') {
		b = b[1:]
	}
	for len(b) > 0 {
		switch b[len(b)-1] {
		case ' ', '\t', '\r', '\n':
			b = b[:len(b)-1]
			continue
		}
		break
	}
	return b
}

type field uint8

const (
	fieldOther field = iota
	fieldVia
	fieldRecordRoute
	fieldContact
	fieldFrom
	fieldTo
	fieldCallID
	fieldCSeq
	fieldContentLength
)

// fieldOf tells the field from its name, in any case, or its compact form
// (RFC 3261 7.3.3).
func fieldOf(name []byte) field {
	if len(name) == 0 {
		return fieldOther
	}
	switch c := name[0] | 0x20; len(name) {
	case 1:
		switch c {
		case 'v':
			return fieldVia
		case 'm':
			return fieldContact
		case 'f':
			return fieldFrom
		case 't':
			return fieldTo
		case 'i':
			return fieldCallID
		case 'l':
			return fieldContentLength
		}
	case 2:
		if c == 't' && name[1]|0x20 == 'o' {
			return fieldTo
		}
	case 3:
		if c == 'v' && equalFold(name, "via") {
			return fieldVia
		}
	case 4:
		switch {
		case c == 'f' && equalFold(name, "from"):
			return fieldFrom
		case c == 'c' && equalFold(name, "cseq"):
			return fieldCSeq
		}
	case 7:
		switch {
		case c == 'c' && equalFold(name, "call-id"):
			return fieldCallID
		case c == 'c' && equalFold(name, "contact"):
			return fieldContact
		}
	case 12:
		if c == 'r' && equalFold(name, "record-route") {
			return fieldRecordRoute
		}
	case 14:
		if c == 'c' && equalFold(name, "content-length") {
			return fieldContentLength
		}
	}
	return fieldOther
}

// equalFold compares with a lower-case ASCII word.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
