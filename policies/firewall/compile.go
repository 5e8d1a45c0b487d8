package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"trunkline/appliance/runtime"
)

// meterTimeout is how long a silent source stays in a meter. It must outlast the
// time a used-up burst needs to fill again (two seconds, as planned), or silence
// would be a way to get a fresh burst.
const meterTimeout = time.Minute

// ICMP types (RFC 792) and ICMPv6 types (RFC 4443, 4861, 2710).
const (
	icmpUnreachable, icmpEcho, icmpExceeded, icmpParameter = 3, 8, 11, 12

	icmp6Unreachable, icmp6TooBig, icmp6Exceeded, icmp6Parameter = 1, 2, 3, 4

	icmp6Echo, icmp6ListenerQuery, icmp6Solicit, icmp6Advert = 128, 130, 135, 136
)

// names holds what may stand in the name of an nft object.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// Compile computes the ruleset of a. Errors name the listener and the remedy.
func Compile(a *runtime.Appliance) (*Ruleset, error) {
	if !a.Firewall.Enabled {
		return &Ruleset{Disabled: true}, nil
	}
	if err := check(a); err != nil {
		return nil, err
	}
	c := &compiler{a: a, rs: &Ruleset{}}
	c.ownAddresses()
	c.listenerSockets()
	for _, l := range a.Listeners {
		c.listener(l)
	}
	for _, s := range a.Firewall.Services {
		c.service(s)
	}
	c.icmp()
	c.chains()
	return c.rs, nil
}

// check refuses what cannot be filtered.
func check(a *runtime.Appliance) error {
	var errs []error
	type bound struct {
		protocol Protocol
		socket   netip.AddrPort
	}
	seen, named := map[bound]string{}, map[string]bool{}
	for _, l := range a.Listeners {
		addr := netip.AddrPortFrom(l.Address.Addr().Unmap(), l.Address.Port())
		switch {
		case !names.MatchString(l.Name):
			errs = append(errs, fmt.Errorf("firewall: listener name %q: use letters, digits, '_', '.' and '-' only, at most 63", l.Name))
		case named[l.Name]:
			errs = append(errs, fmt.Errorf("firewall: two listeners are named %q: rename one", l.Name))
		case !slices.Contains(transports, l.Transport):
			errs = append(errs, fmt.Errorf("firewall: listener %q has transport %q: write one of %s", l.Name, l.Transport, strings.Join(transports, ", ")))
		case !addr.IsValid() || addr.Addr().IsUnspecified() || addr.Port() == 0:
			errs = append(errs, fmt.Errorf("firewall: listener %q has the address %s: give it one address and port, rules for \"any\" would open more than it", l.Name, l.Address))
		case seen[bound{protocol(l), addr}] != "":
			errs = append(errs, fmt.Errorf("firewall: listeners %q and %q share %s: give one another address or port", seen[bound{protocol(l), addr}], l.Name, addr))
		}
		seen[bound{protocol(l), addr}], named[l.Name] = l.Name, true
		for _, p := range append(append([]netip.Prefix{}, l.Sources...), l.Peers...) {
			if !p.IsValid() {
				errs = append(errs, fmt.Errorf("firewall: listener %q has an invalid source or peer prefix: write prefixes as 192.0.2.0/24", l.Name))
			}
		}
	}
	for _, s := range a.Firewall.Services {
		errs = append(errs, checkService(s))
	}
	f := a.Firewall
	if f.SourceRate < 0 || f.SourceBurst < 0 || f.ICMPRate < 0 {
		errs = append(errs, errors.New("firewall: rates and bursts cannot be negative: use 0 for none"))
	}
	if f.SourceRate > 0 && f.MaxSources < 1 {
		errs = append(errs, fmt.Errorf("firewall: source_rate is %d but max_sources is %d: a meter needs a size of at least 1", f.SourceRate, f.MaxSources))
	}
	return errors.Join(errs...)
}

// transports are what a listener may speak; all but the first are TCP to a filter.
var transports = []string{"udp", "tcp", "tls", "ws", "wss"}

// protocol is what a listener's packets are.
func protocol(l runtime.Listener) Protocol {
	if l.Datagram() {
		return UDP
	}
	return TCP
}

