package spec

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

func (d *decoder) listeners(root *section, s *Spec) {
	for _, sec := range root.all("listener") {
		transport, sure := sec.choice("transport", TransportUDP, transports, nil)
		if !sure {
			d.broken(transportOf, sec.name)
		}
		l := &Listener{
			Name:      sec.name,
			NIC:       sec.str("nic", ""),
			Port:      sec.integer("port", 1, 65535, defaultPorts[transport]),
			Transport: transport,
			TOS:       d.tos(sec),
			Advertise: d.advertise(sec),
			Workers:   sec.integerOrAuto("workers", 1, 1024),
			Steering:  sec.oneOf("steering", SteeringAuto, []string{SteeringAuto, SteeringCallID, SteeringOff}, nil),
			Share:     sec.ratio("share", 0),
			Range:     sec.def,

			NICRange: sec.rng("nic"), AddressRange: sec.rng("address"), PortRange: sec.rng("port"),
			WorkersRange: sec.rng("workers"), SourcesRange: sec.rng("sources"), ShareRange: sec.rng("share"),
			TransportRange: sec.rng("transport"), TOSRange: sec.rng("tos"), SteeringRange: sec.rng("steering"),
		}
		d.listenerTLS(sec, l, sure)
		d.connections(sec, l, sure)
		if sure && l.Stream() && l.Steering == SteeringCallID {
			d.errorf(l.SteeringRange, "Steering of connections", "%s takes connections, and each has a worker of its own already. Remove steering.", sec.what)
		}
		if text := sec.str("address", ""); text != "" {
			l.Address = d.listenAddress(text, l.AddressRange)
		}
		d.sources(sec, l)
		s.Listeners = append(s.Listeners, l)
	}
}

func (d *decoder) listenAddress(text string, place hcl.Range) netip.Addr {
	if p, err := netip.ParsePrefix(text); err == nil {
		d.errorf(place, "Invalid address", "A socket is bound to one address. Write it without the prefix length: %q.", p.Addr())
		return netip.Addr{}
	}
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil && strings.Contains(text, ":") && strings.Contains(text, "."):
		d.errorf(place, "Invalid address", "%q is not an address. Write the address alone; the port goes into port.", text)
	case err != nil:
		d.errorf(place, "Invalid address", "%q is not an address. Names are not resolved here: write the IP address, for example \"203.0.113.10\".", text)
	case a.IsUnspecified():
		d.errorf(place, "Address must be explicit", "%s would listen on every interface, the management ones too. Write one address of a NIC, and a listener for each further one.", text)
	case a.IsMulticast() || a.Is4In6() || a.Zone() != "":
		d.errorf(place, "Invalid address", "%s cannot be listened on. Write a plain unicast address of a NIC.", text)
	default:
		return a
	}
	return netip.Addr{}
}

// advertise is a host with or without a port, as written into Via and
// Record-Route (RFC 3261 section 25.1, hostport).
func (d *decoder) advertise(sec *section) string {
	text := sec.str("advertise", "")
	if text == "" {
		return ""
	}
	if !validHostPort(text) {
		sec.wrong("advertise", fmt.Sprintf("%q is not a host with or without a port.", text))
		return ""
	}
	return text
}

func validHostPort(text string) bool {
	host, port := text, ""
	if rest, isV6 := strings.CutPrefix(text, "["); isV6 {
		var closed bool
		if host, port, closed = strings.Cut(rest, "]"); !closed || port != "" && !strings.HasPrefix(port, ":") {
			return false
		}
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() || a.Zone() != "" {
			return false
		}
		return port == "" || validPort(port[1:])
	}
	host, port, hasPort := strings.Cut(text, ":")
	if hasPort && !validPort(port) {
		return false
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return validHostName(host)
}

func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

// validHostName is RFC 1123 with dots; a name of digits and dots alone is a
// mistyped address.
func validHostName(host string) bool {
	if len(host) > 253 || strings.Trim(host, "0123456789.") == "" {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(host, "."), ".") {
		if !labelRule.MatchString(strings.ToLower(label)) {
			return false
		}
	}
	return true
}

// prefixes reads a list of addresses and prefixes. Overlaps are refused: an entry
// that changes nothing is a mistake, and often one in the other entry's length.
// Diagnostics call an entry a source, which each of these lists is about.
func (d *decoder) prefixes(sec *section, attr string) (list []netip.Prefix, places []hcl.Range) {
	values, written := sec.texts(attr)
	for i, v := range values {
		p, err := netip.ParsePrefix(v)
		if a, addrErr := netip.ParseAddr(v); addrErr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Is4In6():
			d.errorf(written[i], "Invalid source", "%q is not an address or prefix. Write it as \"198.51.100.0/24\" or \"2001:db8::/32\"; names are not resolved here.", v)
			continue
		case p != p.Masked():
			d.errorf(written[i], "Host bits in a source", "%s has bits set beyond its %d. Write %q for the whole network, or \"%s/%d\" for the one host.", v, p.Bits(), p.Masked(), p.Addr(), p.Addr().BitLen())
			continue
		}
		if j := overlapping(list, p); j >= 0 {
			wide, narrow := list[j], p
			if p.Bits() < wide.Bits() {
				wide, narrow = p, wide
			}
			if wide == narrow {
				d.errorf(written[i], "Source given twice", "%s stands at %s already. Remove one of the two.", p, at(places[j]))
			} else {
				d.errorf(written[i], "Sources overlap", "%s lies within %s, so it changes nothing. Remove it, or correct the length of the other.", narrow, wide)
			}
			continue
		}
		list, places = append(list, p), append(places, written[i])
	}
	return list, places
}

// sources reads who may send to a listener.
func (d *decoder) sources(sec *section, l *Listener) {
	var kept []hcl.Range
	l.Sources, kept = d.prefixes(sec, "sources")
	if !l.Address.IsValid() || len(l.Sources) == 0 {
		return
	}
	for i, p := range l.Sources {
		if p.Addr().Is4() != l.Address.Is4() && p.Bits() > 0 {
			d.errorf(kept[i], "Source of the other family", "Nothing from %s can reach %s, which is %s. Move it to a listener on an %s address.", p, l.Address, family(l.Address), family(p.Addr()))
			return
		}
	}
	for _, p := range l.Sources {
		if p.Addr().Is4() == l.Address.Is4() {
			return
		}
	}
	d.errorf(l.SourcesRange, "No source of the listener's family", "%s listens on %s, and no source is %s: nobody could reach it. Add the prefixes of those who may.", sec.what, l.Address, family(l.Address))
}

func overlapping(list []netip.Prefix, p netip.Prefix) int {
	for i, q := range list {
		if q.Overlaps(p) {
			return i
		}
	}
	return -1
}
