package spec

// kindName names an interface's kind as its block is written.
func kindName(n *NIC) string {
	if n.Kind == KindEthernet {
		return "nic"
	}
	return n.Kind
}

// namesOf lists the interfaces that may be meant, for "did you mean".
func namesOf(nics []*NIC, kinds ...string) []string {
	var out []string
	for _, n := range nics {
		for _, k := range kinds {
			if n.Kind == k {
				out = append(out, n.Name)
			}
		}
	}
	return out
}

// checkBonds holds members to what a bond can be made of, and gives them its MTU,
// which the kernel sets on them (Documentation/networking/bonding.rst). It reports
// whether every member was found.
func (d *decoder) checkBonds(nics []*NIC, byName map[string]*NIC) bool {
	whole := true
	bondOf := map[string]*NIC{}
	for _, b := range nics {
		if b.Kind != KindBond {
			continue
		}
		whole = whole && len(b.Members) > 0
		for i, name := range b.Members {
			place, m := b.MemberRanges[i], byName[name]
			switch first := bondOf[name]; {
			case m == nil:
				whole = false
				if !d.isBroken("nic", name) {
					d.errorf(place, "Unknown NIC", "Bond %q names NIC %q. %s", b.Name, name, didYouMean(name, namesOf(nics, KindEthernet), "NIC"))
				}
			case m.Kind != KindEthernet:
				d.errorf(place, "Member is no card", "%q is a %s, and a bond is made of cards. Name nic blocks; a VLAN of the bond is a vlan block with parent = %q.", name, m.Kind, b.Name)
			case first == b:
				d.errorf(place, "Member given twice", "Bond %q has NIC %q already. Remove one of the two.", b.Name, name)
			case first != nil:
				d.errorf(place, "Card in two bonds", "NIC %q is a member of bond %q already (%s), and a card belongs to one. Remove it from one of them.", name, first.Name, at(first.Range))
			default:
				bondOf[name] = b
				d.checkMember(b, m)
				d.checkSpeeds(b, i, byName)
			}
		}
		if len(b.Members) == 1 && !d.isBroken("nic", b.Members[0]) {
			d.warnf(b.MemberRanges[0], "Bond of one card", "Bond %q has one member: when it fails nothing is left. Add a second card, or give the addresses to NIC %q and remove the bond.", b.Name, b.Members[0])
		}
	}
	return whole
}

// checkMember: what a card in a bond had of its own, the bond has now. What has been
// reported is taken away, so that nothing else is said of it.
func (d *decoder) checkMember(b, m *NIC) {
	const moved = "NIC %q is a member of bond %q (%s): its packets are the bond's. Move %s to the bond."
	switch {
	case len(m.Addresses) > 0:
		d.errorf(m.AddressRanges[0], "Address on a member", moved, m.Name, b.Name, at(b.Range), "addresses and gateway")
	case len(m.Gateways) > 0:
		d.errorf(m.GatewayRanges[0], "Gateway on a member", moved, m.Name, b.Name, at(b.Range), "the gateway")
	}
	m.Addresses, m.AddressRanges, m.Gateways, m.GatewayRanges = nil, nil, nil, nil
	if m.Management {
		d.errorf(m.ManagementRange, "Management on a member", moved, m.Name, b.Name, at(b.Range), "management")
	}
	if m.MTURange != m.Range && m.MTU != b.MTU {
		d.errorf(m.MTURange, "MTU of a member", "Bond %q (%s) sets the MTU of its members, and its own is %d. Remove this mtu, or write mtu = %d in the bond.", b.Name, at(b.Range), b.MTU, m.MTU)
	}
	m.MTU = b.MTU
}

// checkSpeeds compares member i with the members before it: LACP puts ports of one
// speed together (IEEE 802.1AX), the others stay idle.
func (d *decoder) checkSpeeds(b *NIC, i int, byName map[string]*NIC) {
	m := byName[b.Members[i]]
	if b.Mode != BondLACP || m.SpeedBits == 0 {
		return
	}
	for _, name := range b.Members[:i] {
		if o := byName[name]; o != nil && o.SpeedBits > 0 && o.SpeedBits != m.SpeedBits {
			d.warnf(b.MemberRanges[i], "Members of unequal speed", "NIC %q has %s and NIC %q has %s: LACP uses cards of one speed together and leaves the others idle. Take cards of one speed, or mode = \"active-backup\".", m.Name, formatRate(m.SpeedBits), o.Name, formatRate(o.SpeedBits))
			return
		}
	}
}

