package engine

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"

	"trunkline/appliance/runtime"
)

// defaultPort is the port of a sip URI or Via that names none (RFC 3261 19.1.2).
const defaultPort = 5060

// face is how one listener appears on the wire: what it writes and what it admits.
type face struct {
	name  string
	index int
	addr  netip.AddrPort

	// viaHead is a Via line up to and including ";branch=".
	viaHead string
	// recordRoute is a Record-Route line with its CRLF.
	recordRoute []byte

	allowed *bart.Lite // Sources and Peers
}

func newFace(i int, l runtime.Listener) (*face, error) {
	host, err := sentBy(l)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Name, err)
	}
	f := &face{name: l.Name, index: i, addr: l.Address, allowed: &bart.Lite{}}
	f.viaHead = "Via: SIP/2.0/UDP " + host + ";branch="
	f.recordRoute = []byte("Record-Route: <sip:" + host + ";lr>\r\n")
	for _, set := range [][]netip.Prefix{l.Sources, l.Peers} {
		for _, p := range set {
			if !p.IsValid() {
				return nil, fmt.Errorf("listener %s: a source prefix is not valid: write it as 192.0.2.0/24", l.Name)
			}
			f.allowed.Insert(p.Masked())
		}
	}
	return f, nil
}

// sentBy is host and port as others are to see them; the port is always written.
func sentBy(l runtime.Listener) (string, error) {
	if l.Advertise == "" {
		return l.Address.String(), nil
	}
	host, port, err := splitAdvertise(l.Advertise)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port))), nil
}

// splitAdvertise splits host[:port]; IPv6 with or without brackets.
func splitAdvertise(s string) (string, uint16, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.String(), defaultPort, nil
	}
	if !strings.Contains(s, ":") {
		return s, defaultPort, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", 0, fmt.Errorf("advertise %q is not host[:port]: %w", s, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("advertise %q: port %q is not a number from 1 to 65535", s, port)
	}
	return host, uint16(n), nil
}

// directory tells our own addresses from others', and which listener reaches an
// address.
type directory struct {
	faces []*face
	own   map[string]int // "host:port" in lower case -> listener
}

func newDirectory(listeners []runtime.Listener) (*directory, error) {
	d := &directory{own: map[string]int{}}
	for i, l := range listeners {
		f, err := newFace(i, l)
		if err != nil {
			return nil, err
		}
		d.faces = append(d.faces, f)
		d.own[ownKey(l.Address.Addr().String(), l.Address.Port())] = i
		if l.Advertise != "" {
			host, port, err := splitAdvertise(l.Advertise)
			if err != nil {
				return nil, fmt.Errorf("listener %s: %w", l.Name, err)
			}
			// Two listeners behind one name: the first keeps it, and its own
			// address still tells the other.
			if _, taken := d.own[ownKey(host, port)]; !taken {
				d.own[ownKey(host, port)] = i
			}
		}
	}
	return d, nil
}

func ownKey(host string, port uint16) string {
	return strings.ToLower(host) + ":" + strconv.Itoa(int(port))
}

// find returns the listener that host and port name, or -1. An IPv6 host comes
// without brackets; port 0 means the default. scratch must have room to spare.
func (d *directory) find(scratch *[]byte, host []byte, port uint16) int {
	if port == 0 {
		port = defaultPort
	}
	b := (*scratch)[:0]
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	for _, c := range host {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(port), 10)
	*scratch = b
	if i, ok := d.own[string(b)]; ok {
		return i
	}
	return -1
}

// toward returns a listener that may talk to addr: prefer if it may, else the
// first that does, else -1. What no listener may talk to is not a target: its
// replies would not be let in either.
func (d *directory) toward(prefer int, addr netip.Addr) int {
	if d.faces[prefer].allowed.Lookup(addr) {
		return prefer
	}
	for i, f := range d.faces {
		if f.addr.Addr().Is4() == addr.Is4() && f.allowed.Lookup(addr) {
			return i
		}
	}
	return -1
}
