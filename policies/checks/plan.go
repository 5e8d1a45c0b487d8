package checks

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// derivation are the attributes of a figure that say how it came about. They are
// most of a plan, and rules see them only if one of them writes such a name.
var derivation = []string{"formula", "inputs"}

// needs is what rules look at in a plan: a plan of thousands of listeners has
// hundreds of thousands of figures.
type needs struct {
	parts      map[string][]string // attribute of the plan -> attributes of it; nil: all of it
	whole      bool                // some rule takes the plan as a whole
	derivation bool
}

// planNeeds lists the parts of the plan that the rules of all packs name.
func planNeeds(packs []*Pack) needs {
	n := needs{parts: map[string][]string{}}
	for _, p := range packs {
		for _, r := range p.Rules {
			for _, e := range r.expressions() {
				for _, t := range e.Variables() {
					if t.RootName() == "plan" {
						n.add(t)
					}
				}
				n.derivation = n.derivation || writes(e, derivation)
			}
		}
	}
	return n
}

func (n *needs) add(t hcl.Traversal) {
	var names []string // up to two attributes after the root
	for _, s := range t[1:] {
		a, ok := s.(hcl.TraverseAttr)
		if !ok || len(names) == 2 {
			break
		}
		names = append(names, a.Name)
	}
	if len(names) == 0 {
		n.whole = true
		return
	}
	subs, seen := n.parts[names[0]]
	if len(names) == 1 || seen && subs == nil {
		n.parts[names[0]] = nil
		return
	}
	n.parts[names[0]] = append(subs, names[1])
}

func (n *needs) nothing() bool { return !n.whole && len(n.parts) == 0 }

// writes reports whether an expression writes one of the names, as an attribute or
// as text.
func writes(e hclsyntax.Expression, names []string) bool {
	found := false
	look := func(t hcl.Traversal) {
		for _, s := range t {
			switch s := s.(type) {
			case hcl.TraverseAttr:
				found = found || slices.Contains(names, s.Name)
			case hcl.TraverseIndex:
				found = found || s.Key.Type() == cty.String && slices.Contains(names, s.Key.AsString())
			}
		}
	}
	_ = hclsyntax.VisitAll(e, func(node hclsyntax.Node) hcl.Diagnostics {
		switch node := node.(type) {
		case *hclsyntax.ScopeTraversalExpr:
			look(node.Traversal)
		case *hclsyntax.RelativeTraversalExpr:
			look(node.Traversal)
		case *hclsyntax.LiteralValueExpr:
			if v := node.Val; v.Type() == cty.String && v.IsKnown() && !v.IsNull() {
				found = found || slices.Contains(names, v.AsString())
			}
		}
		return nil
	})
	return found
}

// planValue is the plan as rules see it: what its JSON says, cut to what they name.
func planValue(packs []*Pack, make func() (any, error)) (cty.Value, error) {
	want := planNeeds(packs)
	if want.nothing() || make == nil {
		return cty.EmptyObjectVal, nil
	}
	plan, err := make()
	if err != nil {
		return cty.NilVal, err
	}
	r := reader{types: map[reflect.Type][]member{}, derivation: want.derivation}
	v := reflect.Indirect(reflect.ValueOf(plan))
	if want.whole {
		return r.value(v)
	}
	all := obj{}
	for _, m := range r.members(v.Type()) {
		subs, wanted := want.parts[m.name]
		if f, there := m.of(v); wanted && there {
			part, err := r.part(f, subs)
			if err != nil {
				return cty.NilVal, err
			}
			all[m.name] = part
		}
	}
	return all.val(), nil
}

// reader makes values of Go values, as encoding/json would write them: lists
// become tuples.
type reader struct {
	types      map[reflect.Type][]member
	derivation bool
}

// member is one attribute of a struct.
type member struct {
	name      string
	index     int
	omitEmpty bool
}

// of is the attribute's value in a struct, and whether JSON would write it.
func (m member) of(v reflect.Value) (reflect.Value, bool) {
	f := v.Field(m.index)
	return f, !m.omitEmpty || !empty(f)
}

