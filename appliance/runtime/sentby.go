package runtime

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is the port of a sip URI or Via that names none (RFC 3261 19.1.2).
const DefaultPort = 5060

// defaultPorts are those of other transports (RFC 3261 18.2.1, RFC 7118 section 5.3).
var defaultPorts = map[string]uint16{"tls": 5061, "ws": 80, "wss": 443}

func (l Listener) defaultPort() uint16 {
	if p := defaultPorts[l.Transport]; p != 0 {
		return p
	}
	return DefaultPort
}

// SentBy is the host and port the listener goes by in everything it writes: Via,
// Record-Route and probes. An IPv6 host comes without brackets. The error says
// what is wrong with Advertise, or that it is needed.
func (l Listener) SentBy() (host string, port uint16, err error) {
	s := l.Advertise
	if s == "" {
		a := l.Address.Addr().Unmap()
		if !a.IsValid() || a.IsUnspecified() || l.Address.Port() == 0 {
			return "", 0, fmt.Errorf("address %s tells nobody where to answer: name one address and port, or set advertise", l.Address)
		}
		return a.String(), l.Address.Port(), nil
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.String(), l.defaultPort(), nil
	}
	if !strings.Contains(s, ":") {
		return s, l.defaultPort(), nil
	}
	host, text, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("advertise %q is not host[:port]: %w", s, err)
	}
	if host == "" {
		return "", 0, fmt.Errorf("advertise %q is not host[:port]: it has no host", s)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("advertise %q: port %q is not a number from 1 to 65535", s, text)
	}
	return host, uint16(n), nil
}
