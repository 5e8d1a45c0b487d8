package sizing

import "trunkline/appliance/spec"

// UDPLimit is the largest request that goes over UDP, bytes: what the spec says,
// else 200 bytes below the smallest MTU of an interface with a listener over UDP,
// else 1,300 (RFC 3261 section 18.1.1).
func UDPLimit(s *spec.Spec) int {
	if s.Messages.UDPLimit > 0 {
		return s.Messages.UDPLimit
	}
	least := 0
	for _, n := range s.Hardware.NICs {
		for _, l := range s.Listeners {
			if l.NIC == n.Name && !l.Stream() && n.MTU > 0 && (least == 0 || n.MTU < least) {
				least = n.MTU
			}
		}
	}
	if least == 0 {
		return 1300
	}
	return least - 200
}
