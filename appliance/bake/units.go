package bake

import (
	"fmt"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/spec"
)

// link renders the systemd.link(5) file that gives the card its name of the spec.
func link(n *spec.NIC) string {
	var b strings.Builder
	b.WriteString("\n[Match]\n")
	if n.MatchMAC != "" {
		fmt.Fprintf(&b, "MACAddress=%s\n", n.MatchMAC)
	} else {
		b.WriteString("Type=ether\n")
	}
	// Without NamePolicy= the name below is the only candidate.
	fmt.Fprintf(&b, "\n[Link]\nName=%s\n", n.Name)
	return b.String()
}

// network renders the systemd.network(5) file: the spec's addresses and nothing
// learned from the network.
func network(n *spec.NIC) string {
	v6 := false
	for _, p := range n.Addresses {
		v6 = v6 || p.Addr().Is6()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n[Match]\nName=%s\n", n.Name)
	if n.MTU > 0 {
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
	return b.String()
}

// sysctls renders sysctl.d(5), each setting with its reason.
func sysctls(p *plan.Plan) string {
	var b strings.Builder
	for _, s := range p.Budget.Sysctls {
		fmt.Fprintf(&b, "\n# %s\n%s = %s\n", s.Why, s.Key, s.Value)
	}
	return b.String()
}

// service renders the drop-in that gives sbcd its sized limits.
func service(p *plan.Plan) string {
	b := p.Budget
	// All the machine can spare beside kernel, root image and page cache: a leak
	// ends in a restart of sbcd, not in a machine that cannot even log it.
	room := 0.0
	for _, m := range b.Memory {
		switch m.Bytes.ID {
		case "memory.process", "memory.shm", "memory.sockets", "memory.free":
			room += m.Bytes.Value
		}
	}
	room = max(room, b.ProcessLimit.Value)
	return fmt.Sprintf(`
[Service]
Environment=GOMAXPROCS=%d
Environment=GOMEMLIMIT=%.0f
LimitNOFILE=%.0f
MemoryMax=%.0f
`, max(p.Appliance.Hardware.Threads, 1), b.ProcessLimit.Value, b.OpenFiles.Value, room)
}
