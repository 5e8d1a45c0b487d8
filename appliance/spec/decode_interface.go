package spec

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// nicNameRule: the kernel refuses "/", ":" and blanks (dev_valid_name); systemd
// refuses names of digits alone and reads % as its own.
var nicNameRule = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

// maxNICName is IFNAMSIZ without the closing zero.
const maxNICName = 15

// defaultMTU is Ethernet's, bytes.
const defaultMTU = 1500

// networkInterface reads what all kinds have.
func (d *decoder) networkInterface(sec *section, kind string, mtu int) *NIC {
	n := &NIC{
		Name:            sec.name,
		Kind:            kind,
		Management:      sec.boolean("management", false),
		MTU:             sec.integer("mtu", 576, 65535, mtu),
		Range:           sec.def,
		MatchRange:      sec.def,
		MTURange:        sec.rng("mtu"),
		QueuesRange:     sec.def,
		ManagementRange: sec.rng("management"),
	}
	switch {
	case n.Name == "":
	case len(n.Name) > maxNICName:
		d.errorf(sec.def, "NIC name too long", "The interface inside the appliance is called %q, and Linux takes %d characters at most; these are %d. Shorten it.", n.Name, maxNICName, len(n.Name))
	case !nicNameRule.MatchString(n.Name) || n.Name == "lo":
		d.errorf(sec.def, "Invalid NIC name", "No interface can be called %q: write a letter, then letters, digits, hyphens, underscores or dots; \"lo\" is the loopback's.", n.Name)
	case n.Name == "all" || n.Name == "default":
		d.errorf(sec.def, "Invalid NIC name", "%q stands for every interface in the kernel's network settings (/proc/sys/net). Write another name.", n.Name)
	}

	values, places := sec.texts("addresses")
	for i, v := range values {
		if p, ok := d.hostPrefix(v, places[i]); ok {
			n.Addresses, n.AddressRanges = append(n.Addresses, p), append(n.AddressRanges, places[i])
		}
	}
	if len(n.Addresses) == 0 && (sec.has("addresses") || sec.typos["addresses"]) {
		d.broken("addresses", n.Name)
	}
	d.gateways(sec, n)
	return n
}

// card reads an Ethernet card.
func (d *decoder) card(sec *section, platform string) *NIC {
	n := d.networkInterface(sec, KindEthernet, defaultMTU)
	n.SpeedBits = sec.rate("speed", 1e6, 1e12, 0)
	n.Queues, n.QueuesRange = sec.integer("queues", 1, 256, 1), sec.rng("queues")
	n.MatchMAC, n.MatchRange = d.match(sec, "mac", "A NIC", d.mac)
	n.Driver, n.DriverRange = d.driver(sec, platform, DriverNIC), sec.rng("driver")
	return n
}

// bond reads cards that act as one.
func (d *decoder) bond(sec *section) *NIC {
	n := d.networkInterface(sec, KindBond, defaultMTU)
	n.Members, n.MemberRanges = sec.texts("members")
	n.Mode, n.ModeRange = d.bondMode(sec), sec.rng("mode")
	return n
}

// otherModes are those of the kernel that are not taken, with the reason
// (Documentation/networking/bonding.rst, "mode").
var otherModes = map[string]string{
	"balance-rr":  "sends the packets of one call through all cards in turn, and they arrive out of order",
	"balance-xor": "needs a switch set up by hand and does not notice a port that is wired wrongly",
	"broadcast":   "sends every packet through every card, and each message would arrive several times",
	"balance-tlb": "sends from a MAC of its own per card, which switches with port security refuse",
	"balance-alb": "gives every neighbour another MAC, which routers with fixed neighbours do not take",
}

func (d *decoder) bondMode(sec *section) string {
	given := ""
	if v, ok := sec.value("mode"); ok && isText(v) {
		given = v.AsString()
	}
	switch {
	case otherModes[given] != "":
		d.errorf(sec.rng("mode"), "Invalid mode", "Mode %q %s. Write \"802.3ad\" where the switch speaks LACP, or \"active-backup\" where it does not.", given, otherModes[given])
	case strings.EqualFold(given, "lacp"):
		d.errorf(sec.rng("mode"), "Invalid mode", "The mode that speaks LACP is named after its standard. Write \"802.3ad\".")
	default:
		return sec.oneOf("mode", BondLACP, []string{BondLACP, BondActiveBackup}, nil)
	}
	return BondLACP
}

// vlan reads one 802.1Q network of a card or bond. Its MTU is the parent's where
// none is stated: see checkVLANs.
func (d *decoder) vlan(sec *section) *NIC {
	n := d.networkInterface(sec, KindVLAN, 0)
	n.Parent, n.ParentRange = sec.str("parent", ""), sec.rng("parent")
	n.VLAN, n.VLANRange = sec.integer("id", 1, 4094, 0), sec.rng("id")
	return n
}

