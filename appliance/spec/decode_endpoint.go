package spec

import (
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// endpoint is a host and a port of TCP or UDP: an address of ours or of a peer.
type endpoint struct {
	addr netip.Addr // invalid: host is a name
	host string     // a name to resolve
	port int
}

func (e endpoint) addrPort() netip.AddrPort { return netip.AddrPortFrom(e.addr, uint16(e.port)) }

// String is host:port, with brackets around an IPv6 address.
func (e endpoint) String() string {
	host := e.host
	if e.addr.IsValid() {
		host = e.addr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(e.port))
}

// endpoint reads HOST, HOST:PORT or [IPV6]:PORT. port is the default, 0 where it
// must be written; names says whether the host may be one.
func (d *decoder) endpoint(attr, text string, place hcl.Range, port int, names bool) (endpoint, bool) {
	wrong := func(why string, args ...any) (endpoint, bool) {
		d.errorf(place, "Invalid "+attr, why, args...)
		return endpoint{}, false
	}
	if scheme, _, isURL := strings.Cut(text, "://"); isURL {
		return wrong("This is a URL, and %s takes a host and a port alone. Leave out %q; user, password and the rest have attributes of their own.", attr, scheme+"://")
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		return wrong("%q has a prefix length, and one address is meant. Write %q.", text, p.Addr())
	}
	if proto, rest, has := strings.Cut(text, ":"); has && (proto == "udp" || proto == "tcp") {
		return wrong("%s takes a host and a port alone, and what is spoken there is known. Write %q.", attr, rest)
	}
	host, portText, hasPort := text, "", false
	switch a, err := netip.ParseAddr(text); {
	case err == nil: // an IPv6 address without a port needs no brackets
		host = a.String()
	case strings.HasPrefix(text, "["):
		inner, after, closed := strings.Cut(text[1:], "]")
		if six, err := netip.ParseAddr(inner); !closed || after != "" && !strings.HasPrefix(after, ":") || err != nil || !six.Is6() {
			return wrong("%q is not a host with a port: in brackets stands an IPv6 address, as in \"[2001:db8::21]:5432\".", text)
		}
		host, portText, hasPort = inner, strings.TrimPrefix(after, ":"), after != ""
	case strings.Count(text, ":") == 1:
		host, portText, hasPort = strings.Cut(text, ":")
	}
	a, err := netip.ParseAddr(host)
	switch {
	case hasPort && portText == "":
		return wrong("%q ends in a colon. Write the port after it, or leave it out.", text)
	case hasPort && !validPort(portText):
		return wrong("%q is not a port. Write a number from 1 to 65535.", portText)
	case hasPort:
		port, _ = strconv.Atoi(portText)
	}
	switch {
	case err != nil && strings.EqualFold(host, "localhost"):
		return wrong("localhost may be 127.0.0.1 or ::1. Write the address that is meant.")
	case err != nil && !names && validHostName(host):
		return wrong("%q is a name, and names are not resolved here. Write the IP address.", host)
	case err != nil && !validHostName(host):
		return wrong("%q is neither an address nor a name of a host.", host)
	case err == nil && a.Zone() != "":
		return wrong("%s has a zone, and addresses with one are of one link alone. Write an address that is routed.", a)
	case port == 0:
		return wrong("%q has no port, and there is none that goes without saying. Write the port as well: %q.", text, net.JoinHostPort(host, "2223"))
	case err != nil:
		return endpoint{host: host, port: port}, true
	case a.IsUnspecified():
		return wrong("%s stands for every address and names no host. Write the one that is meant.", a)
	case a.IsMulticast() || a.Is4In6() || a.Is6() && a.IsLinkLocalUnicast():
		return wrong("%s is not a plain unicast address. Write the host's own, one that is routed.", a)
	}
	return endpoint{addr: a, port: port}, true
}

// nicWith is the NIC that has an address; nil: none.
func nicWith(s *Spec, a netip.Addr) *NIC {
	for _, n := range s.Hardware.NICs {
		for _, p := range n.Addresses {
			if p.Addr() == a {
				return n
			}
		}
	}
	return nil
}

// checkPeer reports an address that packets of the appliance do not reach. role
// says what should be there: "database".
func (d *decoder) checkPeer(s *Spec, a netip.Addr, place hcl.Range, role string) {
	if !a.IsValid() || d.hardwareUnclear(s) {
		return
	}
	switch n := nicWith(s, a); {
	case n != nil:
		d.errorf(place, "Own address of the appliance", "%s is an address of NIC %q, and no %s runs there. Write the address of the host it runs on.", a, n.Name, role)
	case !reachable(s, a):
		d.errorf(place, "No route to the "+role, "%s", noRoute(a))
	}
}

// checkResolvable reports a name in a spec without resolvers.
func (d *decoder) checkResolvable(s *Spec, host string, place hcl.Range) {
	if host != "" && len(s.Hardware.DNS) == 0 && !d.hardwareUnclear(s) {
		d.errorf(place, "Name without a resolver", "%q is a name, and the hardware block names no resolver to ask. Add dns = [\"10.0.0.53\"] with the address of yours to it, or write the address of the host.", host)
	}
}

// hardwareUnclear reports that a mistake in the hardware may be what makes an
// address unknown or unreachable: then nothing is said of addresses.
func (d *decoder) hardwareUnclear(s *Spec) bool {
	if len(s.Hardware.NICs) == 0 || d.isBroken("hardware", anyName) || d.isBroken("nic", anyName) {
		return true
	}
	if !d.diags.HasErrors() {
		return false
	}
	for _, f := range d.src.files {
		body, ok := f.Body.(*hclsyntax.Body)
		if !ok { // a table
			continue
		}
		for _, b := range body.Blocks {
			if b.Type != "hardware" {
				continue
			}
			whole := b.Range()
			for _, diag := range d.diags {
				if diag.Severity == hcl.DiagError && diag.Subject != nil && whole.Overlaps(*diag.Subject) {
					return true
				}
			}
		}
	}
	return false
}

// splitEndpoint takes apart what endpoint.String has put together.
func splitEndpoint(text string) (endpoint, bool) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return endpoint{}, false
	}
	n, _ := strconv.Atoi(port)
	if a, err := netip.ParseAddr(host); err == nil {
		return endpoint{addr: a, port: n}, true
	}
	return endpoint{host: host, port: n}, true
}
