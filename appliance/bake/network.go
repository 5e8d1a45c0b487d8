package bake

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"trunkline/appliance/spec"
)

// Directories of networkd and udev, and the prefix of our files: before the
// distribution's own, the first match wins.
const networkDir = "etc/systemd/network/10-"

// networkFiles renders what systemd makes interfaces from: a .link names a card, a
// .netdev makes a bond or VLAN, a .network gives either its addresses.
func networkFiles(h *spec.Hardware, head string) []File {
	l := newLayout(h)
	var out []File
	add := func(n *spec.NIC, kind, body string) {
		if body != "" {
			out = append(out, text(networkDir+n.Name+kind, head+body))
		}
	}
	for _, n := range h.NICs {
		add(n, ".link", l.link(n))
		add(n, ".netdev", l.netdev(n))
		add(n, ".network", l.network(n))
	}
	return out
}

// layout is who belongs to whom among the interfaces.
type layout struct {
	virtual bool
	byName  map[string]*spec.NIC
	bondOf  map[string]string   // card -> bond
	vlans   map[string][]string // parent -> VLANs, in source order
	routes  map[string][]*spec.StaticRoute
}

func newLayout(h *spec.Hardware) *layout {
	l := &layout{virtual: h.Platform == spec.PlatformVM, byName: map[string]*spec.NIC{}, bondOf: map[string]string{}, vlans: map[string][]string{}, routes: map[string][]*spec.StaticRoute{}}
	for _, n := range h.NICs {
		l.byName[n.Name] = n
		for _, m := range n.Members {
			l.bondOf[m] = n.Name
		}
		if n.Kind == spec.KindVLAN {
			l.vlans[n.Parent] = append(l.vlans[n.Parent], n.Name)
		}
	}
	for _, r := range h.Routes {
		l.routes[r.NIC] = append(l.routes[r.NIC], r)
	}
	return l
}

// link renders the systemd.link(5) file that gives a card its name of the spec.
// Bonds and VLANs are made under theirs.
func (l *layout) link(n *spec.NIC) string {
	var b strings.Builder
	switch n.Kind {
	case spec.KindVLAN:
		return ""
	case spec.KindBond:
		if l.bondMAC(n) != "" {
			return ""
		}
		// The kernel gives it its member's; the distribution's policy would make one up.
		return fmt.Sprintf("\n[Match]\nOriginalName=%s\nType=bond\n\n[Link]\nMACAddressPolicy=none\n", n.Name)
	}
	b.WriteString("\n[Match]\n")
	if n.MatchMAC != "" {
		fmt.Fprintf(&b, "MACAddress=%s\n", n.MatchMAC)
	}
	// Bonds and VLANs show the MAC of a card and must not get its name.
	b.WriteString("Type=ether\n")
	// Without NamePolicy= the name below is the only candidate.
	fmt.Fprintf(&b, "\n[Link]\nName=%s\n", n.Name)
	if len(l.vlans[n.Name]) > 0 && n.MTU > 0 {
		// Before networkd makes VLANs on the card: theirs cannot be larger.
		fmt.Fprintf(&b, "MTUBytes=%d\n", n.MTU)
	}
	if bond := l.byName[l.bondOf[n.Name]]; bond != nil && bond.Mode == spec.BondLACP && l.virtual {
		// Virtual cards tell no speed unless they are told theirs, and the kernel takes
		// no port into LACP without one. Real cards know it.
		fmt.Fprintf(&b, "AutoNegotiation=no\nBitsPerSecond=%d\nDuplex=full\n", l.speed(n, bond))
	}
	return b.String()
}

// unstatedSpeed is what a virtual card in LACP is taken to have, bits per second: all
// members need the same, and none is held to it.
const unstatedSpeed = 10_000_000_000

