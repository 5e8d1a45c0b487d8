package dispatch

import (
	"bytes"

	"trunkline/proxy/message"
)

// Key is the hash of what the set's algorithm looks at of a request; 0 where it
// looks at none. A request without that part goes by its Call-ID: one that names no
// number called, for example, with hash-user.
//
// URIs that RFC 3261 19.1.4 holds equal have one key, as far as it concerns where a
// request goes: escapes are undone, the host is read without regard to case, port
// 5060 is as none, and parameters and headers are left out. Of a number called the
// parameters and the visual separators of RFC 3966 5.1.1 are left out as well.
func (s *Set) Key(v *message.View) uint64 {
	var uri message.Span
	switch s.algorithm {
	case hashCallID:
		return hash(v.Get(v.CallID))
	case hashFrom:
		uri = v.From.URI
	case hashTo:
		uri = v.To.URI
	case hashRURI, hashUser:
		uri = v.URI
	default:
		return 0
	}
	u, err := message.ParseURI(v.Get(uri))
	switch {
	case err != nil:
	case s.algorithm == hashUser && len(u.User) > 0:
		return hashNumber(u.User)
	case s.algorithm != hashUser && (len(u.User) > 0 || len(u.Host) > 0):
		return hashURI(&u)
	}
	return hash(v.Get(v.CallID))
}

const (
	fnvOffset = uint64(14695981039346656037)
	fnvPrime  = 1099511628211
)

// hash is 64-bit FNV-1a, which is fixed for all time.
func hash(b []byte) uint64 {
	h := fnvOffset
	for _, c := range b {
		h = feed(h, c)
	}
	return h
}

func feed(h uint64, c byte) uint64 { return (h ^ uint64(c)) * fnvPrime }

// sipPort is the port of SIP where a URI states none (RFC 3261 19.1.2).
const sipPort = 5060

// hashURI is the hash of user, host and port.
func hashURI(u *message.URI) uint64 {
	h := fnvOffset
	for i := 0; i < len(u.User); {
		c, n := unescaped(u.User[i:])
		h, i = feed(h, c), i+n
	}
	h = feed(h, '@')
	for _, c := range u.Host {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = feed(h, c)
	}
	if u.Port != 0 && u.Port != sipPort {
		h = feed(feed(feed(h, ':'), byte(u.Port>>8)), byte(u.Port))
	}
	return h
}

// hashNumber is the hash of a user part: the number called.
func hashNumber(user []byte) uint64 {
	if i := bytes.IndexByte(user, ';'); i > 0 {
		user = user[:i]
	}
	h, number := fnvOffset, false
	for i := 0; i < len(user); {
		c, n := unescaped(user[i:])
		if i == 0 {
			number = c == '+' || '0' <= c && c <= '9'
		}
		i += n
		if number && (c == '-' || c == '.' || c == '(' || c == ')') {
			continue
		}
		h = feed(h, c)
	}
	return h
}

// unescaped returns the first character of b, which is not empty, and how many
// bytes it takes. What is not a valid escape stands for itself.
func unescaped(b []byte) (byte, int) {
	if b[0] == '%' && len(b) > 2 {
		hi, lo := hexDigit(b[1]), hexDigit(b[2])
		if hi >= 0 && lo >= 0 {
			return byte(hi<<4 | lo), 3
		}
	}
	return b[0], 1
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// mix is the finaliser of SplitMix64: each bit of x changes about half of the
// result's.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
