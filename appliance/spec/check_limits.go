package spec

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"

	"github.com/hashicorp/hcl/v2"
)

// checkLimits compares the limits of listeners, sources and carriers with the
// global ones, with the listeners, and with each other.
func (d *decoder) checkLimits(s *Spec) {
	var names []string
	var all []netip.Prefix
	judged := true
	for _, l := range s.Listeners {
		names = append(names, l.Name)
		all = append(all, l.Sources...)
		judged = judged && len(l.Sources) > 0
	}
	open := cover(all)
	for _, x := range s.Limits.Listeners {
		if x.Name != "" && len(names) > 0 && !slices.Contains(names, x.Name) && !d.isBroken("listener", x.Name) {
			d.errorf(x.NameRange, "Unknown listener", "These are the limits of listener %q. %s", x.Name, didYouMean(x.Name, names, "listener"))
		}
		d.reached(s, x)
	}
	for _, x := range slices.Concat(s.Limits.Sources, s.Limits.Carriers) {
		d.reached(s, x)
		for i, p := range x.Sources {
			if judged && len(names) > 0 && !open.overlaps(p) {
				d.warnf(x.SourceRanges[i], "Nothing arrives from there", "No listener takes packets from %s, so this limit is never used. Correct the prefix, or add it to the sources of a listener.", p)
			}
		}
	}
	d.checkCarriers(s)
}

// reached warns of limits that a wider one makes idle.
func (d *decoder) reached(s *Spec, x *ScopedLimits) {
	g := s.Limits
	idle := func(limit, global int, name string, place, globalPlace hcl.Range) {
		if global > 0 && limit > global {
			d.warnf(place, "Limit never reached", "All calls together are limited to %s = %d (%s), so %d is never reached. Write less here, or raise the limit of all.", name, global, at(globalPlace), limit)
		}
	}
	idle(x.CPS, g.CPS, "cps", x.CPSRange, g.CPSRange)
	idle(x.ConcurrentCalls, g.ConcurrentCalls, "concurrent_calls", x.ConcurrentRange, g.ConcurrentRange)
	if x.MessageSize > g.MessageSize {
		d.warnf(x.Range, "Limit never reached", "No message beyond %s is taken at all (message_size of the limits block), so %s is never reached. Write less here, or raise the limit of all.", formatSize(uint64(g.MessageSize)), formatSize(uint64(x.MessageSize)))
	}
}

// checkCarriers: a call belongs to one carrier, so their sources are apart.
func (d *decoder) checkCarriers(s *Spec) {
	type entry struct {
		prefix  netip.Prefix
		carrier *ScopedLimits
		place   hcl.Range
	}
	var entries []entry
	for _, c := range s.Limits.Carriers {
		for i, p := range c.Sources {
			entries = append(entries, entry{p, c, c.SourceRanges[i]})
		}
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return comparePrefixes(a.prefix, b.prefix) })
	for i, wide := 1, 0; i < len(entries); i++ {
		first, second := entries[wide], entries[i]
		if !first.prefix.Overlaps(second.prefix) {
			wide = i
			continue
		}
		if first.carrier == second.carrier {
			continue // reported with the list
		}
		if second.place.Start.Byte < first.place.Start.Byte && second.place.Filename == first.place.Filename {
			first, second = second, first
		}
		d.errorf(second.place, "Source of two carriers", "%s and %s of carrier %q (%s) have addresses in common, and a call counts with one carrier. Give each address to one of them.", second.prefix, first.prefix, first.carrier.Name, at(first.place))
	}
}

// comparePrefixes puts a prefix before all that lie in it.
func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// prefixCover is a set of addresses: prefixes in order, none within another.
type prefixCover []netip.Prefix

func cover(list []netip.Prefix) prefixCover {
	sorted := slices.Clone(list)
	slices.SortFunc(sorted, comparePrefixes)
	var out prefixCover
	for _, p := range sorted {
		if n := len(out); n == 0 || !out[n-1].Overlaps(p) {
			out = append(out, p)
		}
	}
	return out
}

// overlaps reports whether p and the set have an address in common.
func (c prefixCover) overlaps(p netip.Prefix) bool {
	i := sort.Search(len(c), func(i int) bool { return comparePrefixes(c[i], p) > 0 })
	return i > 0 && c[i-1].Overlaps(p) || i < len(c) && c[i].Overlaps(p)
}
