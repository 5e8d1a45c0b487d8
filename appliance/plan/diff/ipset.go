package diff

import (
	"net/netip"
	"slices"
)

// span is an inclusive run of addresses of one family.
type span struct{ first, last netip.Addr }

// spans turns prefixes into sorted runs that neither overlap nor touch.
// IPv4-mapped prefixes count as IPv4; invalid ones as nothing.
func spans(prefixes []netip.Prefix) []span {
	var in []span
	for _, p := range prefixes {
		if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
		}
		if p = p.Masked(); p.IsValid() {
			in = append(in, span{p.Addr(), lastOf(p)})
		}
	}
	// Addr.Compare puts all of IPv4 before all of IPv6.
	slices.SortFunc(in, func(a, b span) int { return a.first.Compare(b.first) })
	var out []span
	for _, s := range in {
		if n := len(out); n > 0 && out[n-1].first.BitLen() == s.first.BitLen() {
			// Next is invalid after the last address: all that follows is inside.
			if next := out[n-1].last.Next(); !next.IsValid() || s.first.Compare(next) <= 0 {
				if s.last.Compare(out[n-1].last) > 0 {
					out[n-1].last = s.last
				}
				continue
			}
		}
		out = append(out, s)
	}
	return out
}

// minus is a without b, both as spans returns them: one pass over each.
func minus(a, b []span) []span {
	var out []span
	for _, s := range a {
		gone := false
		for len(b) > 0 && b[0].last.Less(s.first) {
			b = b[1:] // before all that is still to come
		}
		for _, cut := range b {
			if s.last.Less(cut.first) {
				break
			}
			if s.first.Less(cut.first) {
				out = append(out, span{s.first, cut.first.Prev()})
			}
			if !cut.last.Less(s.last) {
				gone = true
				break
			}
			s.first = cut.last.Next()
		}
		if !gone {
			out = append(out, s)
		}
	}
	return out
}

// prefixes is the fewest prefixes that make up the runs.
func prefixes(in []span) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range in {
		for at := s.first; at.IsValid() && !s.last.Less(at); {
			bits := at.BitLen()
			for bits > 0 {
				wider := netip.PrefixFrom(at, bits-1)
				if wider.Masked().Addr() != at || s.last.Less(lastOf(wider)) {
					break
				}
				bits--
			}
			p := netip.PrefixFrom(at, bits)
			out = append(out, p)
			at = lastOf(p).Next()
		}
	}
	return out
}

// lastOf is the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// without lists what is in a and not in b, as prefixes.
func without(a, b []netip.Prefix) []string {
	out := []string{}
	for _, p := range prefixes(minus(spans(a), spans(b))) {
		out = append(out, p.String())
	}
	return out
}
