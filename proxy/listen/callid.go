package listen

import "bytes"

// CallID finds the value of a SIP message's Call-ID header (RFC 3261 section 20.8; "i"
// is its compact form), for Options.Key. It looks at the header names alone and is no
// parser: what it makes of a message that is none is of no consequence. It returns nil
// where there is no Call-ID.
func CallID(pkt []byte) []byte {
	for rest := pkt; ; {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			return nil
		}
		rest = rest[end+1:] // the start line holds no header, so lines begin after a line end
		var n int
		switch {
		case len(rest) < 2 || rest[0] == '\r' || rest[0] == '\n':
			return nil
		case rest[0]|0x20 == 'i':
			n = 1
		case rest[0]|0x20 == 'c' && len(rest) > len("call-id") && bytes.EqualFold(rest[:len("call-id")], []byte("call-id")):
			n = len("call-id")
		default:
			continue
		}
		value := rest[n:]
		for len(value) > 0 && (value[0] == ' ' || value[0] == '\t') {
			value = value[1:]
		}
		if len(value) == 0 || value[0] != ':' {
			continue
		}
		value = value[1:]
		if end := bytes.IndexByte(value, '\n'); end >= 0 {
			value = value[:end]
		}
		if value = bytes.TrimSpace(value); len(value) == 0 {
			return nil
		}
		return value
	}
}
