package spec

import (
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// maxFunctionFile bounds what file() takes: a value of an attribute, not a table.
const maxFunctionFile = 1 << 20

// functions are what expressions may call. Left out are those that would make
// the same bytes mean something else elsewhere or later (time, randomness), and
// try and can, which hide mistakes; lookup takes a default.
func (d *decoder) functions() map[string]function.Function {
	all := map[string]function.Function{
		"file":       d.fileFunc(),
		"jsondecode": jsonDecodeFunc,
	}
	for name, f := range pureFunctions {
		all[name] = f
	}
	for name, f := range all {
		all[name] = d.src.budget.function(f, functionCosts[name])
	}
	return all
}

var pureFunctions = map[string]function.Function{
	"abs":             stdlib.AbsoluteFunc,
	"ceil":            stdlib.CeilFunc,
	"chomp":           stdlib.ChompFunc,
	"chunklist":       stdlib.ChunklistFunc,
	"cidrcontains":    cidrContainsFunc,
	"cidrhost":        cidrHostFunc,
	"cidrnetmask":     cidrNetmaskFunc,
	"cidrsubnet":      cidrSubnetFunc,
	"coalesce":        stdlib.CoalesceFunc,
	"coalescelist":    stdlib.CoalesceListFunc,
	"compact":         stdlib.CompactFunc,
	"concat":          stdlib.ConcatFunc,
	"contains":        stdlib.ContainsFunc,
	"csvdecode":       stdlib.CSVDecodeFunc,
	"distinct":        stdlib.DistinctFunc,
	"element":         stdlib.ElementFunc,
	"endswith":        affixFunc("suffix", strings.HasSuffix),
	"flatten":         stdlib.FlattenFunc,
	"floor":           stdlib.FloorFunc,
	"format":          stdlib.FormatFunc,
	"formatlist":      stdlib.FormatListFunc,
	"join":            stdlib.JoinFunc,
	"jsonencode":      stdlib.JSONEncodeFunc,
	"keys":            stdlib.KeysFunc,
	"length":          stdlib.LengthFunc,
	"lookup":          stdlib.LookupFunc,
	"lower":           stdlib.LowerFunc,
	"max":             stdlib.MaxFunc,
	"merge":           stdlib.MergeFunc,
	"min":             stdlib.MinFunc,
	"parseint":        stdlib.ParseIntFunc,
	"range":           stdlib.RangeFunc, // 1024 elements at most
	"regex":           stdlib.RegexFunc,
	"regexall":        stdlib.RegexAllFunc,
	"replace":         stdlib.ReplaceFunc,
	"reverse":         stdlib.ReverseListFunc,
	"setintersection": stdlib.SetIntersectionFunc,
	"setproduct":      stdlib.SetProductFunc,
	"setsubtract":     stdlib.SetSubtractFunc,
	"setunion":        stdlib.SetUnionFunc,
	"signum":          stdlib.SignumFunc,
	"slice":           stdlib.SliceFunc,
	"sort":            stdlib.SortFunc,
	"split":           stdlib.SplitFunc,
	"startswith":      affixFunc("prefix", strings.HasPrefix),
	"strlen":          stdlib.StrlenFunc,
	"substr":          stdlib.SubstrFunc,
	"title":           stdlib.TitleFunc,
	"tobool":          stdlib.MakeToFunc(cty.Bool),
	"tolist":          stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
	"tomap":           stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
	"tonumber":        stdlib.MakeToFunc(cty.Number),
	"toset":           stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
	"tostring":        stdlib.MakeToFunc(cty.String),
	"trim":            stdlib.TrimFunc,
	"trimprefix":      stdlib.TrimPrefixFunc,
	"trimspace":       stdlib.TrimSpaceFunc,
	"trimsuffix":      stdlib.TrimSuffixFunc,
	"upper":           stdlib.UpperFunc,
	"values":          stdlib.ValuesFunc,
	"zipmap":          stdlib.ZipmapFunc,
}

// functionCosts bound, before a call, the results that can be far larger than the
// arguments: as elements and as bytes.
var functionCosts = map[string]func(args []cty.Value) (steps, bytes int){
	"join": func(args []cty.Value) (int, int) {
		elements := 0
		for _, list := range args[1:] {
			elements += elementsOf(list)
		}
		return elements, product(elements, bytesOf(args[0]))
	},
	"replace": func(args []cty.Value) (int, int) {
		return 0, product(bytesOf(args[0])/max(1, bytesOf(args[1]))+1, bytesOf(args[2]))
	},
	"setproduct": func(args []cty.Value) (int, int) {
		n := 1
		for _, set := range args {
			n = product(n, elementsOf(set))
		}
		return product(n, len(args)), 0
	},
	"format": func(args []cty.Value) (int, int) { return 0, widths(args[0]) },
	"formatlist": func(args []cty.Value) (int, int) {
		n := 1
		for _, list := range args[1:] {
			n = max(n, elementsOf(list))
		}
		return n, product(n, widths(args[0])+bytesOf(args[0]))
	},
}

// product multiplies without overflow: past the budget all figures are alike.
func product(a, b int) int {
	if b > 0 && a > 2*maxBytes/b {
		return 2 * maxBytes
	}
	return a * b
}

func bytesOf(v cty.Value) int {
	if v.IsKnown() && isText(v) {
		return len(v.AsString())
	}
	return 0
}

func elementsOf(v cty.Value) int {
	if v.IsKnown() && !v.IsNull() && v.CanIterateElements() {
		return v.LengthInt()
	}
	return 0
}

// widths adds up the figures in a format: "%900000000d" is short and pads a lot.
func widths(format cty.Value) int {
	sum, n := 0, 0
	if format.IsKnown() && isText(format) {
		for _, c := range format.AsString() {
			if c >= '0' && c <= '9' {
				n = min(n*10+int(c-'0'), 2*maxBytes)
				continue
			}
			sum, n = min(sum+n, 2*maxBytes), 0
		}
	}
	return sum + n
}

// function counts what calls cost. Once the budget is spent the result is unknown.
func (b *budget) function(f function.Function, cost func([]cty.Value) (int, int)) function.Function {
	enough := func(args []cty.Value) bool {
		for _, a := range args {
			if !b.spend(1+elementsOf(a)/16+bytesOf(a)/1024, 0) {
				return false
			}
		}
		if cost == nil || len(args) == 0 {
			return b.why == ""
		}
		return b.spend(cost(args))
	}
	return function.New(&function.Spec{
		Params:   f.Params(),
		VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if !enough(args) {
				return cty.DynamicPseudoType, nil
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if b.why != "" {
				return cty.DynamicVal, nil
			}
			v, err := f.Call(args)
			if err != nil {
				return v, err
			}
			b.spendValue(v)
			return v, nil
		},
	})
}

// jsonDecodeFunc is jsondecode with the nesting of a spec.
var jsonDecodeFunc = function.New(&function.Spec{
	Params: stdlib.JSONDecodeFunc.Params(),
	Type: func(args []cty.Value) (cty.Type, error) {
		if args[0].IsKnown() && deepJSON([]byte(args[0].AsString()), "") != nil {
			return cty.NilType, function.NewArgErrorf(0, "brackets nest more than %d deep", maxNesting)
		}
		return stdlib.JSONDecodeFunc.ReturnTypeForValues(args)
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return stdlib.JSONDecodeFunc.Call(args) },
})

// affixFunc is startswith or endswith.
func affixFunc(what string, has func(text, affix string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: what, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(has(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// fileFunc reads a text file below the spec directory.
func (d *decoder) fileFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			name, ok := localName(args[0].AsString())
			if !ok {
				return cty.NilVal, function.NewArgErrorf(0, "%q does not lie in the spec directory; name a file in it", args[0].AsString())
			}
			b, err := d.readFile(name, maxFunctionFile)
			if err != nil {
				return cty.NilVal, function.NewArgErrorf(0, "%q cannot be read: %s", name, reason(err))
			}
			return cty.StringVal(string(b)), nil
		},
	})
}