// hostPrefix reads an address of our own with its prefix length.
func (d *decoder) hostPrefix(text string, place hcl.Range) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(text); err == nil {
		d.errorf(place, "Prefix length missing", "%q says where the interface is, not which neighbours it has. Write the length as well, for example %q.", text, fmt.Sprintf("%s/%d", a, map[bool]int{true: 24, false: 64}[a.Is4()]))
		return netip.Prefix{}, false
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		d.errorf(place, "Invalid address", "%q is not an address with prefix length. Write it as \"203.0.113.10/27\" or \"2001:db8::10/64\".", text)
		return netip.Prefix{}, false
	}
	if why := notHost(p); why != "" {
		d.errorf(place, "Address not usable", "%s %s", text, why)
		return netip.Prefix{}, false
	}
	return p, true
}

// notHost says why an interface cannot have this address; empty if it can.
func notHost(p netip.Prefix) string {
	a := p.Addr()
	switch {
	case a.Is4In6():
		return fmt.Sprintf("is an IPv4 address in IPv6 form. Write %s.", a.Unmap())
	case a.IsUnspecified() || p.Bits() == 0:
		return "is no address of a host. Write the interface's own address and prefix length."
	case a.IsMulticast():
		return "is a multicast address. Write the interface's own address."
	case a.IsLoopback():
		return "is a loopback address, which every machine has without a NIC. Write the interface's own address."
	}
	if !a.Is4() || p.Bits() >= 31 { // RFC 3021: both addresses of a /31 are hosts
		return ""
	}
	switch a {
	case p.Masked().Addr():
		return fmt.Sprintf("is the network address of %s, not a host in it. Use %s to %s.", p.Masked(), a.Next(), lastAddr(p).Prev())
	case lastAddr(p):
		return fmt.Sprintf("is the broadcast address of %s, not a host in it. Use %s to %s.", p.Masked(), p.Masked().Addr().Next(), a.Prev())
	}
	return ""
}

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	raw := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(raw)*8; i++ {
		raw[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(raw)
	return a
}

// gateways reads gateway and gateways: at most one per family.
func (d *decoder) gateways(sec *section, n *NIC) {
	var list []item
	if sec.has("gateway") && sec.has("gateways") {
		d.errorf(sec.rng("gateway"), "Gateway given twice", "Write either gateway (one address) or gateways (one per family), not both.")
		return
	}
	if v, ok := sec.value("gateway"); ok {
		list = []item{{value: v, rng: sec.rng("gateway")}}
	} else if sec.has("gateways") {
		list, _ = sec.items("gateways")
	}
	seen := map[bool]netip.Addr{}
	for _, e := range list {
		if !isText(e.value) {
			d.errorf(e.rng, "Invalid gateway", "A gateway is an address in quotes, not %s.", literal(e.value))
			continue
		}
		a, err := netip.ParseAddr(e.value.AsString())
		if err != nil || a.Zone() != "" {
			d.errorf(e.rng, "Invalid gateway", "%q is not an address. Write it without a prefix length: \"203.0.113.1\".", e.value.AsString())
			continue
		}
		if prev, dup := seen[a.Is4()]; dup {
			d.errorf(e.rng, "Two gateways of one family", "%s is a gateway of the same family as %s, and which of them packets take would be chance. Keep one.", a, prev)
			continue
		}
		seen[a.Is4()] = a
		if d.checkGateway(n, a, e.rng) {
			n.Gateways, n.GatewayRanges = append(n.Gateways, a), append(n.GatewayRanges, e.rng)
		}
	}
}

// checkGateway reports whether a neighbour of the NIC can be its gateway.
func (d *decoder) checkGateway(n *NIC, gw netip.Addr, place hcl.Range) bool {
	var nets []string
	inside := false
	for _, p := range n.Addresses {
		if p.Addr() == gw {
			d.errorf(place, "Gateway is the appliance itself", "%s is an address of NIC %q. Write the router's address.", gw, n.Name)
			return false
		}
		if p.Addr().Is4() != gw.Is4() {
			continue
		}
		nets = append(nets, p.Masked().String())
		if p.Contains(gw) {
			inside = true
			if why := notHost(netip.PrefixFrom(gw, p.Bits())); why != "" {
				d.errorf(place, "Gateway not usable", "%s %s", gw, why)
				return false
			}
		}
	}
	if gw.Is6() && gw.IsLinkLocalUnicast() { // the usual form of an IPv6 router
		return true
	}
	if !inside && len(n.Addresses) > 0 {
		if len(nets) == 0 {
			d.errorf(place, "Gateway outside the subnet", "NIC %q has no %s address, so it cannot reach %s. Add an address of that family or remove the gateway.", n.Name, family(gw), gw)
		} else {
			d.errorf(place, "Gateway outside the subnet", "%s lies in none of the subnets of NIC %q (%s), so it cannot be reached. Correct the address or the prefix length.", gw, n.Name, quoteList(unique(nets), "and"))
		}
		return false
	}
	return true
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}

func unique(in []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range in {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
