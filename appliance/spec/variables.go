package spec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// variable is one variable block, and what it stands for.
type variable struct {
	name     string
	typ      cty.Type
	text     bool // a value given as text is taken as it is, not as an expression
	optional *typeexpr.Defaults
	checks   []*section
	def      hcl.Range
	given    hcl.Range // where its value stands
	broken   bool
	value    cty.Value
}

var variableSchema = blockSchema{
	typ: "variable", labelled: true, many: true,
	attrs: []attrSchema{
		may("type", `string`),
		may("default", `"203.0.113.10"`),
		may("description", `"Address carriers send to"`),
	},
	blocks: []blockSchema{{typ: "validation", many: true, attrs: []attrSchema{
		must("condition", `var.cps <= 1000`),
		must("error_message", `"More than 1000 CPS need two appliances."`),
	}}},
}

// variables decodes the variable blocks, gives each its value and gives the
// object that var stands for. What is wrong is unknown in it.
func (d *decoder) variables(blocks []*hclsyntax.Block) cty.Value {
	var list []*variable
	first := map[string]hcl.Range{}
	for _, b := range blocks {
		v := d.variable(b)
		if prev, dup := first[v.name]; dup && v.name != "" {
			d.errorf(b.LabelRanges[0], "Name used twice", "A variable named %q stands at %s already. Give this one another name.", v.name, at(prev))
			continue
		}
		first[v.name] = v.def
		list = append(list, v)
		d.variableNames = append(d.variableNames, v.name)
	}
	given := d.givenValues(list)
	values := map[string]cty.Value{}
	for i, b := range list {
		d.settle(b, given[b.name], blocks[i])
		values[b.name] = b.value
	}
	d.settled = list
	scope := d.child(d.base, map[string]cty.Value{"var": cty.ObjectVal(values)})
	for _, v := range list {
		if !v.value.IsKnown() {
			continue
		}
		for _, check := range v.checks {
			if !d.validate(v, check, scope) {
				values[v.name] = cty.DynamicVal // what is made of it is wrong as well
			}
		}
	}
	return cty.ObjectVal(values)
}

func (d *decoder) variable(b *hclsyntax.Block) *variable {
	before := len(d.diags)
	sec := d.section(&block{b, d.base, b.DefRange()}, &variableSchema)
	v := &variable{name: sec.name, typ: cty.DynamicPseudoType, text: true, def: sec.def, given: sec.def, value: cty.DynamicVal}
	if v.name != "" && !hclsyntax.ValidIdentifier(v.name) {
		d.errorf(b.LabelRanges[0], "Invalid name", "The name %q cannot be written after var. : write letters, digits, underscores and hyphens, beginning with a letter.", v.name)
	}
	sec.str("description", "")
	if a := sec.attrs["type"]; a != nil {
		ty, optional, diags := typeexpr.TypeConstraintWithDefaults(a.Expr)
		d.diags = append(d.diags, diags...)
		if !diags.HasErrors() {
			v.typ, v.optional, v.text = ty, optional, ty.IsPrimitiveType()
		}
	}
	v.checks = sec.all("validation")
	v.broken = len(d.diags) > before
	return v
}

// settle gives a variable its value: the last of those given, or else its default.
func (d *decoder) settle(v *variable, given []given, b *hclsyntax.Block) {
	if v.broken {
		return
	}
	for _, g := range slices.Backward(given) {
		value, ok := g.value(d, v)
		if !ok {
			return
		}
		if value.IsNull() {
			continue // as if not given
		}
		d.assign(v, value, g.rng)
		return
	}
	if a := b.Body.Attributes["default"]; a != nil {
		value, ok := d.eval(a.Expr, d.base)
		if !ok {
			return
		}
		if value.IsNull() {
			v.value = cty.NullVal(v.typ)
			return
		}
		d.assign(v, value, a.Expr.Range())
		return
	}
	where := "Write a default in this block, or give it"
	if d.fleet {
		where = "Write it into the variables of the appliance or a default into this block, or give it"
	}
	d.errorf(v.def, "No value for a variable", "var.%s has no default, and no value was given. %s: -var '%s=...', -var-file FILE, or %s%s in the environment.", v.name, where, v.name, VariablePrefix, v.name)
}

// assign converts a value to the type of its variable.
func (d *decoder) assign(v *variable, value cty.Value, place hcl.Range) {
	v.given = place
	if v.optional != nil {
		value = v.optional.Apply(value)
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		d.errorf(place, "Value of the wrong type", "var.%s is of type %s, and %s is not%s.", v.name, typeexpr.TypeString(v.typ), literal(value), pathError(err))
		return
	}
	if !d.src.budget.spendValue(converted) {
		d.overspent(place)
		return
	}
	v.value = converted
}

// pathError says which part of a value does not fit, if it is a part.
func pathError(err error) string {
	var pe cty.PathError
	if !errors.As(err, &pe) || len(pe.Path) == 0 {
		return ": " + err.Error()
	}
	var b strings.Builder
	for _, step := range pe.Path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + step.Name)
		case cty.IndexStep:
			fmt.Fprintf(&b, "[%s]", literal(step.Key))
		}
	}
	return fmt.Sprintf(": %s: %s", strings.TrimPrefix(b.String(), "."), pe.Error())
}

// validate applies one validation rule of a variable and reports whether it
// could be, and the value is right.
func (d *decoder) validate(v *variable, check *section, scope *hcl.EvalContext) bool {
	condition, message := check.attrs["condition"], check.attrs["error_message"]
	if condition == nil || message == nil {
		return false // reported
	}
	about := slices.ContainsFunc(condition.Expr.Variables(), func(t hcl.Traversal) bool {
		name, ok := member(t)
		return t.RootName() == "var" && ok && name == v.name
	})
	if !about {
		d.errorf(condition.Expr.Range(), "Condition about something else", "A validation of var.%s must look at var.%s; this one is the same whatever its value is.", v.name, v.name)
		return false
	}
	result, ok := d.eval(condition.Expr, scope)
	if !ok {
		return false
	}
	holds, err := convert.Convert(result, cty.Bool)
	if err != nil || holds.IsNull() {
		d.errorf(condition.Expr.Range(), "Invalid condition", "A condition is true or false, not %s. For example: condition = var.cps <= 1000", literal(result))
		return false
	}
	text, ok := d.eval(message.Expr, scope)
	if !ok {
		return false
	}
	if !isText(text) || strings.TrimSpace(text.AsString()) == "" {
		d.errorf(message.Expr.Range(), "Invalid error_message", "error_message says, in quotes, what is wrong and what to write instead. For example: error_message = \"More than 1000 CPS need two appliances.\"")
		return false
	}
	if !holds.True() {
		d.errorf(v.given, "Value refused", "%s This is the validation of var.%s at %s; its value is %s.", strings.TrimSpace(text.AsString()), v.name, at(check.def), literal(v.value))
	}
	return holds.True()
}
