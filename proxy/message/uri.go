package message

import "bytes"

// Scheme is a URI scheme.
type Scheme uint8

// The schemes a SIP proxy tells apart.
const (
	SchemeOther Scheme = iota
	SchemeSIP
	SchemeSIPS
	SchemeTEL
	SchemeService // urn:service (RFC 5031)
)

// URI is a SIP, SIPS or tel URI or a service URN as parts of its bytes. Of a tel URI User
// is the number, of a service URN all of it ("urn:service:sos.fire"); of another scheme
// only Scheme is set.
type URI struct {
	Scheme    Scheme
	User      []byte // escaped as written, without password
	Host      []byte // IPv6 without brackets
	Port      uint16 // 0: none given
	Params    []byte // after the first ';', all of them
	Headers   []byte // after '?'
	Transport []byte // value of the transport parameter
	MAddr     []byte // value of the maddr parameter
	LR        bool   // loose routing
	OB        bool   // requests are to come over the flow there is (RFC 5626 section 4.3)
}

// URIError is why a URI cannot be read; it costs no allocation.
type URIError uint8

// The ways a URI can be wrong.
const (
	URINoScheme URIError = iota + 1
	URIHost
	URIPort
	URIUser
)

// Error implements error.
func (e URIError) Error() string {
	switch e {
	case URINoScheme:
		return "URI without scheme"
	case URIHost:
		return "URI without a valid host"
	case URIPort:
		return "URI with a port that is not 1 to 65535"
	case URIUser:
		return "URI with an empty user part or an unescaped @"
	}
	return "malformed URI"
}

// ParseURI reads the URI in b, which the result refers to. A scheme other than
// sip, sips, tel or urn:service is no error (RFC 3261 16.3 asks for 416, which is for the
// caller).
func ParseURI(b []byte) (URI, error) {
	var u URI
	colon := bytes.IndexByte(b, ':')
	if colon <= 0 || skipToken(b, 0, colon) != colon {
		return u, URINoScheme
	}
	rest := b[colon+1:]
	switch scheme := b[:colon]; {
	case equalFold(scheme, "sip"):
		u.Scheme = SchemeSIP
	case equalFold(scheme, "sips"):
		u.Scheme = SchemeSIPS
	case equalFold(scheme, "tel"):
		u.Scheme = SchemeTEL
		u.User, u.Params = cut(rest, ';')
		if len(u.User) == 0 {
			return u, URIUser
		}
		return u, nil
	case equalFold(scheme, "urn"):
		const service = "service:"
		if len(rest) > len(service) && equalFold(rest[:len(service)], service) {
			u.Scheme, u.User = SchemeService, b
		}
		return u, nil
	default:
		return u, nil
	}
	if at := bytes.IndexByte(rest, '@'); at >= 0 {
		if at == 0 || bytes.IndexByte(rest[at+1:], '@') >= 0 {
			return u, URIUser
		}
		u.User, _ = cut(rest[:at], ':')
		rest = rest[at+1:]
	}
	host, i := scanURIHost(rest)
	if host == nil {
		return u, URIHost
	}
	u.Host = host
	if i < len(rest) && rest[i] == ':' {
		n, to, ok := scanNumber(rest, i+1, len(rest), 65535)
		if !ok || n == 0 {
			return u, URIPort
		}
		u.Port, i = uint16(n), to
	}
	rest = rest[i:]
	if len(rest) == 0 {
		return u, nil
	}
	switch rest[0] {
	case '?':
		u.Headers = rest[1:]
	case ';':
		u.Params, u.Headers = cut(rest[1:], '?')
		u.params()
	default:
		return u, URIHost
	}
	return u, nil
}

// scanURIHost is scanHost for bytes of any length.
func scanURIHost(b []byte) ([]byte, int) {
	i := 0
	if len(b) > 0 && b[0] == '[' {
		for i = 1; i < len(b) && class[b[i]]&classIPv6 != 0; i++ {
		}
		if i == len(b) || b[i] != ']' || i == 1 {
			return nil, 0
		}
		return b[1:i], i + 1
	}
	for i < len(b) && class[b[i]]&classHost != 0 {
		i++
	}
	if i == 0 {
		return nil, 0
	}
	return b[:i], i
}

// params picks the parameters a proxy needs; the first of a name counts.
func (u *URI) params() {
	for rest := u.Params; len(rest) > 0; {
		var p []byte
		p, rest = cut(rest, ';')
		name, value := cut(p, '=')
		switch {
		case equalFold(name, "lr"):
			u.LR = true
		case equalFold(name, "ob"):
			u.OB = true
		case u.Transport == nil && equalFold(name, "transport"):
			u.Transport = value
		case u.MAddr == nil && equalFold(name, "maddr"):
			u.MAddr = value
		}
	}
}

// cut splits b at the first sep, without it.
func cut(b []byte, sep byte) (before, after []byte) {
	if i := bytes.IndexByte(b, sep); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}
