package sdp

// kind is an attribute that belongs to one payload type.
type kind uint8

const (
	rtpmap kind = iota + 1
	fmtp
	rtcpFB
)

var kinds = []struct {
	text string
	kind kind
}{{"a=rtpmap:", rtpmap}, {"a=fmtp:", fmtp}, {"a=rtcp-fb:", rtcpFB}}

// attribute reads a line such as "a=rtpmap:8 PCMA/8000". ok is false when it is not
// about one payload type ("a=rtcp-fb:* nack" is about all).
func attribute(line []byte) (pt uint8, k kind, value []byte, ok bool) {
	if len(line) < len("a=fmtp:") || line[0] != 'a' || line[1] != '=' {
		return 0, 0, nil, false
	}
	for _, x := range kinds {
		if len(line) > len(x.text) && equalFold(line[:len(x.text)], x.text) {
			start := skipSpaces(line, len(x.text))
			end := field(line, start)
			if pt, ok = payloadType(line[start:end]); !ok {
				return 0, 0, nil, false
			}
			start = skipSpaces(line, end)
			return pt, x.kind, line[start:field(line, start)], true
		}
	}
	return 0, 0, nil, false
}

// encodingName is the part of "PCMA/8000" before the rate.
func encodingName(value []byte) []byte {
	for i, c := range value {
		if c == '/' {
			return value[:i]
		}
	}
	return value
}

// payloadType reads 0 to 127.
func payloadType(b []byte) (uint8, bool) {
	if len(b) == 0 || len(b) > 3 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return uint8(n), n < 128
}

// equalFold compares a name with its lower-case form.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// move copies b[from:to] down to at and returns where it ends there.
func move(b []byte, at, from, to int) int {
	if at == from {
		return to
	}
	return at + copy(b[at:], b[from:to])
}
