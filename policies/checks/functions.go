package checks

import (
	"net/netip"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"

	"trunkline/appliance/sizing"
)

// functions are what rules may call. Left out is what can make much of little
// (range, format, replace) and what depends on the day or the machine.
var functions = map[string]function.Function{
	"abs":       stdlib.AbsoluteFunc,
	"can":       tryfunc.CanFunc,
	"ceil":      stdlib.CeilFunc,
	"coalesce":  stdlib.CoalesceFunc,
	"concat":    stdlib.ConcatFunc,
	"contains":  stdlib.ContainsFunc,
	"distinct":  stdlib.DistinctFunc,
	"element":   stdlib.ElementFunc,
	"flatten":   stdlib.FlattenFunc,
	"floor":     stdlib.FloorFunc,
	"join":      stdlib.JoinFunc,
	"keys":      stdlib.KeysFunc,
	"length":    lengthFunc,
	"lookup":    stdlib.LookupFunc,
	"lower":     stdlib.LowerFunc,
	"max":       stdlib.MaxFunc,
	"min":       stdlib.MinFunc,
	"slice":     stdlib.SliceFunc,
	"sort":      stdlib.SortFunc,
	"split":     stdlib.SplitFunc,
	"substr":    stdlib.SubstrFunc,
	"trimspace": stdlib.TrimSpaceFunc,
	"try":       tryfunc.TryFunc,
	"upper":     stdlib.UpperFunc,
	"values":    stdlib.ValuesFunc,

	"sum":        sumFunc,
	"all":        logic(true),
	"any":        logic(false),
	"startswith": textTest(strings.HasPrefix),
	"endswith":   textTest(strings.HasSuffix),

	// For messages.
	"bytes":    numberText(sizing.Bytes),
	"count":    numberText(sizing.Count),
	"duration": numberText(durationText),

	// About prefixes such as "198.51.100.0/24".
	"prefix_length": prefixTest(cty.Number, func(p netip.Prefix) cty.Value { return cty.NumberIntVal(int64(p.Bits())) }),
	"is_ipv6":       prefixTest(cty.Bool, func(p netip.Prefix) cty.Value { return cty.BoolVal(p.Addr().Is6()) }),
	"is_private":    prefixTest(cty.Bool, func(p netip.Prefix) cty.Value { return cty.BoolVal(private(p)) }),
}

// private reports whether all of p is private, not only its first address.
func private(p netip.Prefix) bool {
	for _, n := range privateNets {
		if n.Bits() <= p.Bits() && n.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

// privateNets are RFC 1918, RFC 4193, loopback and link-local. Carrier-grade NAT
// (RFC 6598) is left out: the hosts in it are not ours.
var privateNets = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fe80::/10"),
}

// lengthFunc is stdlib's length of what an expression gives. A value given to a function
// is searched for marks, of which there are none here, through all it holds; that of an
// expression is not, and lists are long.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "collection", Type: customdecode.ExpressionClosureType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, diags := customdecode.ExpressionClosureFromVal(args[0]).Value()
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgErrorf(0, "%s; %s", diags[0].Summary, diags[0].Detail)
		}
		if !v.CanIterateElements() || v.Type().IsObjectType() {
			return cty.NilVal, function.NewArgErrorf(0, "a list, a set or a map is needed, not %s", kind(v))
		}
		return cty.NumberIntVal(int64(v.LengthInt())), nil
	},
})

// logic is all(list) for want true, any(list) for want false.
func logic(want bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].CanIterateElements() {
				return cty.NilVal, function.NewArgErrorf(0, "a list of true and false is needed")
			}
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				if v.IsNull() || v.Type() != cty.Bool {
					return cty.NilVal, function.NewArgErrorf(0, "a list of true and false is needed")
				}
				if v.True() != want {
					return cty.BoolVal(!want), nil
				}
			}
			return cty.BoolVal(want), nil
		},
	})
}

// sumFunc is the sum of a list of numbers; of none it is 0.
var sumFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() {
			return cty.NilVal, function.NewArgErrorf(0, "a list of numbers is needed")
		}
		total := cty.Zero
		for it := args[0].ElementIterator(); it.Next(); {
			_, v := it.Element()
			if v.IsNull() || v.Type() != cty.Number {
				return cty.NilVal, function.NewArgErrorf(0, "a list of numbers is needed")
			}
			total = total.Add(v)
		}
		return total, nil
	},
})

func textTest(f func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(f(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func numberText(f func(float64) string) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "number", Type: cty.Number}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			n, _ := args[0].AsBigFloat().Float64()
			return cty.StringVal(f(n)), nil
		},
	})
}

// durationText renders seconds as 90 s, 30 min, 2 h.
func durationText(seconds float64) string {
	switch d := time.Duration(seconds * float64(time.Second)); {
	case d >= time.Hour && d%time.Hour == 0:
		return sizing.Count(d.Hours()) + " h"
	case d > 2*time.Minute && d%time.Minute == 0:
		return sizing.Count(d.Minutes()) + " min"
	}
	return sizing.Count(seconds) + " s"
}

func prefixTest(ty cty.Type, f func(netip.Prefix) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "prefix", Type: cty.String}},
		Type:   function.StaticReturnType(ty),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			p, err := netip.ParsePrefix(args[0].AsString())
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%q is not a prefix such as 10.0.0.0/24", args[0].AsString())
			}
			return f(p), nil
		},
	})
}
