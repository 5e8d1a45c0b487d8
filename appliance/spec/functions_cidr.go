package spec

import (
	"errors"
	"fmt"
	"math/big"
	"net/netip"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// cidrHostFunc: cidrhost(prefix, n) is the n-th address of a prefix, counted
// from its end when n is negative.
var cidrHostFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "host", Type: cty.Number}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%q is not a prefix such as 10.0.0.0/24", args[0].AsString())
		}
		n, err := wholeArg(args[1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
		if n.Sign() < 0 {
			n = new(big.Int).Add(size, n)
		}
		if n.Sign() < 0 || n.Cmp(size) >= 0 {
			return cty.NilVal, function.NewArgErrorf(1, "%s has %s addresses", p.Masked(), size)
		}
		return cty.StringVal(addrPlus(p.Masked().Addr(), n).String()), nil
	},
})

// cidrSubnetFunc: cidrsubnet(prefix, bits, n) is the n-th of the subnets that
// are bits longer than the prefix.
var cidrSubnetFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "newbits", Type: cty.Number}, {Name: "netnum", Type: cty.Number}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%q is not a prefix such as 10.0.0.0/16", args[0].AsString())
		}
		bits, err := wholeArg(args[1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		free := p.Addr().BitLen() - p.Bits()
		if bits.Sign() < 0 || bits.Cmp(big.NewInt(int64(free))) > 0 {
			return cty.NilVal, function.NewArgErrorf(1, "%s can be divided by 0 to %d more bits", p.Masked(), free)
		}
		n, err := wholeArg(args[2])
		if err != nil {
			return cty.NilVal, function.NewArgError(2, err)
		}
		count := new(big.Int).Lsh(big.NewInt(1), uint(bits.Int64()))
		if n.Sign() < 0 || n.Cmp(count) >= 0 {
			return cty.NilVal, function.NewArgErrorf(2, "there are %s such subnets in %s", count, p.Masked())
		}
		length := p.Bits() + int(bits.Int64())
		n = new(big.Int).Lsh(n, uint(p.Addr().BitLen()-length))
		return cty.StringVal(fmt.Sprintf("%s/%d", addrPlus(p.Masked().Addr(), n), length)), nil
	},
})

// wholeArg bounds the number before it becomes digits: 1e1000000000 is short to
// write and long to print.
func wholeArg(v cty.Value) (*big.Int, error) {
	f := v.AsBigFloat()
	if f.IsInf() || !f.IsInt() || f.MantExp(nil) > 129 {
		return nil, errors.New("a whole number is needed")
	}
	n, _ := f.Int(nil)
	return n, nil
}

// addrPlus adds n to an address; the caller keeps the sum inside the prefix.
func addrPlus(a netip.Addr, n *big.Int) netip.Addr {
	raw := a.AsSlice()
	sum := new(big.Int).Add(new(big.Int).SetBytes(raw), n)
	sum.FillBytes(raw)
	out, _ := netip.AddrFromSlice(raw)
	return out
}

// cidrNetmaskFunc: cidrnetmask(prefix) is the mask of an IPv4 prefix in dotted form.
var cidrNetmaskFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}},
	Type:   function.StaticReturnType(cty.String),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		p, err := netip.ParsePrefix(args[0].AsString())
		if err != nil || !p.Addr().Is4() {
			return cty.NilVal, function.NewArgErrorf(0, "%q is not an IPv4 prefix such as 10.0.0.0/24", args[0].AsString())
		}
		mask := ^uint32(0) << (32 - p.Bits())
		return cty.StringVal(netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String()), nil
	},
})

// cidrContainsFunc: cidrcontains(prefix, address or prefix) tells whether all of
// the second lies in the first.
var cidrContainsFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "prefix", Type: cty.String}, {Name: "inner", Type: cty.String}},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		outer, err := netip.ParsePrefix(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(0, "%q is not a prefix such as 10.0.0.0/24", args[0].AsString())
		}
		text := args[1].AsString()
		inner, err := netip.ParsePrefix(text)
		if a, addrErr := netip.ParseAddr(text); addrErr == nil {
			inner, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return cty.NilVal, function.NewArgErrorf(1, "%q is neither an address nor a prefix", text)
		}
		return cty.BoolVal(outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr().WithZone(""))), nil
	},
})
