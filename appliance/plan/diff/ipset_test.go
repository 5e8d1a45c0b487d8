package diff

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"
)

func TestWithout(t *testing.T) {
	for name, tt := range map[string]struct{ a, b, want []string }{
		"nothing":             {nil, nil, nil},
		"all of it":           {[]string{"192.0.2.0/24"}, nil, []string{"192.0.2.0/24"}},
		"halves are whole":    {[]string{"10.0.0.0/8"}, []string{"10.0.0.0/9", "10.128.0.0/9"}, nil},
		"whole is halves":     {[]string{"10.0.0.0/9", "10.128.0.0/9"}, []string{"10.0.0.0/8"}, nil},
		"host out of a net":   {[]string{"192.0.2.0/30"}, []string{"192.0.2.1/32"}, []string{"192.0.2.0/32", "192.0.2.2/31"}},
		"wider":               {[]string{"192.0.2.0/23"}, []string{"192.0.2.0/24"}, []string{"192.0.3.0/24"}},
		"disjoint":            {[]string{"192.0.2.0/24"}, []string{"198.51.100.0/24"}, []string{"192.0.2.0/24"}},
		"families apart":      {[]string{"0.0.0.0/0", "2001:db8::/32"}, []string{"::/0"}, []string{"0.0.0.0/0"}},
		"the end of a family": {[]string{"::/0"}, []string{"::/1"}, []string{"8000::/1"}},
		"all but the last":    {[]string{"0.0.0.0/0"}, []string{"0.0.0.0/1", "128.0.0.0/1"}, nil},
		"mapped is IPv4":      {[]string{"::ffff:192.0.2.0/120"}, []string{"192.0.2.0/25"}, []string{"192.0.2.128/25"}},
		"host bits":           {[]string{"192.0.2.77/24"}, []string{"192.0.2.0/24"}, nil},
		"cut across several":  {[]string{"192.0.2.0/31", "192.0.2.4/31", "::/127"}, []string{"192.0.2.1/32", "192.0.2.2/31", "192.0.2.4/32", "::1/128"}, []string{"192.0.2.0/32", "192.0.2.5/32", "::/128"}},
		"neighbours join":     {[]string{"192.0.2.0/25", "192.0.2.128/25"}, []string{"10.0.0.0/8"}, []string{"192.0.2.0/24"}},
	} {
		if got := without(parse(tt.a), parse(tt.b)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v without %v is %v, want %v", name, tt.a, tt.b, got, tt.want)
		}
	}
}

func parse(in []string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range in {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// FuzzWithout compares the arithmetic with counting, on the 256 addresses of
// 192.0.2.0/24 and beside them.
func FuzzWithout(f *testing.F) {
	f.Add([]byte{0x00, 24}, []byte{0x40, 26})
	f.Add([]byte{1, 32, 2, 31, 4, 30, 250, 25}, []byte{0, 29, 255, 32})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, b := small(x), small(y)
		var got []netip.Prefix
		for _, s := range without(a, b) {
			got = append(got, netip.MustParsePrefix(s))
		}
		covered := 0
		for i := range 256 {
			addr := at(i)
			want := in(a, addr) && !in(b, addr)
			if in(got, addr) != want {
				t.Errorf("%s in %v without %v: %v, want %v", addr, a, b, !want, want)
			}
			if want {
				covered++
			}
		}
		total := 0
		for i, p := range got {
			total += 1 << (32 - p.Bits())
			// Two halves of one prefix could have been one.
			if i > 0 && got[i-1].Bits() == p.Bits() && netip.PrefixFrom(p.Addr(), p.Bits()-1).Masked().Addr() == got[i-1].Addr() {
				t.Errorf("%v and %v are one prefix", got[i-1], p)
			}
		}
		if total != covered {
			t.Errorf("%v covers %d addresses, want %d", got, total, covered)
		}
	})
}

func at(i int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 0xC0000200+uint32(i))))
}

// small makes prefixes inside 192.0.2.0/24 of pairs of bytes.
func small(b []byte) []netip.Prefix {
	var out []netip.Prefix
	for len(b) >= 2 && len(out) < 32 {
		out = append(out, netip.PrefixFrom(at(int(b[0])), 24+int(b[1])%9))
		b = b[2:]
	}
	return out
}

func in(list []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
}
