package route

import "bytes"

// Unescape gives a user part without its escapes, as far as it fits into dst; one without
// escapes comes back as it is. Routes and whoever else compares numbers read them so.
func Unescape(dst, user []byte) []byte { return unescape(dst, user) }

// unescape returns user without its escapes, for "%2B49" is "+49" (RFC 3261 section
// 19.1.4), or as much of it as fits into dst: no prefix is longer. A user without
// escapes comes back as it is; what is not a valid escape stays.
func unescape(dst, user []byte) []byte {
	if bytes.IndexByte(user, '%') < 0 {
		return user
	}
	n := 0
	for i := 0; i < len(user) && n < len(dst); n++ {
		if user[i] == '%' && i+2 < len(user) {
			hi, lo := hexDigit(user[i+1]), hexDigit(user[i+2])
			if hi >= 0 && lo >= 0 {
				dst[n] = byte(hi<<4 | lo)
				i += 3
				continue
			}
		}
		dst[n] = user[i]
		i++
	}
	return dst[:n]
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
