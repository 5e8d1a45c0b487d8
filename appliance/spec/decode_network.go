package spec

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// staticRoute reads a route of the network. NIC is what the spec says; the checks
// fill it where it says nothing.
func (d *decoder) staticRoute(sec *section) *StaticRoute {
	r := &StaticRoute{
		Name:             sec.name,
		NIC:              sec.str("nic", ""),
		Range:            sec.def,
		DestinationRange: sec.rng("destination"),
		ViaRange:         sec.rng("via"),
		NICRange:         sec.rng("nic"),
	}
	if text := sec.str("destination", ""); text != "" {
		r.Destination = d.routeDestination(text, r.DestinationRange)
	}
	if text := sec.str("via", ""); text != "" {
		r.Via = d.serverAddress("next hop", text, r.ViaRange)
	}
	if r.Destination.IsValid() && r.Via.IsValid() && r.Destination.Addr().Is4() != r.Via.Is4() {
		d.errorf(r.ViaRange, "Next hop of the other family", "%s is %s, and packets for %s need an %s neighbour. Write the address the router has there.", r.Via, family(r.Via), r.Destination, family(r.Destination.Addr()))
		r.Via = netip.Addr{}
	}
	return r
}

// routeDestination reads the network a route leads to; invalid when it was refused.
func (d *decoder) routeDestination(text string, place hcl.Range) netip.Prefix {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" && !a.Is4In6() {
		d.errorf(place, "Prefix length missing", "%q does not say how large the network is. Write it with its length: \"%s/%d\" is this one host.", text, a, a.BitLen())
		return netip.Prefix{}
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil || p.Addr().Is4In6():
		d.errorf(place, "Invalid destination", "%q is not a network. Write it as \"10.8.0.0/16\" or \"2001:db8:8::/48\".", text)
	case p.Bits() == 0:
		d.errorf(place, "Default route", "%s is every address there is: that is the default gateway. Write gateway = \"ADDRESS\" in the interface that faces the router, and remove this route.", p)
	case p != p.Masked():
		d.errorf(place, "Host bits in a destination", "%s has bits set beyond its %d. Write %q for the whole network, or \"%s/%d\" for the one host.", p, p.Bits(), p.Masked(), p.Addr(), p.Addr().BitLen())
	case p.Addr().IsMulticast() || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast():
		d.errorf(place, "Invalid destination", "%s is a %s network, which no router passes on. Write the network behind the router.", p, scope(p.Addr()))
	default:
		return p
	}
	return netip.Prefix{}
}

// scope names a range of addresses with a meaning of its own (RFC 6890).
func scope(a netip.Addr) string {
	switch {
	case a.IsMulticast():
		return "multicast"
	case a.IsLoopback():
		return "loopback"
	case a.IsLinkLocalUnicast():
		return "link-local"
	}
	return "unspecified"
}

// serverAddress reads the address of another machine, which diagnostics call what;
// invalid when it was refused. Link-local ones are for the caller to judge.
func (d *decoder) serverAddress(what, text string, place hcl.Range) netip.Addr {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil || a.Zone() != "":
		d.errorf(place, "Invalid "+what, "%q is not an address. Write it alone, without prefix length, port or interface: \"10.0.0.1\" or \"2001:db8::1\".", text)
	case a.Is4In6():
		d.errorf(place, "Invalid "+what, "%s is an IPv4 address in IPv6 form. Write %s.", a, a.Unmap())
	case a.IsLoopback():
		d.errorf(place, "Invalid "+what, "%s is the appliance's own loopback, where nothing answers. Write the %s's address in the network.", a, what)
	case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		d.errorf(place, "Invalid "+what, "%s is no address of a single machine. Write the %s's own.", a, what)
	default:
		return a
	}
	return netip.Addr{}
}

// resolvers reads the DNS servers.
func (d *decoder) resolvers(hw *section, s *Spec) {
	values, places := hw.texts("dns")
	for i, text := range values {
		a := d.serverAddress("resolver", text, places[i])
		switch first := slices.Index(s.Hardware.DNS, a); {
		case !a.IsValid():
		case a.IsLinkLocalUnicast():
			d.errorf(places[i], "Invalid resolver", "%s is link-local: it means another machine on every interface. Write a global or unique local address of the resolver.", a)
		case first >= 0:
			d.errorf(places[i], "Resolver given twice", "%s stands at %s already, and asking it again helps nobody. Remove one of the two.", a, at(s.Hardware.DNSRanges[first]))
		default:
			s.Hardware.DNS, s.Hardware.DNSRanges = append(s.Hardware.DNS, a), append(s.Hardware.DNSRanges, places[i])
		}
	}
	if len(s.Hardware.DNS) == 0 && (hw.has("dns") || hw.typos["dns"]) {
		d.broken("dns", anyName)
	}
}

// timeServers reads the NTP servers: addresses and names.
func (d *decoder) timeServers(hw *section, s *Spec) {
	seen := map[string]hcl.Range{}
	values, places := hw.texts("ntp")
	for i, text := range values {
		name := strings.ToLower(strings.TrimSuffix(text, "."))
		if _, err := netip.ParseAddr(text); err == nil {
			a := d.serverAddress("time server", text, places[i])
			if a.IsLinkLocalUnicast() {
				d.errorf(places[i], "Invalid time server", "%s is link-local: it means another machine on every interface. Write a global or unique local address of the server, or its name.", a)
				a = netip.Addr{}
			}
			if !a.IsValid() {
				continue
			}
			name = a.String()
		} else if !validHostName(name) {
			d.errorf(places[i], "Invalid time server", "%q is neither an address nor a host name. Write it without a port: \"10.0.0.123\" or \"ntp.example.net\".", text)
			continue
		}
		if first, dup := seen[name]; dup {
			d.errorf(places[i], "Time server given twice", "%s stands at %s already. Remove one of the two.", name, at(first))
			continue
		}
		seen[name] = places[i]
		s.Hardware.NTP, s.Hardware.NTPRanges = append(s.Hardware.NTP, name), append(s.Hardware.NTPRanges, places[i])
	}
}
