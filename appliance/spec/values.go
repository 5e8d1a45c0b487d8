package spec

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// value evaluates an attribute; ok is false when it is absent, null or wrong
// (then it has been reported).
func (s *section) value(name string) (cty.Value, bool) {
	a := s.attrs[name]
	if a == nil {
		return cty.NilVal, false
	}
	v, ok := s.d.eval(a.Expr, s.ctx)
	if !ok {
		return cty.NilVal, false
	}
	if v.IsNull() {
		if s.schema.attr(name).required {
			s.d.errorf(a.Expr.Range(), fmt.Sprintf("Missing %s", name), "The %s needs %s; null is no value. For example: %s = %s", s.what, name, name, s.schema.attr(name).example)
		}
		return cty.NilVal, false
	}
	if s.schema.attr(name).later && !s.unbuilt && !s.told[name] { // null asks for nothing
		if s.told == nil {
			s.told = map[string]bool{}
		}
		s.told[name] = true
		s.d.notBuilt(s.of(name), a.NameRange)
	}
	return v, true
}

// wrong reports a value an attribute cannot take.
func (s *section) wrong(name, why string) {
	s.d.errorf(s.rng(name), fmt.Sprintf("Invalid %s", name), "%s For example: %s = %s", why, name, s.schema.attr(name).example)
}

// str gives a text attribute.
func (s *section) str(name, def string) string {
	v, ok := s.value(name)
	if !ok {
		return def
	}
	if !isText(v) {
		s.wrong(name, fmt.Sprintf("%s takes text in quotes, not %s.", name, literal(v)))
		return def
	}
	if v.AsString() == "" {
		s.wrong(name, fmt.Sprintf("%s is empty.", name))
		return def
	}
	return v.AsString()
}

// oneOf gives a text attribute limited to choices; those in later are taken too,
// but not built.
func (s *section) oneOf(name, def string, choices, later []string) string {
	v := s.str(name, "")
	if v == "" { // absent, or reported
		return def
	}
	for _, c := range choices {
		if v == c {
			return v
		}
	}
	for _, c := range later {
		if v == c {
			if !s.unbuilt {
				s.d.notBuilt(fmt.Sprintf("%s %q", s.of(name), v), s.rng(name))
			}
			return v
		}
	}
	all := slices.Concat(choices, later)
	if c := closest(v, all); c != "" {
		s.d.errorf(s.rng(name), fmt.Sprintf("Invalid %s", name), "There is no %s %q. Did you mean %q?", name, v, c)
	} else {
		s.d.errorf(s.rng(name), fmt.Sprintf("Invalid %s", name), "There is no %s %q. Write %s.", name, v, quoteList(all, "or"))
	}
	return def
}

// choice is oneOf that also says whether the value is what was meant: it is not
// when it was wrong, or written under another name, which has been reported.
func (s *section) choice(name, def string, choices, later []string) (v string, sure bool) {
	before := len(s.d.diags)
	v = s.oneOf(name, def, choices, later)
	return v, len(s.d.diags) == before && !s.typos[name]
}

// rngStated is rng of an attribute that has a value: by it the checks tell what
// was stated from what is so by default, which may be the same.
func (s *section) rngStated(name string) hcl.Range {
	if !s.stated(name) {
		return s.def
	}
	return s.rng(name)
}

// integer gives a whole number from low to high.
func (s *section) integer(name string, low, high, def int) int {
	v, ok := s.value(name)
	if !ok {
		return def
	}
	n, err := whole(v, low, high)
	if err != nil {
		s.wrong(name, fmt.Sprintf("%s takes %s, not %s.", name, err, literal(v)))
		return def
	}
	return n
}

// integerOrAuto is integer where "auto" stands for 0.
func (s *section) integerOrAuto(name string, low, high int) int {
	v, ok := s.value(name)
	if !ok || (isText(v) && v.AsString() == "auto") {
		return 0
	}
	n, err := whole(v, low, high)
	if err != nil {
		s.wrong(name, fmt.Sprintf("%s takes \"auto\" or %s, not %s.", name, err, literal(v)))
		return 0
	}
	return n
}

// ratio gives a number above 0 and at most 1.
func (s *section) ratio(name string, def float64) float64 {
	v, ok := s.value(name)
	if !ok {
		return def
	}
	n, err := convert.Convert(v, cty.Number)
	if err != nil || n.IsNull() || n.AsBigFloat().Sign() <= 0 || n.AsBigFloat().Cmp(big.NewFloat(1)) > 0 {
		s.wrong(name, fmt.Sprintf("%s takes a number above 0 and at most 1, not %s.", name, literal(v)))
		return def
	}
	f, _ := n.AsBigFloat().Float64()
	return f
}

