package firewall

import (
	"net/netip"
	"slices"
)

// normal is p masked, with an IPv4-mapped prefix as IPv4.
func normal(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// last is the highest address of a masked prefix.
func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// ranges merges the prefixes of one family into sorted ranges that neither
// overlap nor touch: the kernel refuses overlaps within an interval set, and the
// fewer elements the better.
func ranges(f Family, lists ...[]netip.Prefix) []Range {
	var in []Range
	for _, l := range lists {
		for _, p := range l {
			if p = normal(p); p.IsValid() && familyOf(p.Addr()) == f {
				in = append(in, Range{p.Addr(), last(p)})
			}
		}
	}
	slices.SortFunc(in, func(a, b Range) int { return a.From.Compare(b.From) })
	var out []Range
	for _, r := range in {
		if n := len(out); n > 0 {
			// Next is invalid after the last address: everything beyond is inside.
			if next := out[n-1].To.Next(); !next.IsValid() || r.From.Compare(next) <= 0 {
				if r.To.Compare(out[n-1].To) > 0 {
					out[n-1].To = r.To
				}
				continue
			}
		}
		out = append(out, r)
	}
	return out
}

// String is the range as nft writes it: an address, a prefix, or first-last.
func (r Range) String() string {
	if r.From == r.To {
		return r.From.String()
	}
	for bits := r.From.BitLen() - 1; bits >= 0; bits-- {
		p := netip.PrefixFrom(r.From, bits)
		if p.Masked().Addr() != r.From {
			break
		}
		if last(p) == r.To {
			return p.String()
		}
	}
	return r.From.String() + "-" + r.To.String()
}