// checkVLANs holds VLANs to their parents, and gives those without an mtu their
// parent's. It reports whether every parent was found.
func (d *decoder) checkVLANs(nics []*NIC, byName map[string]*NIC) bool {
	type network struct {
		parent string
		id     int
	}
	bondOf := bonds(nics)
	whole, first := true, map[network]*NIC{}
	for _, v := range nics {
		if v.Kind != KindVLAN {
			continue
		}
		parent := byName[v.Parent]
		switch {
		case v.Parent == "":
			whole = false
		case parent == nil:
			whole = false
			if !d.isBroken("nic", v.Parent) {
				d.errorf(v.ParentRange, "Unknown parent", "VLAN %q names interface %q. %s", v.Name, v.Parent, didYouMean(v.Parent, namesOf(nics, KindEthernet, KindBond), "NIC"))
			}
		case parent.Kind == KindVLAN:
			d.errorf(v.ParentRange, "VLAN on a VLAN", "%q is a VLAN itself, and tags within tags (802.1ad) are not built. Name a card or bond.", v.Parent)
		case bondOf[v.Parent] != nil:
			d.errorf(v.ParentRange, "Parent is a member", "NIC %q is a member of bond %q (%s), and its packets are the bond's. Write parent = %q.", v.Parent, bondOf[v.Parent].Name, at(bondOf[v.Parent].Range), bondOf[v.Parent].Name)
		default:
			d.checkVLANSize(v, parent)
			key := network{v.Parent, v.VLAN}
			if other := first[key]; other != nil && v.VLAN > 0 {
				d.errorf(v.VLANRange, "VLAN id used twice", "VLAN %q has the id %d on %q already (%s). Write the id of this network, or give the addresses to %q.", other.Name, v.VLAN, v.Parent, at(other.VLANRange), other.Name)
			} else {
				first[key] = v
			}
		}
		if v.MTU == 0 {
			v.MTU = defaultMTU // its parent has been reported
		}
	}
	return whole
}

func (d *decoder) checkVLANSize(v, parent *NIC) {
	if v.MTURange == v.Range || v.MTU == 0 {
		v.MTU = parent.MTU
	}
	if v.MTU > parent.MTU {
		d.errorf(v.MTURange, "MTU above the parent's", "VLAN %q would send packets of %d bytes through %q, which carries %d. Write mtu = %d here, or raise the one of %q.", v.Name, v.MTU, parent.Name, parent.MTU, parent.MTU, parent.Name)
	}
}

// bonds gives the bond of each member.
func bonds(nics []*NIC) map[string]*NIC {
	out := map[string]*NIC{}
	for _, b := range nics {
		for _, m := range b.Members {
			if out[m] == nil {
				out[m] = b
			}
		}
	}
	return out
}

// checkInUse finds interfaces nothing could use: without an address, and no part of
// another one.
func (d *decoder) checkInUse(nics []*NIC) {
	part := map[string]bool{}
	for _, n := range nics {
		part[n.Parent] = true
		for _, m := range n.Members {
			part[m] = true
		}
	}
	bondOf := bonds(nics)
	for _, n := range nics {
		if len(n.Addresses) > 0 || n.Name == "" || d.isBroken("addresses", n.Name) {
			continue
		}
		switch {
		case !part[n.Name] && n.Kind == KindEthernet:
			d.errorf(n.Range, "NIC without an address", "NIC %q has no addresses, is no member of a bond and carries no VLAN, so nothing would use it. Add addresses, or remove it.", n.Name)
		case !part[n.Name]:
			d.errorf(n.Range, "NIC without an address", "The %s %q has no addresses%s, so nothing would use it. Add addresses, or remove it.", n.Kind, n.Name, map[bool]string{true: " and carries no VLAN"}[n.Kind == KindBond])
		case len(n.Gateways) > 0 && bondOf[n.Name] == nil:
			d.errorf(n.GatewayRanges[0], "Gateway without an address", "NIC %q has no address, so it has no neighbours and reaches no gateway. Add an address of the gateway's network, or move the gateway to the VLAN that has one.", n.Name)
		}
	}
}

// checkManagement keeps SIP off interfaces that are for operating the appliance.
func (d *decoder) checkManagement(s *Spec) {
	var last *NIC
	addressed, management := 0, 0
	for _, n := range s.Hardware.NICs {
		if len(n.Addresses) == 0 {
			continue
		}
		addressed++
		if n.Management {
			management++
			last = n
		}
	}
	if management == 0 {
		return
	}
	if management == addressed && !d.isBroken("network", anyName) {
		d.errorf(last.ManagementRange, "No NIC for SIP", "Every NIC with an address is for management, and no listener may be on one of those. Remove management from the NIC that faces the carriers, or add that NIC.")
		return
	}
	for _, l := range s.Listeners {
		for _, n := range s.Hardware.NICs {
			if n.Management && hasAddress(n, l.Address) {
				d.errorf(l.AddressRange, "Listener on a management NIC", "%s is an address of NIC %q, which is for management alone (%s). Listen on an address of another NIC, or remove management from this one.", l.Address, n.Name, at(n.ManagementRange))
				break
			}
		}
	}
}
