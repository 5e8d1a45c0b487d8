package sizing

import (
	"net/netip"

	"trunkline/appliance/spec"
)

// Paths tells which listener reaches a destination. It looks at listeners and
// NICs once, so that thousands of either cost little.
type Paths struct {
	listeners []*spec.Listener
	byName    map[string]*spec.Listener
	networks  []network // in order of the listeners, then of the NICs' addresses
}

type network struct {
	prefix netip.Prefix
	l      *spec.Listener
}

// NewPaths prepares the paths of a spec, which must not change meanwhile.
func NewPaths(s *spec.Spec) *Paths {
	p := &Paths{listeners: s.Listeners, byName: map[string]*spec.Listener{}}
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
	for _, l := range s.Listeners {
		if p.byName[l.Name] == nil {
			p.byName[l.Name] = l
		}
		// The very address of the listener decides between two networks on one NIC.
		for _, a := range prefixes[key{l.NIC, l.Address}] {
			p.networks = append(p.networks, network{a, l})
		}
	}
	return p
}

// Listener returns the listener that reaches d: the one the spec names, else the
// one whose interface has d's network, else the first of d's address family. It
// returns nil when no listener speaks the family.
func (p *Paths) Listener(d *spec.Destination) *spec.Listener {
	if l := p.byName[d.Listener]; l != nil && d.Listener != "" {
		return l
	}
	addr := d.Address.Addr().Unmap()
	for _, n := range p.networks {
		if n.prefix.Contains(addr) {
			return n.l
		}
	}
	for _, l := range p.listeners {
		if l.Address.Is4() == addr.Is4() && l.Address.IsLoopback() == addr.IsLoopback() {
			return l
		}
	}
	for _, l := range p.listeners {
		if l.Address.Is4() == addr.Is4() {
			return l
		}
	}
	return nil
}
