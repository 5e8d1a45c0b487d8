package spec

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// checkDispatchers compares destinations with listeners, NICs and each other,
// and fills the From of probes.
func (d *decoder) checkDispatchers(s *Spec) {
	ids := map[int]*Dispatcher{}
	var named *Destination // the first by name: one resolver is missing to all
	for _, set := range s.Dispatchers {
		if first := ids[set.ID]; first != nil && set.ID != 0 {
			d.errorf(set.IDRange, "Dispatcher id used twice", "Dispatcher %q has the id %d already (%s). Give this one another.", first.Name, set.ID, at(first.IDRange))
		} else {
			ids[set.ID] = set
		}
		if set.Probe != nil && set.Probe.From == "" {
			set.Probe.From = probeFrom(s.Listeners)
		}
		d.checkAlgorithm(set)
		seen := map[string]*Destination{}
		for _, dst := range set.Destinations {
			d.checkDestination(s, set, dst)
			if named == nil && dst.Host != "" {
				named = dst
			}
			target := dst.target()
			if first := seen[target]; first != nil && target != "" {
				d.errorf(dst.URIRange, "Destination used twice", "Destination %q of this set goes to %s already (%s). Remove one of the two.", first.Name, dst.where(), at(first.Range))
			} else {
				seen[target] = dst
			}
		}
	}
	if named != nil {
		d.checkResolvable(s, named.Host, named.URIRange)
	}
	d.checkChains(s)
}

// target is what two destinations of a set may not have in common: one server may
// stand in it once for each transport. It is empty where the URI was wrong.
func (dst *Destination) target() string {
	if dst.Host == "" && !dst.Address.IsValid() {
		return ""
	}
	return dst.Transport + " " + dst.where()
}

// where is the address or name of a destination, with the port.
func (dst *Destination) where() string {
	switch {
	case dst.Host == "":
		return dst.Address.String()
	case dst.Port == 0:
		return dst.Host
	}
	return fmt.Sprintf("%s:%d", dst.Host, dst.Port)
}

// probeFrom is the From of OPTIONS nobody chose one for.
func probeFrom(listeners []*Listener) string {
	for _, l := range listeners {
		if l.Address.Is6() {
			return fmt.Sprintf("sip:trunkline@[%s]", l.Address)
		}
		if l.Address.IsValid() {
			return fmt.Sprintf("sip:trunkline@%s", l.Address)
		}
	}
	return ""
}

func (d *decoder) checkDestination(s *Spec, set *Dispatcher, dst *Destination) {
	var via *Listener
	for _, l := range s.Listeners {
		if l.Name == dst.Listener {
			via = l
		}
	}
	if dst.Listener != "" && via == nil && !d.isBroken("listener", dst.Listener) {
		var names []string // not for each of thousands of destinations
		for _, l := range s.Listeners {
			names = append(names, l.Name)
		}
		d.errorf(dst.ListenerRange, "Unknown listener", "Destination %q of dispatcher %q names listener %q. %s", dst.Name, set.Name, dst.Listener, didYouMean(dst.Listener, names, "listener"))
	}
	switch {
	case dst.Host != "":
		d.checkHost(s, dst, via)
	case dst.Address.IsValid() && !d.isOwn(s, dst):
		d.checkFamily(s, dst, via)
	}
}

// checkHost judges a destination by name as far as that goes before it is resolved.
func (d *decoder) checkHost(s *Spec, dst *Destination, via *Listener) {
	for _, l := range s.Listeners {
		host, _, _ := strings.Cut(l.Advertise, ":")
		if strings.EqualFold(strings.TrimSuffix(host, "."), dst.Host) {
			d.errorf(dst.URIRange, "Destination is a listener", "%s is what listener %q of this appliance advertises (%s): calls would run in circles. Write the name of the server they should reach.", dst.Host, l.Name, at(l.Range))
			return
		}
	}
	d.nameTransport(s, dst, via)
	d.checkTransport(s, dst, via)
	if dst.Listener == "" {
		d.checkOneListener(s, dst)
	}
}

// nameTransport gives a name whose URI says no transport that of the listener it names,
// or of the listeners there are: DNS then says what of it the name offers (RFC 3263 4.1).
func (d *decoder) nameTransport(s *Spec, dst *Destination, via *Listener) {
	if dst.says {
		return
	}
	speaks := func(t string) bool {
		if via != nil {
			return via.Transport == t
		}
		return slices.ContainsFunc(s.Listeners, func(l *Listener) bool { return l.Transport == t })
	}
	for _, t := range []string{TransportUDP, TransportTCP, TransportTLS} {
		if speaks(t) {
			dst.Transport = t
			return
		}
	}
}

