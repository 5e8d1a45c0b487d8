package spec

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2"
)

// checkControl finds the NIC of the API, and compares its sockets with listeners
// and its references with the blocks they name.
func (d *decoder) checkControl(s *Spec) {
	c := &s.Control
	owner := "control block"
	d.checkSecret(s, owner, "certificate", c.Certificate, c.CertificateRange)
	d.checkSecret(s, owner, "key", c.Key, c.KeyRange)
	d.checkSecret(s, owner, "client_ca", c.ClientCA, c.ClientCARange)
	if n := d.operatingNIC(s, c.Address.Addr(), c.AddressRange, "Control"); n != nil {
		c.NIC = n.Name
	}
	d.checkTCP(s, c.Address, c.AddressRange, "control")
	if m := c.Metrics; m != nil {
		d.operatingNIC(s, m.Address.Addr(), m.AddressRange, "Metrics")
		d.checkTCP(s, m.Address, m.AddressRange, "metrics")
		if m.Address.IsValid() && m.Address == c.Address {
			d.errorf(m.AddressRange, "Socket used twice", "The API has %s already (%s), and gives the metrics there as well, to those with a certificate. Give metrics another port, or remove the block.", m.Address, at(c.AddressRange))
		}
	}
	if h := c.HEP; h != nil {
		d.checkPeer(s, h.Address.Addr(), h.AddressRange, "capture server")
	}
	if r := c.CDR; r != nil {
		d.checkDatabaseRef(s, "cdr block", r.Database, r.DatabaseRange)
	}
}

// operatingNIC gives the NIC of an address that is for operating the appliance:
// a management NIC where there is one.
func (d *decoder) operatingNIC(s *Spec, a netip.Addr, place hcl.Range, what string) *NIC {
	if !a.IsValid() || d.hardwareUnclear(s) {
		return nil
	}
	n := nicWith(s, a)
	management := ""
	for _, x := range s.Hardware.NICs {
		if x.Management && management == "" {
			management = x.Name
		}
	}
	switch {
	case a.IsLoopback():
		d.errorf(place, "Loopback address", "%s is the loopback's: nobody else reaches it, and the local socket is there already. Write an address of a NIC.", a)
	case n == nil:
		d.errorf(place, "Address on no NIC", "No NIC has %s. Add it to the addresses of one, or write an address that is there.", a)
	case management != "" && !n.Management:
		d.errorf(place, what+" beside the management NIC", "%s is on NIC %q, and NIC %q is the one for operating the appliance. Write an address of %q.", a, n.Name, management, management)
	case !n.Management:
		for _, l := range s.Listeners {
			if l.NIC == n.Name {
				d.warnf(place, what+" on a NIC that takes calls", "NIC %q has listener %q, so whoever sends calls has a way to this as well, with the firewall alone in between. Give the appliance a NIC or VLAN with management = true, and put this on it.", n.Name, l.Name)
				break
			}
		}
	}
	return n
}

// checkTCP reports a listener that has the TCP socket already: over TCP, TLS, WS
// and WSS alike.
func (d *decoder) checkTCP(s *Spec, a netip.AddrPort, place hcl.Range, what string) {
	for _, l := range s.Listeners {
		if a.IsValid() && l.Stream() && l.Address == a.Addr() && l.Port == int(a.Port()) {
			d.errorf(place, "Socket used twice", "Listener %q has %s over %s already (%s), and a TCP port has one owner. Give %s another port.", l.Name, a, l.Transport, at(l.Range), what)
		}
	}
}