// empty is what omitempty leaves out.
func empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Array, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// members lists the attributes of a struct type. Embedded structs are not among
// the plan's types.
func (r *reader) members(t reflect.Type) []member {
	out, known := r.types[t]
	if known {
		return out
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() {
			continue
		}
		if name == "" {
			name = f.Name
		}
		out = append(out, member{name: name, index: i, omitEmpty: options == "omitempty"})
	}
	if !r.derivation && slices.ContainsFunc(out, func(m member) bool { return m.name == "formula" }) {
		out = slices.DeleteFunc(out, func(m member) bool { return slices.Contains(derivation, m.name) })
	}
	r.types[t] = out
	return out
}

// part is an attribute of the plan, cut to some of its own; none means all. What is
// no object is kept whole, so that a wrong name fails where it is used.
func (r *reader) part(v reflect.Value, subs []string) (cty.Value, error) {
	in := reflect.Indirect(v)
	if len(subs) == 0 || in.Kind() != reflect.Struct {
		return r.value(v)
	}
	out := obj{}
	for _, m := range r.members(in.Type()) {
		f, there := m.of(in)
		if !there || !slices.Contains(subs, m.name) {
			continue
		}
		e, err := r.value(f)
		if err != nil {
			return cty.NilVal, err
		}
		out[m.name] = e
	}
	return out.val(), nil
}

func (r *reader) value(v reflect.Value) (cty.Value, error) {
	null := cty.NullVal(cty.DynamicPseudoType)
	if v.CanInterface() {
		if m, ok := v.Interface().(json.Marshaler); ok {
			return custom(m)
		}
		if _, ok := v.Interface().(interface{ MarshalText() ([]byte, error) }); ok {
			return custom(v.Interface())
		}
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return null, nil
		}
		return r.value(v.Elem())
	case reflect.Struct:
		out := make(obj, v.NumField())
		for _, m := range r.members(v.Type()) {
			f, there := m.of(v)
			if !there {
				continue
			}
			e, err := r.value(f)
			if err != nil {
				return cty.NilVal, err
			}
			out[m.name] = e
		}
		return out.val(), nil
	case reflect.Map:
		if v.IsNil() {
			return null, nil
		}
		out := obj{}
		for it := v.MapRange(); it.Next(); {
			e, err := r.value(it.Value())
			if err != nil {
				return cty.NilVal, err
			}
			out[fmt.Sprint(it.Key())] = e
		}
		return out.val(), nil
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.IsNil() {
			return null, nil
		}
		out := make([]cty.Value, v.Len())
		for i := range out {
			e, err := r.value(v.Index(i))
			if err != nil {
				return cty.NilVal, err
			}
			out[i] = e
		}
		return cty.TupleVal(out), nil
	case reflect.String:
		return text(v.String()), nil
	case reflect.Bool:
		return cty.BoolVal(v.Bool()), nil
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return cty.NilVal, fmt.Errorf("plan: %v is no figure", f)
		}
		return cty.NumberFloatVal(v.Float()), nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return cty.NumberIntVal(v.Int()), nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return cty.NumberUIntVal(v.Uint()), nil
	}
	return cty.NilVal, fmt.Errorf("plan: a value of type %s has no form in rules", v.Type())
}

// custom is the value of a type that writes its own JSON.
func custom(v any) (cty.Value, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return cty.NilVal, fmt.Errorf("plan: %w", err)
	}
	var decoded any
	if err := json.Unmarshal(b, &decoded); err != nil {
		return cty.NilVal, fmt.Errorf("plan: %w", err)
	}
	return fromJSON(decoded), nil
}

// fromJSON makes a value of a decoded JSON document; lists become tuples.
func fromJSON(v any) cty.Value {
	switch v := v.(type) {
	case map[string]any:
		out := make(obj, len(v))
		for k, e := range v {
			out[k] = fromJSON(e)
		}
		return out.val()
	case []any:
		return list(v, fromJSON)
	case string:
		return text(v)
	case float64:
		return cty.NumberFloatVal(v)
	case bool:
		return cty.BoolVal(v)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}
