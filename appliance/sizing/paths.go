package sizing

import (
	"net/netip"
	"slices"

	"trunkline/appliance/spec"
)

// Paths tells which listener reaches a destination. It looks at listeners and
// NICs once, so that thousands of either cost little.
type Paths struct {
	byName map[string]*spec.Listener
	all    reach
	over   map[string]*reach // by transport
}

// reach is a set of listeners and the networks they are in.
type reach struct {
	listeners []*spec.Listener
	networks  []network // in order of the listeners, then of the NICs' addresses
	routes    []network // longest prefix first; the last are default gateways
}

type network struct {
	prefix netip.Prefix
	l      *spec.Listener
}

// NewPaths prepares the paths of a spec, which must not change meanwhile.
func NewPaths(s *spec.Spec) *Paths {
	p := &Paths{byName: map[string]*spec.Listener{}, over: map[string]*reach{}}
	type key struct {
		nic  string
		addr netip.Addr
	}
	prefixes := map[key][]netip.Prefix{}
	for _, n := range s.Hardware.NICs {
		for _, a := range n.Addresses {
			k := key{n.Name, a.Addr()}
			prefixes[k] = append(prefixes[k], a)
		}
	}
	// What lies behind a router is reached by the interface that has the route.
	behind := map[string][]netip.Prefix{}
	for _, r := range s.Hardware.Routes {
		behind[r.NIC] = append(behind[r.NIC], r.Destination)
	}
	for _, n := range s.Hardware.NICs {
		for _, g := range n.Gateways {
			behind[n.Name] = append(behind[n.Name], netip.PrefixFrom(unspecified(g), 0))
		}
	}
	for _, l := range s.Listeners {
		if p.byName[l.Name] == nil {
			p.byName[l.Name] = l
		}
		t := transport(l.Transport)
		if p.over[t] == nil {
			p.over[t] = &reach{}
		}
		for _, r := range []*reach{&p.all, p.over[t]} {
			r.listeners = append(r.listeners, l)
			// The very address of the listener decides between two networks on one NIC.
			for _, a := range prefixes[key{l.NIC, l.Address}] {
				r.networks = first(r.networks, network{a.Masked(), l})
			}
			for _, d := range behind[l.NIC] {
				if d.Addr().Is4() == l.Address.Is4() {
					r.routes = first(r.routes, network{d.Masked(), l})
				}
			}
		}
	}
	p.all.sort()
	for _, r := range p.over {
		r.sort()
	}
	return p
}

// first appends a network unless it is in the list: of two listeners the first is taken,
// and a thousand of them on one network are one to look at.
func first(list []network, n network) []network {
	if slices.ContainsFunc(list, func(m network) bool { return m.prefix == n.prefix }) {
		return list
	}
	return append(list, n)
}

// sort puts the routes in the order the kernel takes them.
func (r *reach) sort() {
	slices.SortStableFunc(r.routes, func(a, b network) int { return b.prefix.Bits() - a.prefix.Bits() })
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

func transport(t string) string {
	if t == "" {
		return spec.TransportUDP
	}
	return t
}

// Listener returns the listener that reaches d: the one the spec names, else one of
// d's transport, else any. Among those it is the one whose interface has d's network,
// else the one whose interface has the route to it, else the first of d's address family; for a name that is resolved later, the first
// that is not on the loopback. It returns nil when no listener speaks the family.
func (p *Paths) Listener(d *spec.Destination) *spec.Listener {
	if l := p.byName[d.Listener]; l != nil && d.Listener != "" {
		return l
	}
	if r := p.over[transport(d.Transport)]; r != nil {
		if l := r.listener(d); l != nil {
			return l
		}
	}
	return p.all.listener(d)
}

func (r *reach) listener(d *spec.Destination) *spec.Listener {
	if d.Host != "" {
		for _, l := range r.listeners {
			if !l.Address.IsLoopback() {
				return l
			}
		}
		if len(r.listeners) > 0 {
			return r.listeners[0]
		}
		return nil
	}
	addr := d.Address.Addr().Unmap()
	for _, n := range r.networks {
		if n.prefix.Contains(addr) {
			return n.l
		}
	}
	for _, n := range r.routes {
		if n.prefix.Contains(addr) && !addr.IsLoopback() {
			return n.l
		}
	}
	for _, l := range r.listeners {
		if l.Address.Is4() == addr.Is4() && l.Address.IsLoopback() == addr.IsLoopback() {
			return l
		}
	}
	for _, l := range r.listeners {
		if l.Address.Is4() == addr.Is4() {
			return l
		}
	}
	return nil
}
