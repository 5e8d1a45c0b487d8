package wire

import (
	"bytes"
	"net/netip"
	"strconv"
	"unsafe"
)

// DefaultPort is SIP's port over UDP (RFC 3261 19.1.2).
const DefaultPort = 5060

// Param is the value of the parameter name (lower case) of a header value or URI:
// the first among the ";name=value" of b. has is true for a parameter without a
// value as well. Quoted strings and what stands in angle brackets are passed over.
func Param(b []byte, name string) (value []byte, has bool) {
	for i := 0; ; {
		for i < len(b) && !delimiter[b[i]] {
			i++
		}
		if i >= len(b) {
			return nil, false
		}
		switch b[i] {
		case '"':
			i = closing(b, i+1, '"')
		case '<':
			i = closing(b, i+1, '>')
		case ',':
			return nil, false // the next value of a list
		case ';':
			i++
			start := i
			equals := -1
			for ; i < len(b) && (!delimiter[b[i]] || b[i] == '<'); i++ {
				if b[i] == '=' && equals < 0 {
					equals = i
				}
			}
			if equals < 0 {
				equals = i
			}
			if equalFold(trim(b[start:equals]), name) {
				return trim(b[min(equals+1, i):i]), true
			}
		}
	}
}

// delimiter is true for what ends a stretch of plain text.
var delimiter = [256]bool{'"': true, '<': true, ',': true, ';': true}

// closing is the place after the next end at or after i; the end of b without one.
func closing(b []byte, i int, end byte) int {
	for ; i < len(b); i++ {
		if b[i] == '\\' && end == '"' {
			i++
		} else if b[i] == end {
			return i + 1
		}
	}
	return len(b)
}

// Tag is the tag of a From or To value, empty without one.
func Tag(b []byte) []byte {
	tag, _ := Param(b, "tag")
	return tag
}

// AddressURI is the URI of a name-addr or addr-spec (RFC 3261 20.10).
func AddressURI(b []byte) []byte {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			i = closing(b, i+1, '"') - 1
		case '<':
			end := bytes.IndexByte(b[i:], '>')
			if end < 0 {
				return nil
			}
			return trim(b[i+1 : i+end])
		}
	}
	if i := bytes.IndexAny(b, ";,"); i >= 0 {
		b = b[:i]
	}
	return trim(b)
}

// NextValue cuts the first value off a comma-separated list.
func NextValue(b []byte) (value, rest []byte) {
	if bytes.IndexByte(b, ',') < 0 {
		return trim(b), nil
	}
	for i := 0; i < len(b); {
		switch b[i] {
		case '"':
			i = closing(b, i+1, '"')
		case '<':
			i = closing(b, i+1, '>')
		case ',':
			return trim(b[:i]), trim(b[i+1:])
		default:
			i++
		}
	}
	return trim(b), nil
}

// HostPort is where a sip URI or the sent-by of a Via points, when its host is a
// literal address; names are not looked up.
func HostPort(b []byte) (netip.AddrPort, bool) {
	if rest, ok := bytes.CutPrefix(b, []byte("sip:")); ok {
		b = rest
		if i := bytes.IndexByte(b, '@'); i >= 0 {
			b = b[i+1:]
		}
	}
	if i := bytes.IndexAny(b, ";?"); i >= 0 {
		b = b[:i]
	}
	host, port := b, []byte(nil)
	if len(b) > 0 && b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 0 {
			return netip.AddrPort{}, false
		}
		host, port = b[1:end], b[end+1:]
	} else if i := bytes.IndexByte(b, ':'); i >= 0 {
		host, port = b[:i], b[i:]
	}
	n := DefaultPort
	if len(port) > 0 {
		var ok bool
		if n, ok = number(trim(port[1:])); port[0] != ':' || !ok || n < 1 || n > 65535 {
			return netip.AddrPort{}, false
		}
	}
	host = trim(host)
	if len(host) == 0 {
		return netip.AddrPort{}, false
	}
	// netip parses strings only; this one does not outlive the call.
	a, err := netip.ParseAddr(unsafe.String(&host[0], len(host)))
	return netip.AddrPortFrom(a, uint16(n)), err == nil
}

// SentBy is the sent-by of a Via value: what follows the protocol, up to the
// parameters.
func SentBy(via []byte) []byte {
	if i := bytes.IndexByte(via, ' '); i >= 0 {
		via = via[i+1:]
	}
	if i := bytes.IndexAny(via, ";,"); i >= 0 {
		via = via[:i]
	}
	return trim(via)
}

// ReplyTo is where the response to a request with this top Via goes: the source
// address, and the sent-by's port (RFC 3261 18.2.2) or with rport the source port
// (RFC 3581 section 4).
func ReplyTo(via []byte, source netip.AddrPort) (netip.AddrPort, bool) {
	if _, has := Param(via, "rport"); has {
		return source, true
	}
	port := uint16(DefaultPort)
	sent := SentBy(via)
	if a, ok := HostPort(sent); ok {
		port = a.Port()
	} else if i := bytes.LastIndexByte(sent, ':'); i >= 0 {
		n, ok := number(sent[i+1:])
		if !ok || n < 1 || n > 65535 {
			return netip.AddrPort{}, false
		}
		port = uint16(n)
	}
	return netip.AddrPortFrom(source.Addr(), port), true
}

// AppendVias appends the Via lines of a request as its response carries them:
// received added to the top value when its sent-by is another address, and rport
// filled in where it was asked for (RFC 3261 18.2.1, RFC 3581 section 4).
func AppendVias(dst []byte, vias *Lines, source netip.AddrPort) []byte {
	top, rest := NextValue(vias.Value[0])
	port, asked := Param(top, "rport")
	sent, literal := HostPort(SentBy(top))
	if asked && len(port) == 0 || !literal || sent.Addr() != source.Addr() {
		dst = append(dst, "Via: "...)
		if i := rportAt(top); asked && len(port) == 0 && i >= 0 {
			dst = append(dst, top[:i]...)
			dst = append(dst, '=')
			dst = strconv.AppendUint(dst, uint64(source.Port()), 10)
			dst = append(dst, top[i:]...)
		} else {
			dst = append(dst, top...)
		}
		dst = append(dst, ";received="...)
		dst = source.Addr().AppendTo(dst)
		if len(rest) > 0 {
			dst = append(dst, ", "...)
			dst = append(dst, rest...)
		}
		dst = append(dst, "\r\n"...)
	} else {
		dst = append(dst, vias.Full[0]...)
	}
	for i := 1; i < vias.N; i++ {
		dst = append(dst, vias.Full[i]...)
	}
	return dst
}

// rportAt is the place after the name of an rport parameter without a value.
func rportAt(via []byte) int {
	const name = ";rport"
	for i := 0; i+len(name) <= len(via); i++ {
		if via[i] == ';' && equalFold(via[i:i+len(name)], name) {
			if j := i + len(name); j == len(via) || via[j] == ';' {
				return j
			}
		}
	}
	return -1
}

// CountVias is the number of Via values of a message, counted no further than
// limit.
func CountVias(m *Message, limit int) (n int) {
	for i := 0; i < m.Via.N && n < limit; i++ {
		for rest := m.Via.Value[i]; rest != nil && n < limit; n++ {
			_, rest = NextValue(rest)
		}
	}
	return n
}
