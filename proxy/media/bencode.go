package media

import "strconv"

// maxDepth is how deep what an instance sends may be nested.
const maxDepth = 16

// appendText appends a byte string.
func appendText[T string | []byte](dst []byte, s T) []byte {
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, ':')
	return append(dst, s...)
}

// lookup finds the value of a key of the dictionary in b: the bytes of a string, the digits of
// a number, or a list or dictionary as it is written. It reports false without one, and for
// anything that is no whole dictionary as far as it was read.
func lookup(b []byte, key string) (value []byte, ok bool) {
	if len(b) == 0 || b[0] != 'd' {
		return nil, false
	}
	b = b[1:]
	for len(b) > 0 && b[0] != 'e' {
		name, rest, ok := text(b)
		if !ok {
			return nil, false
		}
		n := length(rest)
		if n < 0 {
			return nil, false
		}
		if string(name) == key {
			return content(rest[:n]), true
		}
		b = rest[n:]
	}
	return nil, false
}

// content takes what is around the bytes of a string and the digits of a number away.
func content(v []byte) []byte {
	switch v[0] {
	case 'i':
		return v[1 : len(v)-1]
	case 'l', 'd':
		return v
	}
	s, _, _ := text(v)
	return s
}

// text reads a byte string and what follows it.
func text(b []byte) (s, rest []byte, ok bool) {
	n, i := 0, 0
	for ; i < len(b) && b[i] != ':'; i++ {
		if b[i] < '0' || b[i] > '9' || i == 6 { // no datagram holds more
			return nil, nil, false
		}
		n = 10*n + int(b[i]-'0')
	}
	if i == 0 || i == len(b) || len(b)-i-1 < n {
		return nil, nil, false
	}
	return b[i+1 : i+1+n], b[i+1+n:], true
}

// length is how many bytes the value at the start of b takes, -1: it is none.
func length(b []byte) int {
	at, depth := 0, 0
	for at < len(b) {
		switch c := b[at]; {
		case c == 'l' || c == 'd':
			if depth++; depth > maxDepth {
				return -1
			}
			at++
		case c == 'e':
			if depth--; depth < 0 {
				return -1
			}
			at++
		case c == 'i':
			end := at + 1
			for end < len(b) && (b[end] >= '0' && b[end] <= '9' || b[end] == '-' && end == at+1) {
				end++
			}
			if end == len(b) || b[end] != 'e' || end == at+1 {
				return -1
			}
			at = end + 1
		default:
			_, rest, ok := text(b[at:])
			if !ok {
				return -1
			}
			at = len(b) - len(rest)
		}
		if depth == 0 {
			return at
		}
	}
	return -1
}
