package spec

import (
	"fmt"
	"net/netip"
)

// reachable reports whether packets for a leave the appliance: a is the loopback's,
// lies in a subnet of an interface or behind a static route, or an interface has a
// gateway of its family. An address of the appliance itself is reachable; whether
// that makes sense is the caller's question.
func reachable(s *Spec, a netip.Addr) bool {
	if a.IsLoopback() {
		return true
	}
	for _, n := range s.Hardware.NICs { // gateways first: a NIC may have a thousand addresses
		for _, gw := range n.Gateways {
			if gw.Is4() == a.Is4() {
				return true
			}
		}
	}
	for _, n := range s.Hardware.NICs {
		for _, p := range n.Addresses {
			if p.Contains(a) {
				return true
			}
		}
	}
	for _, r := range s.Hardware.Routes {
		if r.Destination.Contains(a) {
			return true
		}
	}
	return false
}

// noRoute says of an address that is not reachable what is missing.
func noRoute(a netip.Addr) string {
	return fmt.Sprintf("%s lies in no subnet of a NIC, no NIC has an %s gateway, and no route leads there. Add the gateway to the NIC that faces it, or a route block to hardware.", a, family(a))
}
