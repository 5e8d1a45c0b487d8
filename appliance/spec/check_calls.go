package spec

import "fmt"

// checkCalls resolves what listeners, caches, limits, state and messages name, and
// compares them with each other.
func (d *decoder) checkCalls(s *Spec) {
	d.checkListenerSecrets(s)
	d.checkCaches(s)
	d.checkLimits(s)
	d.checkPersistence(s)
	d.checkMessages(s)
}

// checkMessages compares the switch from UDP to TCP with the listeners and NICs.
func (d *decoder) checkMessages(s *Spec) {
	m := s.Messages
	if m.UDPLimit == 0 {
		return
	}
	tcp := false
	nics := map[string]bool{}
	for _, l := range s.Listeners {
		tcp = tcp || l.Transport == TransportTCP || d.isBroken(transportOf, l.Name)
		if l.Transport == TransportUDP {
			nics[l.NIC] = true
		}
	}
	if !tcp && len(s.Listeners) > 0 {
		d.warnf(m.UDPLimitRange, "No TCP to switch to", "Requests beyond udp_limit go over TCP, and no listener speaks it, so they go over UDP as before and are fragmented. Add a listener with transport = \"tcp\", or remove udp_limit.")
		return
	}
	var small *NIC
	for _, n := range s.Hardware.NICs {
		if nics[n.Name] && (small == nil || n.MTU < small.MTU) {
			small = n
		}
	}
	if small == nil || m.UDPLimit <= small.MTU-udpRoom {
		return
	}
	remedy := "Write \"auto\"."
	if small.MTU-udpRoom >= leastUDPLimit {
		remedy = fmt.Sprintf("Write at most %d, or \"auto\".", small.MTU-udpRoom)
	}
	d.warnf(m.UDPLimitRange, "Requests too large for UDP", "A request within %d bytes of the MTU goes over TCP (RFC 3261 section 18.1.1): of NIC %q, with an MTU of %d, from %d bytes on. Beyond that packets are fragmented, which many networks drop. %s", udpRoom, small.Name, small.MTU, small.MTU-udpRoom, remedy)
}
