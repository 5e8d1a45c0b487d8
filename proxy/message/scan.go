package message

// Character classes of RFC 3261 25.1.
const (
	classToken = 1 << iota
	classLWS   // SP, HTAB, and the line ends of folded lines
	classHost  // host names, lenient about the underscore
	classIPv6  // within brackets
)

var class = func() (t [256]uint8) {
	for c := '0'; c <= '9'; c++ {
		t[c] |= classToken | classHost | classIPv6
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c] |= classToken | classHost
		t[c-'a'+'A'] |= classToken | classHost
	}
	for c := 'a'; c <= 'f'; c++ {
		t[c] |= classIPv6
		t[c-'a'+'A'] |= classIPv6
	}
	for _, c := range "-.!%*_+`'~" {
		t[c] |= classToken
	}
	for _, c := range "-._" {
		t[c] |= classHost
	}
	for _, c := range ":." {
		t[c] |= classIPv6
	}
	for _, c := range " \t\r\n" {
		t[c] |= classLWS
	}
	return t
}()

func skipToken(b []byte, i, end int) int {
	for i < end && class[b[i]]&classToken != 0 {
		i++
	}
	return i
}

func skipLWS(b []byte, i, end int) int {
	for i < end && class[b[i]]&classLWS != 0 {
		i++
	}
	return i
}

// trimLWS takes white space off the end of b[start:end].
func trimLWS(b []byte, start, end int) int {
	for end > start && class[b[end-1]]&classLWS != 0 {
		end--
	}
	return end
}

// skipQuoted returns the offset after the quoted string that starts at b[i], -1 if
// it does not end before end.
func skipQuoted(b []byte, i, end int) int {
	for i++; i < end; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// scanHost reads a host name, an IPv4 address or an IPv6 address in brackets. The
// span leaves the brackets out; it is empty when there is no host.
func scanHost(b []byte, i, end int) (Span, int) {
	start := i
	if i < end && b[i] == '[' {
		for i++; i < end && class[b[i]]&classIPv6 != 0; i++ {
		}
		if i == end || b[i] != ']' || i == start+1 {
			return Span{}, start
		}
		return span(start+1, i), i + 1
	}
	for i < end && class[b[i]]&classHost != 0 {
		i++
	}
	return span(start, i), i
}

// scanNumber reads decimal digits, leading zeros allowed, up to max.
func scanNumber(b []byte, i, end int, max uint32) (uint32, int, bool) {
	start := i
	var n uint64
	for i < end && b[i] >= '0' && b[i] <= '9' {
		n = n*10 + uint64(b[i]-'0')
		if n > uint64(max) {
			return 0, i, false
		}
		i++
	}
	return uint32(n), i, i > start
}

// param is one ";name[=value]". end is where it ends, without white space.
type param struct {
	name, value Span
	end         int
}

// scanParam reads the parameter at b[i], which must be ';'. It returns the offset
// of what follows it and the white space after it.
func scanParam(b []byte, i, end int) (p param, next int, ok bool) {
	if b[i] != ';' {
		return p, i, false
	}
	i = skipLWS(b, i+1, end)
	from := i
	i = skipToken(b, i, end)
	if i == from {
		return p, i, false
	}
	p.name, p.end = span(from, i), i
	i = skipLWS(b, i, end)
	if i == end || b[i] != '=' {
		return p, i, true
	}
	i = skipLWS(b, i+1, end)
	from = i
	if i < end && b[i] == '"' {
		if i = skipQuoted(b, i, end); i < 0 {
			return p, end, false
		}
	} else {
		for i < end && b[i] != ';' && b[i] != ',' && b[i] != '"' && class[b[i]]&classLWS == 0 {
			i++
		}
	}
	if i == from {
		return p, i, false
	}
	p.value, p.end = span(from, i), i
	return p, skipLWS(b, i, end), true
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
