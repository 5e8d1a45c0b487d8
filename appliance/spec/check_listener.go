package spec

import (
	"fmt"
	"math"
	"net/netip"
)

// shareTolerance is what explicit shares may miss 1 by: 0.333 three times.
const shareTolerance = 0.001

// checkListeners resolves the NIC of each listener and compares sockets.
func (d *decoder) checkListeners(s *Spec) {
	sockets := map[string]*Listener{}
	for _, l := range s.Listeners {
		d.checkListenerNIC(s, l)
		if !l.Address.IsValid() || l.Port == 0 {
			continue
		}
		if d.isBroken(transportOf, l.Name) {
			continue
		}
		socket := netip.AddrPortFrom(l.Address, uint16(l.Port))
		key := fmt.Sprintf("%s/%s", socket, socketProtocol(l.Transport))
		switch first := sockets[key]; {
		case first == nil:
			sockets[key] = l
		case first.Transport == l.Transport:
			d.errorf(l.AddressRange, "Socket used twice", "Listener %q has %s on %s already (%s). Give this one another address or port.", first.Name, l.Transport, socket, at(first.Range))
		default:
			d.errorf(l.AddressRange, "Socket used twice", "Listener %q has %s on %s already (%s), and %s takes the same TCP port. Give this one another address or port.", first.Name, first.Transport, socket, at(first.Range), l.Transport)
		}
	}
}

func (d *decoder) checkListenerNIC(s *Spec, l *Listener) {
	var names []string
	var named, holder *NIC
	for _, n := range s.Hardware.NICs {
		names = append(names, n.Name)
		if n.Name == l.NIC {
			named = n
		}
		for _, p := range n.Addresses {
			// A NIC named by the listener wins over another with the same address,
			// which has been reported.
			if l.Address.IsValid() && p.Addr() == l.Address && (holder == nil || n.Name == l.NIC) {
				holder = n
			}
		}
	}
	switch {
	case len(names) == 0: // reported where it belongs
	case l.NIC != "" && named == nil:
		if !d.isBroken("nic", l.NIC) {
			d.errorf(l.NICRange, "Unknown NIC", "Listener %q names NIC %q. %s", l.Name, l.NIC, didYouMean(l.NIC, names, "NIC"))
		}
	case !l.Address.IsValid():
	case l.Address.IsLoopback():
		if l.NIC != "" {
			d.errorf(l.NICRange, "Loopback address on a NIC", "%s is the loopback's and never reaches NIC %q. Remove nic, or write an address of the NIC.", l.Address, l.NIC)
		}
	case holder == nil:
		d.checkMissingAddress(s, l, named)
	case named != nil && holder != named:
		d.errorf(l.AddressRange, "Address on another NIC", "%s is an address of NIC %q, not of %q. Write nic = %q, or an address of %q.", l.Address, holder.Name, named.Name, holder.Name, named.Name)
	default:
		l.NIC = holder.Name
	}
}

// checkMissingAddress reports a listener's address that no NIC has, with the
// line to add where the NIC is clear.
func (d *decoder) checkMissingAddress(s *Spec, l *Listener, named *NIC) {
	if named == nil && len(s.Hardware.NICs) == 1 {
		named = s.Hardware.NICs[0]
	}
	if named == nil {
		d.errorf(l.AddressRange, "Address on no NIC", "No NIC has %s. Add it to the addresses of one, or listen on an address that is there.", l.Address)
		return
	}
	bits := l.Address.BitLen()
	var have []string
	for _, p := range named.Addresses {
		have = append(have, p.Addr().String())
		if p.Contains(l.Address) {
			bits = p.Bits()
		}
	}
	d.errorf(l.AddressRange, "Address on no NIC", "NIC %q does not have %s. Add \"%s/%d\" to its addresses, or listen on one it has: %s.", named.Name, l.Address, l.Address, bits, quoteList(have, "or"))
}

// shareOut gives every listener its share of the offered load: what is not
// stated is split equally. Transports do not matter: calls over TCP are calls.
func (d *decoder) shareOut(s *Spec) {
	sum, open := 0.0, 0
	var last *Listener
	for _, l := range s.Listeners {
		if l.ShareRange == l.Range || l.Share == 0 {
			open++
			continue
		}
		sum += l.Share
		last = l
	}
	switch left := 1 - sum; {
	case len(s.Listeners) == 0:
	case open == 0 && math.Abs(left) > shareTolerance:
		d.errorf(last.ShareRange, "Shares do not add up", "The shares of all listeners add up to %.4g. They are parts of the offered load and must add up to 1.", sum)
	case open > 0 && left <= shareTolerance:
		d.errorf(last.ShareRange, "No share left", "The shares stated add up to %.4g, which leaves nothing for the other listeners (%d without a share). Lower them, or state a share for each.", sum, open)
	default:
		for _, l := range s.Listeners {
			if l.Share == 0 {
				l.Share = left / float64(open)
			}
		}
	}
}
