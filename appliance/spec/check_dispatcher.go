package spec

import (
	"fmt"
	"net/netip"
)

// checkDispatchers compares destinations with listeners, NICs and each other,
// and fills the From of probes.
func (d *decoder) checkDispatchers(s *Spec) {
	ids := map[int]*Dispatcher{}
	for _, set := range s.Dispatchers {
		if first := ids[set.ID]; first != nil && set.ID != 0 {
			d.errorf(set.IDRange, "Dispatcher id used twice", "Dispatcher %q has the id %d already (%s). Give this one another.", first.Name, set.ID, at(first.IDRange))
		} else {
			ids[set.ID] = set
		}
		if set.Probe != nil && set.Probe.From == "" {
			set.Probe.From = probeFrom(s.Listeners)
		}
		seen := map[netip.AddrPort]*Destination{}
		for _, dst := range set.Destinations {
			d.checkDestination(s, set, dst)
			if first := seen[dst.Address]; first != nil && dst.Address.IsValid() {
				d.errorf(dst.URIRange, "Destination used twice", "Destination %q of this set goes to %s already (%s). Remove one of the two.", first.Name, dst.Address, at(first.Range))
			} else {
				seen[dst.Address] = dst
			}
		}
	}
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
	to := dst.Address.Addr()
	if !to.IsValid() || d.isOwn(s, dst) {
		return
	}
	d.checkFamily(s, dst, via)
}

// isOwn reports a destination that is the appliance itself: its calls would come
// back until Max-Forwards ends them.
func (d *decoder) isOwn(s *Spec, dst *Destination) bool {
	for _, l := range s.Listeners {
		if l.Address == dst.Address.Addr() && l.Port == int(dst.Address.Port()) {
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
			usable = usable || l.Address.IsValid() && canReach(l, to)
		}
		if judged && !usable && len(s.Listeners) > 0 {
			d.errorf(dst.URIRange, "No listener reaches the destination", "No listener sends to %s addresses, so nothing can be sent to %s. Add a listener of that kind.", describe(to), to)
			return
		}
	}
	d.checkRoutable(s, dst)
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