func checkService(s runtime.Service) error {
	switch {
	case !names.MatchString(s.Name):
		return fmt.Errorf("firewall: service name %q: use letters, digits, '_', '.' and '-' only, at most 63", s.Name)
	case s.Protocol != "udp" && s.Protocol != "tcp":
		return fmt.Errorf("firewall: service %q has protocol %q: write udp or tcp", s.Name, s.Protocol)
	case s.FirstPort == 0 || s.LastPort < s.FirstPort:
		return fmt.Errorf("firewall: service %q has the ports %d to %d: write the lower one first, from 1 on", s.Name, s.FirstPort, s.LastPort)
	case len(s.Addresses) == 0:
		return fmt.Errorf("firewall: service %q has no address: name one of the appliance's", s.Name)
	case s.Untracked && s.Protocol != "udp":
		return fmt.Errorf("firewall: service %q is untracked %s: connections are tracked, or their replies are lost", s.Name, s.Protocol)
	}
	for _, a := range s.Addresses {
		if !a.IsValid() || a.IsUnspecified() {
			return fmt.Errorf("firewall: service %q has the address %s: give it addresses of the appliance, rules for \"any\" would open more than it", s.Name, a)
		}
	}
	for _, p := range s.Sources {
		if !p.IsValid() {
			return fmt.Errorf("firewall: service %q has an invalid source prefix: write prefixes as 192.0.2.0/24", s.Name)
		}
	}
	return nil
}

type compiler struct {
	a     *runtime.Appliance
	rs    *Ruleset
	jumps []Rule
	echo  []Rule

	untracked []Socket // of services
}

var families = []Family{IPv4, IPv6}

func (c *compiler) counter(name string) string {
	c.rs.Counters = append(c.rs.Counters, name)
	return name
}

// addrs adds an interval set, unless it would be empty.
func (c *compiler) addrs(name string, f Family, lists ...[]netip.Prefix) (string, bool) {
	r := ranges(f, lists...)
	if len(r) == 0 {
		return "", false
	}
	name = fmt.Sprintf("%s%d", name, f)
	c.rs.Addrs = append(c.rs.Addrs, AddrSet{Name: name, Family: f, Ranges: r})
	return name, true
}

// loopbackNet is what only this host may send from or to.
func loopbackNet(f Family) netip.Prefix {
	if f == IPv4 {
		return netip.MustParsePrefix("127.0.0.0/8")
	}
	return netip.MustParsePrefix("::1/128")
}

// ownAddresses are the sources no packet from outside can truly have.
func (c *compiler) ownAddresses() {
	own := []netip.Prefix{loopbackNet(IPv4), loopbackNet(IPv6)}
	for _, n := range c.a.Hardware.NICs {
		for _, p := range n.Addresses {
			own = append(own, netip.PrefixFrom(p.Addr(), p.Addr().BitLen()))
		}
	}
	for _, l := range c.a.Listeners {
		addr := l.Address.Addr().WithZone("")
		own = append(own, netip.PrefixFrom(addr, addr.BitLen()))
	}
	for _, f := range families {
		c.addrs("own", f, own)
	}
}

// listenerSockets collects the sockets whose packets are not tracked.
func (c *compiler) listenerSockets() {
	for _, f := range families {
		var s []netip.AddrPort
		for _, l := range c.a.Listeners {
			if l.Datagram() && familyOf(l.Address.Addr()) == f {
				s = append(s, socket(l))
			}
		}
		if len(s) > 0 {
			c.rs.Sockets = append(c.rs.Sockets, SocketSet{Name: fmt.Sprintf("listeners%d", f), Family: f, Sockets: s})
		}
	}
}

func socket(l runtime.Listener) netip.AddrPort {
	return netip.AddrPortFrom(l.Address.Addr().Unmap().WithZone(""), l.Address.Port())
}

