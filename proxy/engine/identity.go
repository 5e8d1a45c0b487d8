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

const defaultPort = runtime.DefaultPort

// face is how one listener appears on the wire: what it writes and what it admits.
type face struct {
	name  string
	index int
	addr  netip.AddrPort
	host  string // as others are to see it: SentBy of the listener
	port  uint16

	// viaHead is a Via line up to and including ";branch=".
	viaHead string
	// recordRoute is a Record-Route line with its CRLF.
	recordRoute []byte

	allowed *bart.Lite // Sources and Peers
}

func newFace(i int, l runtime.Listener) (*face, error) {
	host, port, err := l.SentBy()
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Name, err)
	}
	f := &face{name: l.Name, index: i, addr: netip.AddrPortFrom(l.Address.Addr().Unmap(), l.Address.Port()), host: host, port: port, allowed: &bart.Lite{}}
	sentBy := net.JoinHostPort(host, strconv.Itoa(int(port)))
	f.viaHead = "Via: SIP/2.0/UDP " + sentBy + ";branch="
	f.recordRoute = []byte("Record-Route: <sip:" + sentBy + ";lr>\r\n")
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
		d.own[ownKey(l.Address.Addr().Unmap().String(), l.Address.Port())] = i
		// Two listeners behind one name: the first keeps it, and its own address
		// still tells the other.
		if key := ownKey(f.host, f.port); l.Advertise != "" {
			if _, taken := d.own[key]; !taken {
				d.own[key] = i
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