func (s *section) boolean(name string, def bool) bool {
	v, ok := s.value(name)
	if !ok {
		return def
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil || b.IsNull() {
		s.wrong(name, fmt.Sprintf("%s takes true or false, not %s.", name, literal(v)))
		return def
	}
	return b.True()
}

// duration gives a duration from low to high.
func (s *section) duration(name string, low, high, def time.Duration) time.Duration {
	v, ok := s.value(name)
	if !ok {
		return def
	}
	if !isText(v) {
		s.wrong(name, fmt.Sprintf("%s takes a duration with its unit, in quotes, not %s.", name, literal(v)))
		return def
	}
	n, err := parseDuration(v.AsString())
	if err != nil {
		s.wrong(name, fmt.Sprintf("%s.", err))
		return def
	}
	if n < low || n > high {
		s.wrong(name, fmt.Sprintf("%s lies between %s and %s, and this is %s.", name, shortDuration(low), shortDuration(high), literal(v)))
		return def
	}
	return n
}

// size gives bytes from low to high.
func (s *section) size(name string, low, high, def uint64) uint64 {
	return s.unit(name, low, high, def, parseSize, formatSize)
}

// rate gives bits per second from low to high.
func (s *section) rate(name string, low, high, def uint64) uint64 {
	return s.unit(name, low, high, def, parseRate, formatRate)
}

func (s *section) unit(name string, low, high, def uint64, parse func(string) (uint64, error), format func(uint64) string) uint64 {
	v, ok := s.value(name)
	if !ok {
		return def
	}
	if !isText(v) {
		s.wrong(name, fmt.Sprintf("%s takes a number with its unit, in quotes; %s has none.", name, literal(v)))
		return def
	}
	n, err := parse(v.AsString())
	if err != nil {
		s.wrong(name, fmt.Sprintf("%s.", err))
		return def
	}
	if n < low || n > high {
		s.wrong(name, fmt.Sprintf("%s lies between %s and %s, and this is %s.", name, format(low), format(high), literal(v)))
		return def
	}
	return n
}

// item is one element of a list, with the place it stands at.
type item struct {
	value cty.Value
	rng   hcl.Range
}

// items gives the elements of a list attribute; ok is false when it is absent,
// wrong or empty.
func (s *section) items(name string) ([]item, bool) {
	list, ok := s.itemsOrNone(name)
	if ok && len(list) == 0 {
		s.wrong(name, fmt.Sprintf("The list of %s is empty.", name))
	}
	return list, len(list) > 0
}

// maxElements bounds a list: elements are compared with each other.
const maxElements = 20_000

// itemsOrNone is items for a list that may be empty.
func (s *section) itemsOrNone(name string) ([]item, bool) {
	v, ok := s.value(name)
	if !ok {
		return nil, false
	}
	if ty := v.Type(); !ty.IsTupleType() && !ty.IsListType() && !ty.IsSetType() {
		s.wrong(name, fmt.Sprintf("%s takes a list in square brackets, not %s.", name, literal(v)))
		return nil, false
	}
	if n := v.LengthInt(); n > maxElements {
		s.d.errorf(s.rng(name), "List too long", "%s has %d elements, and a list of a spec has at most %d. Write prefixes or ranges that cover several.", name, n, maxElements)
		return nil, false
	}
	// A literal list tells where each element stands; a computed one does not.
	var places []hclsyntax.Expression
	if t, isTuple := s.attrs[name].Expr.(*hclsyntax.TupleConsExpr); isTuple {
		places = t.Exprs
	}
	var out []item
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		rng := s.rng(name)
		if i := len(out); i < len(places) {
			rng = places[i].Range()
			s.d.show(places[i], s.ctx)
		}
		out = append(out, item{value: e, rng: rng})
	}
	return out, true
}

// texts is items for a list of texts. Elements that are none are reported and
// left out.
func (s *section) texts(name string) (values []string, places []hcl.Range) {
	list, _ := s.items(name)
	for _, e := range list {
		if !isText(e.value) {
			s.d.errorf(e.rng, fmt.Sprintf("Invalid %s", name), "Each element of %s is text in quotes, not %s.", name, literal(e.value))
			continue
		}
		values, places = append(values, e.value.AsString()), append(places, e.rng)
	}
	return values, places
}

func isText(v cty.Value) bool { return !v.IsNull() && v.Type() == cty.String }

// whole converts to an int; its errors say what was wanted.
func whole(v cty.Value, low, high int) (int, error) {
	want := fmt.Errorf("a whole number from %d to %d", low, high)
	if high == 1<<31-1 {
		want = fmt.Errorf("a whole number of at least %d", low)
	}
	n, err := convert.Convert(v, cty.Number)
	if err != nil || n.IsNull() {
		return 0, want
	}
	f := n.AsBigFloat()
	if f.IsInf() || !f.IsInt() {
		return 0, want
	}
	if f.Cmp(big.NewFloat(float64(low))) < 0 || f.Cmp(big.NewFloat(float64(high))) > 0 {
		return 0, want
	}
	i, acc := f.Int64()
	if acc != big.Exact {
		return 0, errors.New("a whole number")
	}
	return int(i), nil
}

// kind names a value's type for people.
func kind(v cty.Value) string {
	switch ty := v.Type(); {
	case v.IsNull():
		return "null"
	case ty == cty.Number:
		return "a number"
	case ty == cty.Bool:
		return "true or false"
	case ty == cty.String:
		return "text"
	case ty.IsObjectType() || ty.IsMapType():
		return "an object"
	default:
		return "a list"
	}
}

// literal renders a value as the user may have written it, cut when long.
func literal(v cty.Value) string {
	const most = 40
	switch {
	case v.IsNull():
		return "null"
	case v.Type() == cty.String:
		t := v.AsString()
		if len(t) > most {
			t = strings.ToValidUTF8(t[:most], "") + "..."
		}
		return fmt.Sprintf("%q", t)
	case v.Type() == cty.Number && v.AsBigFloat().MantExp(nil) > 512:
		return "a number beyond all bounds" // writing out its digits could take for ever
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('g', 12)
	case v.Type() == cty.Bool:
		if v.True() {
			return "true"
		}
		return "false"
	default:
		return kind(v)
	}
}
