package firewall

import (
	"fmt"
	"strings"
	"time"
)

// Text renders the ruleset as a file for nft -f that replaces the table in one
// transaction: adding it first makes the delete work on a host that has none.
// A disabled ruleset is empty.
func (rs *Ruleset) Text() string {
	if rs.Disabled {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %[1]s\ndelete table inet %[1]s\ntable inet %[1]s {\n", TableName)
	for _, c := range rs.Counters {
		fmt.Fprintf(&b, "\tcounter %s {\n\t}\n", c)
	}
	for _, s := range rs.Addrs {
		e := make([]string, len(s.Ranges))
		for i, r := range s.Ranges {
			e[i] = r.String()
		}
		fmt.Fprintf(&b, "\n\tset %s {\n\t\ttype %s\n\t\tflags interval\n%s\t}\n", s.Name, s.Family.datatype(), elements(e))
	}
	for _, s := range rs.Sockets {
		e := make([]string, len(s.Sockets))
		for i, a := range s.Sockets {
			e[i] = fmt.Sprintf("%s . %d", a.Addr(), a.Port())
		}
		fmt.Fprintf(&b, "\n\tset %s {\n\t\ttype %s . inet_service\n%s\t}\n", s.Name, s.Family.datatype(), elements(e))
	}
	for _, s := range rs.Meters {
		fmt.Fprintf(&b, "\n\tset %s {\n\t\ttype %s\n\t\tsize %d\n\t\tflags dynamic,timeout\n\t\ttimeout %ds\n\t}\n",
			s.Name, s.Family.datatype(), s.Size, s.Timeout/time.Second)
	}
	for _, c := range rs.Chains {
		c.text(&b)
	}
	b.WriteString("}\n")
	return b.String()
}

// elements has one line for each element, so that a review sees what changes.
func elements(e []string) string {
	return "\t\telements = {\n\t\t\t" + strings.Join(e, ",\n\t\t\t") + "\n\t\t}\n"
}

func (c *Chain) text(b *strings.Builder) {
	b.WriteString("\n")
	if c.Why != "" {
		fmt.Fprintf(b, "\t# %s\n", c.Why)
	}
	fmt.Fprintf(b, "\tchain %s {\n", c.Name)
	if c.Hook != "" {
		policy := Drop
		if c.Accept {
			policy = Accept
		}
		fmt.Fprintf(b, "\t\ttype filter hook %s priority %d; policy %s;\n", c.Hook, c.Priority, policy)
	}
	for _, r := range c.Rules {
		fmt.Fprintf(b, "\t\t%s\n", r)
	}
	b.WriteString("\t}\n")
}

// String is the rule in nft's words.
func (r Rule) String() string {
	var w []string
	for _, m := range r.Matches {
		w = append(w, text(m))
	}
	if r.Counter != "" {
		w = append(w, fmt.Sprintf("counter name %q", r.Counter))
	}
	v := r.Verdict.Kind
	if v == Jump {
		v += " " + r.Verdict.Chain
	}
	return strings.Join(append(w, v), " ")
}

func text(m Match) string {
	switch m := m.(type) {
	case Loopback:
		return `iif "lo"`
	case Addr:
		if m.Prefix.IsSingleIP() {
			return fmt.Sprintf("%s %saddr %s", m.Family().protocol(), m.End, m.Prefix.Addr())
		}
		return fmt.Sprintf("%s %saddr %s", m.Family().protocol(), m.End, m.Prefix)
	case InSet:
		not := ""
		if m.Not {
			not = "!= "
		}
		return fmt.Sprintf("%s %saddr %s@%s", m.Family.protocol(), m.End, not, m.Set)
	case Socket:
		port := fmt.Sprint(m.First)
		if m.Last > m.First {
			port = fmt.Sprintf("%d-%d", m.First, m.Last)
		}
		return fmt.Sprintf("%s %[2]saddr %s %s %[2]sport %[5]s", m.Family().protocol(), m.End, m.Address, m.Protocol, port)
	case UDPSocketInSet:
		return fmt.Sprintf("%s %[2]saddr . udp %[2]sport @%s", m.Family.protocol(), m.End, m.Set)
	case ICMP:
		t := make([]string, len(m.Types))
		for i, v := range m.Types {
			t[i] = icmpName(m.Family, v)
		}
		proto := "icmp"
		if m.Family == IPv6 {
			proto = "icmpv6"
		}
		if len(t) == 1 {
			return fmt.Sprintf("%s type %s", proto, t[0])
		}
		return fmt.Sprintf("%s type { %s }", proto, strings.Join(t, ", "))
	case HopLimit:
		return fmt.Sprintf("ip6 hoplimit %d", m.Value)
	case Tracked:
		return "ct state established,related"
	case New:
		return "ct state new"
	case Limit:
		return fmt.Sprintf("limit rate %d/second burst %d packets", m.Rate, m.Burst)
	case OverRate:
		return fmt.Sprintf("update @%s { %s saddr limit rate over %d/second burst %d packets }", m.Set, m.Family.protocol(), m.Rate, m.Burst)
	default:
		panic(fmt.Sprintf("firewall: no text for %T", m)) // a new Match without its rendering
	}
}

func (f Family) datatype() string { return fmt.Sprintf("ipv%d_addr", uint8(f)) }

func (f Family) protocol() string {
	if f == IPv4 {
		return "ip"
	}
	return "ip6"
}

// String is the letter nft puts before addr and port.
func (e End) String() string {
	if e == Source {
		return "s"
	}
	return "d"
}

// icmpName is nft's name of a type: a reviewer should not need the RFC at hand.
func icmpName(f Family, t uint8) string {
	n := map[uint8]string{
		icmpUnreachable: "destination-unreachable", icmpEcho: "echo-request",
		icmpExceeded: "time-exceeded", icmpParameter: "parameter-problem",
	}
	if f == IPv6 {
		n = map[uint8]string{
			icmp6Unreachable: "destination-unreachable", icmp6TooBig: "packet-too-big", icmp6Exceeded: "time-exceeded",
			icmp6Parameter: "parameter-problem", icmp6Echo: "echo-request", icmp6ListenerQuery: "mld-listener-query",
			icmp6Solicit: "nd-neighbor-solicit", icmp6Advert: "nd-neighbor-advert",
		}
	}
	if s, ok := n[t]; ok {
		return s
	}
	return fmt.Sprint(t)
}
