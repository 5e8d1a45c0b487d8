package engine

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gaissmai/bart"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// Ports of a URI or Via that says none (RFC 3261 19.1.2).
const (
	defaultPort    = runtime.DefaultPort
	defaultTLSPort = 5061
)

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

	transport string // of URIs: "udp", "tcp", "tls", "ws"
	stream    bool   // over connections
	framed    bool   // by Content-Length
	overTCP   int    // of UDP: the listener for requests that are too long, noListener: there is none

	allowed *bart.Lite // Sources and Peers
}

const recordRouteHead = "Record-Route: <sip:"

// dials reports whether the listener reaches an address that did not connect to it first.
func (f *face) dials() bool { return f.transport != "ws" }

// defaultPort is the port of a URI or Via that says none.
func (f *face) defaultPort() uint16 {
	if f.transport == "tls" {
		return defaultTLSPort
	}
	return defaultPort
}

// viaTransport is the transport of a Via (RFC 3261 18.1.1, RFC 7118 5.2.1).
func viaTransport(l runtime.Listener) string {
	if l.Datagram() {
		return "UDP"
	}
	return strings.ToUpper(l.Transport)
}

func newFace(i int, l runtime.Listener) (*face, error) {
	host, port, err := l.SentBy()
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Name, err)
	}
	f := &face{name: l.Name, index: i, addr: netip.AddrPortFrom(l.Address.Addr().Unmap(), l.Address.Port()), host: host, port: port, overTCP: noListener, allowed: &bart.Lite{}}
	sentBy := net.JoinHostPort(host, strconv.Itoa(int(port)))
	f.transport, f.stream = "udp", !l.Datagram()
	parameter := ""
	if f.stream {
		f.transport, f.framed = l.Transport, l.Transport == "tcp" || l.Transport == "tls"
		if f.transport == "wss" { // of URIs there is but one (RFC 7118 5.2.1)
			f.transport = "ws"
		}
		parameter = ";transport=" + f.transport
	}
	f.viaHead = "Via: SIP/2.0/" + viaTransport(l) + " " + sentBy + ";branch="
	f.recordRoute = []byte(recordRouteHead + sentBy + parameter + ";lr>\r\n")
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
	// own is listeners by "host:port" and "host:port;transport", in lower case. Without a
	// transport it is the one over UDP where there are several.
	own map[string]int
}

func newDirectory(listeners []runtime.Listener) (*directory, error) {
	d := &directory{own: map[string]int{}}
	for i, l := range listeners {
		f, err := newFace(i, l)
		if err != nil {
			return nil, err
		}
		d.faces = append(d.faces, f)
	}
	// An own address tells more than a name that several listeners stand behind, of which
	// the first keeps it; and a URI that says no transport means UDP.
	for _, stream := range []bool{false, true} {
		for i, l := range listeners {
			if f := d.faces[i]; f.stream == stream {
				d.enter(ownKey(l.Address.Addr().Unmap().String(), l.Address.Port()), i)
			}
		}
		for i, l := range listeners {
			if f := d.faces[i]; f.stream == stream && l.Advertise != "" {
				d.enter(ownKey(f.host, f.port), i)
			}
		}
	}
	return d, nil
}

// enter makes a listener known by an address, unless another is.
func (d *directory) enter(key string, i int) {
	for _, k := range []string{key, key + ";" + d.faces[i].transport} {
		if _, taken := d.own[k]; !taken {
			d.own[k] = i
		}
	}
}

func ownKey(host string, port uint16) string {
	if a, err := netip.ParseAddr(host); err == nil {
		host = a.Unmap().String()
	}
	return strings.ToLower(host) + ":" + strconv.Itoa(int(port))
}

// find returns the listener that host and port name, or -1. An IPv6 host comes
// without brackets; port 0 means the default. scratch must have room to spare.
func (d *directory) find(scratch *[]byte, host []byte, port uint16) int {
	if port == 0 {
		port = defaultPort
	}
	b := (*scratch)[:0]
	if n := len(host); n > 1 && host[n-1] == '.' { // a name written to the root is the same name
		host = host[:n-1]
	}
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if a, ok := literal(host); ok { // IPv6 has many spellings
		b = a.AppendTo(b)
	} else {
		for _, c := range host {
			if c >= 'A' && c <= 'Z' {
				c += 'a' - 'A'
			}
			b = append(b, c)
		}
	}
	b = append(b, ':')
	b = strconv.AppendUint(b, uint64(port), 10)
	*scratch = b
	if i, ok := d.own[string(b)]; ok {
		return i
	}
	return -1
}

// findURI is find for a URI, which may name a transport and with it another default port
// (RFC 3261 19.1.2).
func (d *directory) findURI(scratch *[]byte, u message.URI) int {
	port := u.Port
	if port == 0 && bytes.EqualFold(u.Transport, []byte("tls")) {
		port = defaultTLSPort
	}
	i := d.find(scratch, u.Host, port)
	if i < 0 || len(u.Transport) == 0 {
		return i
	}
	b := append(*scratch, ';')
	for _, c := range u.Transport {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		b = append(b, c)
	}
	*scratch = b
	if j, ok := d.own[string(b)]; ok {
		return j
	}
	return i
}

// by is the listener to leave by toward a URI: the one preferred, unless the URI names
// another transport and a listener that may talk to addr speaks it.
func (d *directory) by(prefer int, addr netip.Addr, u message.URI) int {
	if bytes.EqualFold(u.Transport, []byte("ws")) {
		return -1 // only over a flow
	}
	if len(u.Transport) > 0 && !bytes.EqualFold(u.Transport, []byte(d.faces[prefer].transport)) {
		for i, f := range d.faces {
			if bytes.EqualFold(u.Transport, []byte(f.transport)) && f.addr.Addr().Is4() == addr.Is4() && f.allowed.Lookup(addr) {
				return i
			}
		}
	}
	return d.toward(prefer, addr)
}

// toward returns a listener that may talk to addr: prefer if it may, else the
// first that does, else -1. What no listener may talk to is not a target: its
// replies would not be let in either.
func (d *directory) toward(prefer int, addr netip.Addr) int {
	if f := d.faces[prefer]; f.dials() && f.allowed.Lookup(addr) {
		return prefer
	}
	for i, f := range d.faces {
		if f.dials() && f.addr.Addr().Is4() == addr.Is4() && f.allowed.Lookup(addr) {
			return i
		}
	}
	return -1
}
