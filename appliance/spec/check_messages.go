package spec

import "fmt"

// OverTCP is the listener over TCP by which requests too long for UDP leave that would leave
// by l, nil: there is none. It is on the same address, so that the firewall and the routes of
// the one do for the other, and of several the one on the same port, else the first.
func (s *Spec) OverTCP(l *Listener) *Listener {
	if l.Stream() || !l.Address.IsValid() {
		return nil
	}
	var found *Listener
	for _, x := range s.Listeners {
		if x.Transport == TransportTCP && x.Address == l.Address {
			if x.Port == l.Port {
				return x
			}
			if found == nil {
				found = x
			}
		}
	}
	return found
}

// checkMessages compares the switch from UDP to TCP with the listeners and NICs.
func (d *decoder) checkMessages(s *Spec) {
	m := s.Messages
	if m.UDPLimit == 0 && m.Fallback {
		return
	}
	datagram, sure := 0, true
	var without []string // listeners over UDP, with none over TCP beside them
	var first *Listener
	nics := map[string]bool{}
	for _, l := range s.Listeners {
		switch {
		case d.isBroken(transportOf, l.Name):
			sure = false
		case l.Transport == TransportUDP:
			datagram++
			nics[l.NIC] = true
			if s.OverTCP(l) == nil {
				without = append(without, l.Name)
				if first == nil {
					first = l
				}
			}
		}
	}
	switch {
	case !sure || first == nil:
	case !m.Fallback:
		d.warnf(m.FallbackRange, "Long requests without a way", "A request too long for UDP leaves by a listener over TCP on the same address, and without fallback by nothing else. Beside %s there is none, so what is too long there is answered 513. Add a listener with %s, or remove fallback.", quoteList(without, "and"), overTCPOf(first))
	case m.UDPLimit > 0 && len(without) == datagram:
		d.warnf(m.UDPLimitRange, "No TCP to switch to", "A request beyond udp_limit leaves by a listener over TCP on the same address. There is none beside any listener over UDP, so such requests go over UDP as before and are fragmented. Add a listener with %s, or remove udp_limit.", overTCPOf(first))
		return
	}
	if m.UDPLimit > 0 {
		d.checkMTU(s, nics)
	}
}

// overTCPOf is what a listener beside l is made of.
func overTCPOf(l *Listener) string {
	return fmt.Sprintf("transport = \"tcp\" and address = %q", l.Address)
}

// checkMTU warns of a limit with which requests would be fragmented.
func (d *decoder) checkMTU(s *Spec, nics map[string]bool) {
	m := s.Messages
	var small *NIC
	for _, n := range s.Hardware.NICs {
		if nics[n.Name] && (small == nil || n.MTU < small.MTU) {
			small = n
		}
	}
	if small == nil || m.UDPLimit <= small.MTU-udpRoom || m.UDPLimit == maxDatagram {
		return
	}
	remedy := "Write \"auto\"."
	if small.MTU-udpRoom >= leastUDPLimit {
		remedy = fmt.Sprintf("Write at most %d, or \"auto\".", small.MTU-udpRoom)
	}
	d.warnf(m.UDPLimitRange, "Requests too large for UDP", "A request within %d bytes of the MTU goes over TCP (RFC 3261 section 18.1.1): of NIC %q, with an MTU of %d, from %d bytes on. Beyond that packets are fragmented, which many networks drop. %s", udpRoom, small.Name, small.MTU, small.MTU-udpRoom, remedy)
}