// listener adds a listener's chain. Peers come first, so they are not metered.
// Strangers go before the meter: forged sources must not fill it. Datagrams are
// metered one by one, of connections the opening ones.
func (c *compiler) listener(l runtime.Listener) {
	f, base, fw := familyOf(l.Address.Addr()), "sip_"+l.Name, c.a.Firewall
	ch := Chain{Name: base, Why: fmt.Sprintf("listener %s: peers, then sources within their rate, nobody else", l.Name)}
	if set, ok := c.addrs(base+"_peers", f, l.Peers); ok {
		ch.Rules = append(ch.Rules, Rule{
			Matches: []Match{InSet{End: Source, Family: f, Set: set}},
			Counter: c.counter(base + "_peers"), Verdict: Verdict{Kind: Accept},
		})
	}
	set, ok := c.addrs(base+"_sources", f, l.Sources)
	outside := c.counter(base + "_outside")
	if !ok {
		ch.Rules = append(ch.Rules, Rule{Counter: outside, Verdict: Verdict{Kind: Drop}})
	} else {
		ch.Rules = append(ch.Rules, Rule{
			Matches: []Match{InSet{End: Source, Family: f, Set: set, Not: true}},
			Counter: outside, Verdict: Verdict{Kind: Drop},
		})
		if rate, burst := rates(l, fw); rate > 0 {
			m := MeterSet{Name: fmt.Sprintf("%s_rate%d", base, f), Family: f, Size: fw.MaxSources, Timeout: meterTimeout}
			c.rs.Meters = append(c.rs.Meters, m)
			var over []Match
			if !l.Datagram() {
				over = append(over, New{})
			}
			ch.Rules = append(ch.Rules, Rule{
				Matches: append(over, OverRate{Family: f, Set: m.Name, Rate: rate, Burst: burst}),
				Counter: c.counter(base + "_over_rate"), Verdict: Verdict{Kind: Drop},
			})
		}
		ch.Rules = append(ch.Rules, Rule{Counter: c.counter(base + "_sources"), Verdict: Verdict{Kind: Accept}})
	}
	c.rs.Chains = append(c.rs.Chains, ch)
	c.jumps = append(c.jumps, Rule{
		Matches: []Match{Socket{Protocol: protocol(l), End: Destination, Address: socket(l).Addr(), First: l.Address.Port(), Last: l.Address.Port()}},
		Verdict: Verdict{Kind: Jump, Chain: base},
	})
}

// service adds the chain of something beside the listeners: its sources, or
// everybody where it has none.
func (c *compiler) service(s runtime.Service) {
	proto := UDP
	if s.Protocol == "tcp" {
		proto = TCP
	}
	base := "svc_" + s.Name
	why := fmt.Sprintf("%s: its sources, nobody else", s.Name)
	if len(s.Sources) == 0 {
		why = fmt.Sprintf("%s: from anywhere", s.Name)
	}
	taken := c.counter(base)
	for _, f := range families {
		var here []netip.Addr
		for _, a := range s.Addresses {
			if familyOf(a) == f {
				here = append(here, a.Unmap().WithZone(""))
			}
		}
		if len(here) == 0 {
			continue
		}
		ch := Chain{Name: fmt.Sprintf("%s_v%d", base, f), Why: why}
		if len(s.Sources) > 0 {
			outside := fmt.Sprintf("%s_outside_v%d", base, f)
			set, ok := c.addrs(base+"_sources", f, s.Sources)
			r := Rule{Counter: c.counter(outside), Verdict: Verdict{Kind: Drop}}
			if ok {
				r.Matches = []Match{InSet{End: Source, Family: f, Set: set, Not: true}}
			}
			ch.Rules = append(ch.Rules, r)
		}
		ch.Rules = append(ch.Rules, Rule{Counter: taken, Verdict: Verdict{Kind: Accept}})
		c.rs.Chains = append(c.rs.Chains, ch)
		for _, a := range here {
			m := Socket{Protocol: proto, End: Destination, Address: a, First: s.FirstPort, Last: s.LastPort}
			c.jumps = append(c.jumps, Rule{Matches: []Match{m}, Verdict: Verdict{Kind: Jump, Chain: ch.Name}})
			if s.Untracked {
				c.untracked = append(c.untracked, m)
			}
		}
	}
}

// rates are what one source may send to a listener: packets per second, or new
// connections. The burst is a second's worth when none is given.
func rates(l runtime.Listener, fw runtime.FirewallInput) (rate, burst int) {
	switch {
	case fw.SourceRate == 0:
		return 0, 0
	case !l.Datagram() && l.Connections != nil && l.Connections.PerSource > 0:
		return l.Connections.PerSource, l.Connections.PerSource
	case fw.SourceBurst > 0:
		return fw.SourceRate, fw.SourceBurst
	}
	return fw.SourceRate, fw.SourceRate
}

// icmp adds the chain all answered pings share, so the rate holds for both
// families together.
func (c *compiler) icmp() {
	rate := c.a.Firewall.ICMPRate
	if rate == 0 {
		return
	}
	var known []netip.Prefix
	for _, l := range c.a.Listeners {
		known = append(append(known, l.Sources...), l.Peers...)
	}
	for _, s := range c.a.Firewall.Services {
		known = append(known, s.Sources...)
	}
	for _, f := range families {
		set, ok := c.addrs("known", f, known)
		if !ok {
			continue
		}
		types := []uint8{icmpEcho}
		if f == IPv6 {
			types = []uint8{icmp6Echo}
		}
		c.echo = append(c.echo, Rule{
			Matches: []Match{ICMP{Family: f, Types: types}, InSet{End: Source, Family: f, Set: set}},
			Verdict: Verdict{Kind: Jump, Chain: "echo"},
		})
	}
	if len(c.echo) == 0 {
		return
	}
	c.rs.Chains = append(c.rs.Chains, Chain{
		Name: "echo", Why: "pings of those who may come, so many a second in all",
		Rules: []Rule{
			{Matches: []Match{Limit{Rate: rate, Burst: rate}}, Counter: c.counter("icmp_echo"), Verdict: Verdict{Kind: Accept}},
			{Counter: c.counter("icmp_echo_over_rate"), Verdict: Verdict{Kind: Drop}},
		},
	})
}