// speed is a member's own, or that of another member, bits per second.
func (l *layout) speed(n, bond *spec.NIC) uint64 {
	if n.SpeedBits > 0 {
		return n.SpeedBits
	}
	for _, m := range bond.Members {
		if c := l.byName[m]; c != nil && c.SpeedBits > 0 {
			return c.SpeedBits
		}
	}
	return unstatedSpeed
}

// bondMAC is the MAC of a bond: its first member's, whichever card comes up first.
// Switches know LACP partners by it.
func (l *layout) bondMAC(n *spec.NIC) string {
	for _, m := range n.Members {
		if c := l.byName[m]; c != nil {
			return c.MatchMAC
		}
	}
	return ""
}

// netdev renders the systemd.netdev(5) file of a bond or VLAN. The options of a bond
// are explained in the kernel's Documentation/networking/bonding.rst.
func (l *layout) netdev(n *spec.NIC) string {
	var b strings.Builder
	switch n.Kind {
	case spec.KindBond:
		mac := l.bondMAC(n)
		if mac == "" {
			mac = "none"
		}
		fmt.Fprintf(&b, "\n[NetDev]\nName=%s\nKind=bond\nMACAddress=%s\n", n.Name, mac)
		if n.MTU > 0 {
			fmt.Fprintf(&b, "MTUBytes=%d\n", n.MTU) // the kernel gives it to the members
		}
		// Link state is looked at ten times a second: without it a dead port keeps its share.
		fmt.Fprintf(&b, "\n[Bond]\nMode=%s\nMIIMonitorSec=100ms\n", n.Mode)
		if n.Mode == spec.BondLACP {
			// A PDU each second finds a dead partner in 3 s instead of 90. All SIP of two
			// peers has one pair of MACs: only ports spread it over the cards.
			b.WriteString("LACPTransmitRate=fast\nTransmitHashPolicy=layer3+4\n")
		}
	case spec.KindVLAN:
		fmt.Fprintf(&b, "\n[NetDev]\nName=%s\nKind=vlan\n\n[VLAN]\nId=%d\n", n.Name, n.VLAN)
	}
	return b.String()
}

// network renders the systemd.network(5) file: the spec's addresses and routes, and
// nothing learned from the network.
func (l *layout) network(n *spec.NIC) string {
	v6 := slices.ContainsFunc(n.Addresses, func(p netip.Prefix) bool { return p.Addr().Is6() })
	bond := l.bondOf[n.Name]
	var b strings.Builder
	fmt.Fprintf(&b, "\n[Match]\nName=%s\n", n.Name)
	if n.MTU > 0 && bond == "" {
		fmt.Fprintf(&b, "\n[Link]\nMTUBytes=%d\n", n.MTU)
	}
	b.WriteString("\n[Network]\nDHCP=no\nIPv6AcceptRA=no\nLLMNR=no\nMulticastDNS=no\nLLDP=no\nEmitLLDP=no\n")
	if v6 {
		b.WriteString("LinkLocalAddressing=ipv6\n") // neighbour discovery needs it
	} else {
		b.WriteString("LinkLocalAddressing=no\n")
	}
	// Listeners bind their addresses at boot; a cable that comes later must not
	// find them missing.
	b.WriteString("ConfigureWithoutCarrier=yes\n")
	if bond != "" {
		fmt.Fprintf(&b, "Bond=%s\n", bond)
	}
	for _, v := range l.vlans[n.Name] {
		fmt.Fprintf(&b, "VLAN=%s\n", v)
	}
	for _, g := range n.Gateways {
		fmt.Fprintf(&b, "Gateway=%s\n", g)
	}
	for _, p := range n.Addresses {
		fmt.Fprintf(&b, "\n[Address]\nAddress=%s\n", p)
		if p.Addr().Is6() {
			// A tentative address cannot be bound, and the spec owns it anyway.
			b.WriteString("DuplicateAddressDetection=none\n")
		}
	}
	for _, r := range l.routes[n.Name] {
		fmt.Fprintf(&b, "\n[Route]\nDestination=%s\nGateway=%s\n", r.Destination, r.Via)
	}
	return b.String()
}
