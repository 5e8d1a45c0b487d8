package spec

import (
	"net/netip"

	"github.com/hashicorp/hcl/v2"
)

// checkHardware compares the interfaces with each other, and what the network needs
// with them.
func (d *decoder) checkHardware(s *Spec) {
	nics := s.Hardware.NICs
	byName := d.interfacesByName(nics)
	d.checkCards(nics)
	d.checkDisks(s.Hardware.Disks)
	whole := d.checkBonds(nics, byName)
	whole = d.checkVLANs(nics, byName) && whole
	for _, n := range nics {
		for i, a := range n.Addresses {
			if a.Addr().Is6() && n.MTU < 1280 {
				d.errorf(n.AddressRanges[i], "MTU too small for IPv6", "IPv6 needs an MTU of 1280 at least (RFC 8200 section 5), and NIC %q has %d. Raise the mtu or remove the address.", n.Name, n.MTU)
				break
			}
		}
		d.checkSmallSubnets(n)
	}
	d.checkAddresses(nics)
	if whole {
		d.checkInUse(nics)
	}
	d.checkDefaultRoutes(nics)
	d.checkStaticRoutes(s, byName)
	d.checkResolvers(s)
	d.checkTimeServers(s)
	d.checkManagement(s)
}

// interfacesByName finds names two kinds of interfaces share. Those of one kind have
// been reported.
func (d *decoder) interfacesByName(nics []*NIC) map[string]*NIC {
	byName, seen := map[string]*NIC{}, map[[2]string]bool{}
	for _, n := range nics {
		again := seen[[2]string{n.Kind, n.Name}]
		seen[[2]string{n.Kind, n.Name}] = true
		switch first := byName[n.Name]; {
		case first == nil:
			byName[n.Name] = n
		case !again && n.Name != "":
			d.errorf(n.Range, "Name used twice", "A %s named %q stands at %s already, and interfaces of all kinds share their names inside the appliance. Give this %s another name.", kindName(first), n.Name, at(first.Range), kindName(n))
		}
	}
	return byName
}

// checkCards: each of several cards says which one it is.
func (d *decoder) checkCards(nics []*NIC) {
	cards := 0
	for _, n := range nics {
		if n.Kind == KindEthernet {
			cards++
		}
	}
	macs := map[string]*NIC{}
	for _, n := range nics {
		if n.Kind != KindEthernet {
			continue // made by the appliance, not found
		}
		if n.MatchMAC == "" && cards > 1 && n.MatchRange == n.Range {
			d.errorf(n.Range, "NIC without a match", "With more than one NIC each must say which card it is. Add to NIC %q: match = { mac = \"52:54:00:12:34:56\" }", n.Name)
		}
		if first := macs[n.MatchMAC]; first != nil && n.MatchMAC != "" {
			d.errorf(n.MatchRange, "MAC used twice", "NIC %q has the MAC %s already (%s). Write the one of this card.", first.Name, n.MatchMAC, at(first.MatchRange))
		} else {
			macs[n.MatchMAC] = n
		}
	}
}

// checkDisks: each of several disks says which one it is.
func (d *decoder) checkDisks(disks []*Disk) {
	paths := map[string]*Disk{}
	for _, x := range disks {
		if x.Path == "" && len(disks) > 1 && x.PathRange == x.Range {
			d.errorf(x.Range, "Disk without a match", "With more than one disk each must say which one it is. Add to disk %q: match = { path = \"/dev/nvme0n1\" }", x.Name)
		}
		if first := paths[x.Path]; first != nil && x.Path != "" {
			d.errorf(x.PathRange, "Disk given twice", "Disk %q has the path %s already (%s). Write the one of this disk.", first.Name, x.Path, at(first.PathRange))
		} else {
			paths[x.Path] = x
		}
	}
}

// checkAddresses finds addresses given twice, and subnets on two NICs.
func (d *decoder) checkAddresses(nics []*NIC) {
	type place struct {
		nic *NIC
		rng hcl.Range
	}
	addrs := map[netip.Addr]place{}
	for i, n := range nics {
		for j, p := range n.Addresses {
			if first, dup := addrs[p.Addr()]; dup {
				d.errorf(n.AddressRanges[j], "Address used twice", "%s stands on NIC %q already (%s). Remove one of the two.", p.Addr(), first.nic.Name, at(first.rng))
				continue
			}
			addrs[p.Addr()] = place{n, n.AddressRanges[j]}
			for _, other := range nics[:i] {
				if k := overlapping(other.Addresses, p); k >= 0 {
					d.warnf(n.AddressRanges[j], "One subnet on two NICs", "%s is reached through NIC %q as well (%s, %s): which card answers would be chance. Give the NICs separate subnets.", p.Masked(), other.Name, other.Addresses[k], at(other.AddressRanges[k]))
					break
				}
			}
		}
	}
}

// checkSmallSubnets catches a /31 or /30 used as if it were larger: each address
// is valid alone, but they lie in different subnets and cannot see each other
// or the gateway.
func (d *decoder) checkSmallSubnets(n *NIC) {
	const hosts = 2 // of a /30, and of a /31 (RFC 3021)
	for _, bits := range []int{30, 31} {
		var mine []int
		subnets := map[netip.Prefix]bool{}
		for i, p := range n.Addresses {
			if p.Addr().Is4() && p.Bits() == bits {
				mine = append(mine, i)
				subnets[p.Masked()] = true
			}
		}
		needed := len(mine)
		for _, gw := range n.Gateways {
			for p := range subnets {
				if p.Contains(gw) {
					needed++
				}
			}
		}
		if needed <= hosts || len(subnets) < 2 {
			continue
		}
		i := mine[hosts-1]
		if len(mine) > hosts {
			i = mine[hosts]
		}
		d.errorf(n.AddressRanges[i], "More hosts than the prefix has", "A /%d has %d hosts, and NIC %q asks for %d (its own addresses and the gateway): these would be %d subnets that do not see each other. Write the prefix length of the real subnet.", bits, hosts, n.Name, needed, len(subnets))
	}
}

// checkDefaultRoutes allows one default route per family in the machine.
func (d *decoder) checkDefaultRoutes(nics []*NIC) {
	first := map[bool]*NIC{}
	for _, n := range nics {
		for i, gw := range n.Gateways {
			if other := first[gw.Is4()]; other != nil && other != n {
				d.errorf(n.GatewayRanges[i], "Two default gateways", "NIC %q has an %s gateway already (%s), and a machine has one default route per family. Remove one of the two.", other.Name, family(gw), at(other.Range))
				continue
			}
			first[gw.Is4()] = n
		}
	}
}