// chains adds the base chains. The rules most packets need come first.
func (c *compiler) chains() {
	spoofed, errs, neighbour := c.counter("spoofed"), c.counter("icmp_errors"), c.counter("icmp_neighbour")
	accept, drop := Verdict{Kind: Accept}, Verdict{Kind: Drop}

	in := Chain{Name: "input", Why: "what may reach the appliance", Hook: Input, Priority: PriorityFilter}
	in.Rules = append(in.Rules, Rule{Matches: []Match{Loopback{}}, Verdict: accept})
	for _, f := range families {
		in.Rules = append(in.Rules,
			Rule{Matches: []Match{InSet{End: Source, Family: f, Set: fmt.Sprintf("own%d", f)}}, Counter: spoofed, Verdict: drop},
			Rule{Matches: []Match{Addr{End: Destination, Prefix: loopbackNet(f)}}, Counter: spoofed, Verdict: drop})
	}
	in.Rules = append(in.Rules, c.jumps...)
	in.Rules = append(in.Rules,
		Rule{Matches: []Match{ICMP{Family: IPv4, Types: []uint8{icmpUnreachable, icmpExceeded, icmpParameter}}}, Counter: errs, Verdict: accept},
		Rule{Matches: []Match{ICMP{Family: IPv6, Types: []uint8{icmp6Unreachable, icmp6TooBig, icmp6Exceeded, icmp6Parameter}}}, Counter: errs, Verdict: accept},
		// A hop limit of 255 cannot come from beyond the link (RFC 4861 7.1).
		Rule{Matches: []Match{ICMP{Family: IPv6, Types: []uint8{icmp6Solicit, icmp6Advert}}, HopLimit{Value: 255}}, Counter: neighbour, Verdict: accept},
		// Snooping switches forget hosts that do not answer the query, and then
		// neighbour solicitations no longer arrive.
		Rule{Matches: []Match{Addr{End: Source, Prefix: netip.MustParsePrefix("fe80::/10")}, ICMP{Family: IPv6, Types: []uint8{icmp6ListenerQuery}}}, Counter: neighbour, Verdict: accept},
	)
	in.Rules = append(in.Rules, c.echo...)
	in.Rules = append(in.Rules,
		Rule{Matches: []Match{Tracked{}}, Counter: c.counter("established"), Verdict: accept},
		Rule{Counter: c.counter("other"), Verdict: drop})

	rawIn := Chain{Name: "raw_in", Why: "SIP is not tracked: no entry per call, none to fill by a flood", Hook: Prerouting, Priority: PriorityRaw, Accept: true}
	rawOut := Chain{Name: "raw_out", Hook: Output, Priority: PriorityRaw, Accept: true}
	for _, s := range c.rs.Sockets {
		notrack := Verdict{Kind: Notrack}
		rawIn.Rules = append(rawIn.Rules, Rule{Matches: []Match{UDPSocketInSet{End: Destination, Family: s.Family, Set: s.Name}}, Verdict: notrack})
		rawOut.Rules = append(rawOut.Rules, Rule{Matches: []Match{UDPSocketInSet{End: Source, Family: s.Family, Set: s.Name}}, Verdict: notrack})
	}
	for _, m := range c.untracked {
		notrack := Verdict{Kind: Notrack}
		rawIn.Rules = append(rawIn.Rules, Rule{Matches: []Match{m}, Verdict: notrack})
		m.End = Source
		rawOut.Rules = append(rawOut.Rules, Rule{Matches: []Match{m}, Verdict: notrack})
	}
	c.rs.Chains = append(c.rs.Chains, rawIn, rawOut, in,
		Chain{Name: "forward", Why: "the appliance is no router", Hook: Forward, Priority: PriorityFilter,
			Rules: []Rule{{Counter: c.counter("forwarded"), Verdict: drop}}},
		Chain{Name: "output", Why: "what the appliance itself sends", Hook: Output, Priority: PriorityFilter, Accept: true})
}
