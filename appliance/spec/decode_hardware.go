package spec

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

const (
	mebibyte = 1 << 20
	gibibyte = 1 << 30
	maxInt   = 1<<31 - 1 // for counts without a bound of their own
)

// ApplianceNameRule is what the name of an appliance must be, for messages.
const ApplianceNameRule = "a DNS label (RFC 1123): 1 to 63 lower-case letters, digits and hyphens, no hyphen first or last"

// ValidApplianceName reports whether an appliance can be called so.
func ValidApplianceName(name string) bool { return labelRule.MatchString(name) }

var labelRule = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (d *decoder) appliance(root *section, s *Spec) {
	a := root.one("appliance")
	if a == nil {
		return
	}
	s.Appliance = Appliance{Name: a.name, Site: a.str("site", ""), Range: a.def}
	if a.name != "" && !ValidApplianceName(a.name) {
		d.errorf(a.def, "Invalid appliance name", "The name %q becomes the host name, so it must be %s.", a.name, ApplianceNameRule)
	}
}

func (d *decoder) hardware(root *section, s *Spec) {
	hw := root.one("hardware")
	if hw == nil {
		return
	}
	s.Hardware = Hardware{
		Platform:    hw.oneOf("platform", "", []string{PlatformVM, PlatformBaremetal}, nil),
		Memory:      hw.size("memory", 256*mebibyte, 64<<40, 0),
		Range:       hw.def,
		MemoryRange: hw.rng("memory"),
		CPURange:    hw.def,
	}
	if cpu := hw.one("cpu"); cpu != nil {
		s.Hardware.Cores = cpu.integer("cores", 1, 1024, 0)
		s.Hardware.ThreadsPerCore = cpu.integer("threads_per_core", 1, 8, 1)
		s.Hardware.CPURange = cpu.def
	}
	for _, sec := range hw.all("nic") {
		s.Hardware.NICs = append(s.Hardware.NICs, d.nic(sec))
	}
}

// nicNameRule: the kernel refuses "/", ":" and blanks (dev_valid_name); systemd
// refuses names of digits alone and reads % as its own.
var nicNameRule = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]*$`)

// maxNICName is IFNAMSIZ without the closing zero.
const maxNICName = 15

func (d *decoder) nic(sec *section) *NIC {
	n := &NIC{
		Name:      sec.name,
		SpeedBits: sec.rate("speed", 1e6, 1e12, 0),
		Queues:    sec.integer("queues", 1, 256, 1),
		MTU:       sec.integer("mtu", 576, 65535, 1500),
		Range:     sec.def,
		MTURange:  sec.rng("mtu"),

		QueuesRange: sec.rng("queues"),
	}
	switch {
	case n.Name == "":
	case len(n.Name) > maxNICName:
		d.errorf(sec.def, "NIC name too long", "The interface inside the appliance is called %q, and Linux takes %d characters at most; these are %d. Shorten it.", n.Name, maxNICName, len(n.Name))
	case !nicNameRule.MatchString(n.Name) || n.Name == "lo":
		d.errorf(sec.def, "Invalid NIC name", "No interface can be called %q: write a letter, then letters, digits, hyphens, underscores or dots; \"lo\" is the loopback's.", n.Name)
	}
	n.MatchMAC, n.MatchRange = d.match(sec)

	values, places := sec.texts("addresses")
	for i, v := range values {
		if p, ok := d.hostPrefix(v, places[i]); ok {
			n.Addresses, n.AddressRanges = append(n.Addresses, p), append(n.AddressRanges, places[i])
		}
	}
	d.gateways(sec, n)
	return n
}

// match reads `match = { mac = "..." }` and `match { mac = "..." }` alike. The
// range is the NIC's own when neither is there.
func (d *decoder) match(sec *section) (string, hcl.Range) {
	if m := sec.one("match"); m != nil {
		if sec.has("match") {
			d.errorf(m.def, "match given twice", "match stands at %s already. Remove one of the two.", at(sec.rng("match")))
		}
		return d.mac(m.str("mac", ""), m.rng("mac")), m.def
	}
	v, ok := sec.value("match")
	if !ok {
		return "", sec.rng("match")
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		sec.wrong("match", fmt.Sprintf("match takes an object, not %s.", literal(v)))
		return "", sec.rng("match")
	}
	mac := ""
	places := objectPlaces(sec.attrs["match"].Expr)
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		place, known := places[k.AsString()]
		if !known {
			place = sec.rng("match")
		}
		switch {
		case k.AsString() != "mac":
			d.errorf(place, "Unknown match", "A NIC is matched by its mac, not by %q. %s", k.AsString(), `For example: match = { mac = "52:54:00:12:34:56" }`)
		case !isText(e):
			d.errorf(place, "Invalid mac", "The mac is text in quotes, not %s.", literal(e))
		default:
			mac = d.mac(e.AsString(), place)
		}
	}
	return mac, sec.rng("match")
}

// objectPlaces finds where the values of a literal object stand.
func objectPlaces(e hclsyntax.Expression) map[string]hcl.Range {
	out := map[string]hcl.Range{}
	o, ok := e.(*hclsyntax.ObjectConsExpr)
	if !ok {
		return out
	}
	for _, it := range o.Items {
		if key := hcl.ExprAsKeyword(it.KeyExpr); key != "" {
			out[key] = it.ValueExpr.Range()
		}
	}
	return out
}

func (d *decoder) mac(text string, place hcl.Range) string {
	if text == "" {
		return ""
	}
	mac, err := net.ParseMAC(text)
	switch {
	case err != nil || len(mac) != 6:
		d.errorf(place, "Invalid MAC", "%q is not an Ethernet address. Write six pairs of hexadecimal digits: \"52:54:00:12:34:56\".", text)
	case mac[0]&1 != 0:
		d.errorf(place, "Invalid MAC", "%q is a multicast address (the lowest bit of its first byte is set); no card has it. Write the card's own.", text)
	case mac.String() == "00:00:00:00:00:00":
		d.errorf(place, "Invalid MAC", "An address of zeros belongs to no card. Write the card's own.")
	default:
		return mac.String()
	}
	return ""
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

func (d *decoder) workload(root *section, s *Spec) {
	w := root.one("workload")
	if w == nil {
		return
	}
	s.Workload = Workload{
		CPS:             w.integer("cps", 1, maxInt, 0),
		ConcurrentCalls: w.integer("concurrent_calls", 1, maxInt, 0),
		CallDuration:    w.duration("call_duration", time.Second, 24*time.Hour, 0),
		RingTime:        w.duration("ring_time", 0, time.Hour, 8*time.Second),
		WorkerWait:      w.duration("worker_wait", 0, 10*time.Second, 0),
		Range:           w.def,
		CPSRange:        w.rng("cps"),
		ConcurrentRange: w.rng("concurrent_calls"),
		DurationRange:   w.rng("call_duration"),
		RingRange:       w.rng("ring_time"),
		WorkerWaitRange: w.rng("worker_wait"),
	}
}