// checkOneListener: of an address the subnets tell by which listener it is reached, of
// a name nothing does before it is resolved. So there is one listener, or one is named.
// A listener on the loopback does not count beside others.
func (d *decoder) checkOneListener(s *Spec, dst *Destination) {
	var names []string
	for _, l := range s.Listeners {
		if l.Transport == dst.Transport && !l.Address.IsLoopback() && !d.isBroken(transportOf, l.Name) {
			names = append(names, l.Name)
		}
	}
	if len(names) > 1 {
		d.errorf(dst.URIRange, "Destination by name without its listener", "Where %s leads is known when it is resolved, so nothing tells which of the listeners over %s talks to it. Write listener = %q, or another of: %s. The addresses it leads to must be within the sources of that listener.", dst.Host, dst.Transport, names[0], someNames(names[1:]))
	}
}

// someNames is as many names as a sentence bears.
func someNames(names []string) string {
	const most = 6
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}

// isOwn reports a destination that is the appliance itself: its calls would come
// back until Max-Forwards ends them.
func (d *decoder) isOwn(s *Spec, dst *Destination) bool {
	for _, l := range s.Listeners {
		if l.Address == dst.Address.Addr() && l.Port == int(dst.Address.Port()) && socketProtocol(l.Transport) == socketProtocol(dst.Transport) {
			d.errorf(dst.URIRange, "Destination is a listener", "%s is listener %q of this appliance (%s): calls would run in circles. Write the address of the server they should reach.", dst.Address, l.Name, at(l.Range))
			return true
		}
	}
	for _, n := range s.Hardware.NICs {
		for _, p := range n.Addresses {
			if p.Addr() == dst.Address.Addr() {
				d.errorf(dst.URIRange, "Destination is the appliance itself", "%s is an address of NIC %q, and nothing answers on port %d there. Write the address of the server calls should reach.", dst.Address.Addr(), n.Name, dst.Address.Port())
				return true
			}
		}
	}
	return false
}

// checkFamily reports destinations no socket or no route of ours reaches.
func (d *decoder) checkFamily(s *Spec, dst *Destination, via *Listener) {
	to := dst.Address.Addr()
	if via != nil {
		if via.Address.IsValid() && !canReach(via, to) {
			d.errorf(dst.ListenerRange, "Listener cannot reach the destination", "Listener %q is on %s (%s), which cannot send to %s (%s). Name a listener of the destination's kind, or none: then one is chosen.", via.Name, via.Address, describe(via.Address), to, describe(to))
			return
		}
	} else if dst.Listener == "" {
		usable, judged := false, true
		for _, l := range s.Listeners {
			judged = judged && l.Address.IsValid()
			if usable = l.Address.IsValid() && canReach(l, to); usable {
				break
			}
		}
		if judged && !usable && len(s.Listeners) > 0 {
			d.errorf(dst.URIRange, "No listener reaches the destination", "No listener sends to %s addresses, so nothing can be sent to %s. Add a listener of that kind.", describe(to), to)
			return
		}
	}
	d.checkTransport(s, dst, via)
	d.checkRoutable(s, dst)
}

// checkTransport wants a listener of the destination's transport. Over TCP and TLS
// a connection of ours may leave from any port, but what the other side sends later
// comes to the address that Via and Record-Route name (RFC 3261 sections 18.2.2,
// 16.6 step 4), and somebody must take it there.
func (d *decoder) checkTransport(s *Spec, dst *Destination, via *Listener) {
	if via != nil {
		if via.Transport != dst.Transport && !d.isBroken(transportOf, via.Name) {
			d.errorf(dst.ListenerRange, "Listener of another transport", "Destination %q is reached over %s, and listener %q speaks %s. Name a listener with transport = %q, or none: then one is chosen.", dst.Name, dst.Transport, via.Name, via.Transport, dst.Transport)
		}
		return
	}
	if dst.Listener != "" || len(s.Listeners) == 0 {
		return
	}
	for _, l := range s.Listeners {
		right := l.Transport == dst.Transport || d.isBroken(transportOf, l.Name)
		if right && (dst.Host != "" || !l.Address.IsValid() || canReach(l, dst.Address.Addr())) {
			return
		}
	}
	kind := ""
	if dst.Host == "" {
		kind = " on an " + describe(dst.Address.Addr()) + " address"
	}
	d.errorf(dst.URIRange, "No listener of the transport", "%s is reached over %s, and no listener%s speaks it, so nobody would take what comes back. Add a listener with transport = %q.", dst.where(), dst.Transport, kind, dst.Transport)
}

// checkRoutable reports destinations that are neither a neighbour nor behind a
// gateway or static route.
func (d *decoder) checkRoutable(s *Spec, dst *Destination) {
	to := dst.Address.Addr()
	if to.IsLoopback() || len(s.Hardware.NICs) == 0 || d.diags.HasErrors() {
		return // a NIC that could not be read may be the one
	}
	if !reachable(s, to) {
		d.errorf(dst.URIRange, "No route to the destination", "%s", noRoute(to))
	}
}

// canReach: a socket on the loopback reaches the loopback alone, and the others
// never do.
func canReach(l *Listener, to netip.Addr) bool {
	return l.Address.Is4() == to.Is4() && l.Address.IsLoopback() == to.IsLoopback()
}

func describe(a netip.Addr) string {
	if a.IsLoopback() {
		return family(a) + " loopback"
	}
	return family(a)
}
