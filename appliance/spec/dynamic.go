package spec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// block is a block of the spec with the scope its expressions are evaluated in:
// blocks that a dynamic block makes share their text, not their scope.
type block struct {
	*hclsyntax.Block
	ctx *hcl.EvalContext
	def hcl.Range
}

// DefRange is where the block is declared: for one made by a dynamic block, there.
func (b *block) DefRange() hcl.Range { return b.def }

// dynamicSchema is `dynamic "TYPE" { for_each, iterator, labels, content }`, as
// in package dynblock of HCL. That package makes bodies for its own decoder,
// which stops at the first unknown name; here blocks are expanded in place, and
// everything in them is checked as if written out.
var dynamicSchema = blockSchema{
	typ: "dynamic", labelled: true, many: true,
	attrs: []attrSchema{
		must("for_each", `var.carriers`),
		may("iterator", "carrier"),
		may("labels", `[listener.key]`),
	},
	blocks: []blockSchema{{typ: "content", required: true}},
}

// fixed are blocks that say which values there are, so that no value can make them.
var fixed = map[string]bool{"variable": true, "locals": true, "waiver": true}

// expand gives the blocks a dynamic block stands for. ok is false when they are
// not known, and that has been reported.
func (s *section) expand(b *hclsyntax.Block, ctx *hcl.EvalContext) (made []*block, schema *blockSchema, ok bool) {
	d := s.d
	before := len(d.diags)
	sec := d.section(&block{b, ctx, b.DefRange()}, &dynamicSchema)
	if sec.name == "" {
		return nil, nil, false
	}
	typ, place := sec.name, b.LabelRanges[0]
	if schema = s.schema.block(typ); schema == nil {
		var names []string
		for i := range s.schema.blocks {
			if known := &s.schema.blocks[i]; !fixed[known.typ] {
				names = append(names, known.typ)
			}
		}
		d.errorf(place, "Unknown block", "There is no block %q in %s. %s", typ, s.place(), didYouMean(typ, names, "block"))
		s.typos[closest(typ, names)] = true
		return nil, nil, false
	}
	if fixed[typ] {
		d.errorf(place, "Not a dynamic block", "A %s block cannot be dynamic: it must stand in the spec for review. Write the blocks out.", typ)
		return nil, schema, false
	}
	content := sec.blocks["content"]
	if len(d.diags) > before || len(content) == 0 {
		return nil, schema, false
	}
	iterator := typ
	if a := sec.attrs["iterator"]; a != nil {
		if iterator = hcl.ExprAsKeyword(a.Expr); iterator == "" {
			d.errorf(a.Expr.Range(), "Invalid iterator", "iterator is a name of your own, without quotes. For example: iterator = carrier")
			return nil, schema, false
		}
		if iterator == "var" || iterator == "local" {
			d.errorf(a.Expr.Range(), "Invalid iterator", "%q is taken: references to variables and locals begin with it. Choose another name.", iterator)
			return nil, schema, false
		}
	}
	labels, ok := s.dynamicLabels(sec, schema)
	if !ok {
		return nil, schema, false
	}
	each, ok := sec.value("for_each")
	if !ok {
		return nil, schema, false
	}
	if !each.CanIterateElements() {
		d.errorf(sec.rng("for_each"), "Invalid for_each", "for_each takes a list, a set, a map or an object, not %s. For one block or none write: for_each = CONDITION ? [1] : []", literal(each))
		return nil, schema, false
	}
	for it := each.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if each.Type().IsSetType() {
			key = value
		}
		if !d.src.budget.spend(50+length(content[0].Body.SrcRange)/16, 0) { // a block costs more than an element
			d.overspent(sec.rng("for_each"))
			return nil, schema, false
		}
		scope := d.child(ctx, map[string]cty.Value{iterator: cty.ObjectVal(map[string]cty.Value{"key": key, "value": value})})
		one := &hclsyntax.Block{Type: typ, TypeRange: place, Body: content[0].Body,
			OpenBraceRange: content[0].OpenBraceRange, CloseBraceRange: content[0].CloseBraceRange}
		good := true
		for _, e := range labels {
			name, ok := d.label(e, scope)
			good = good && ok
			one.Labels, one.LabelRanges = append(one.Labels, name), append(one.LabelRanges, e.Range())
		}
		if good {
			made = append(made, &block{one, scope, sec.def})
		}
	}
	return made, schema, len(d.diags) == before
}

// dynamicLabels gives the expressions for the labels of the blocks made.
func (s *section) dynamicLabels(sec *section, schema *blockSchema) ([]hclsyntax.Expression, bool) {
	a := sec.attrs["labels"]
	switch {
	case a == nil && schema.labelled:
		s.d.errorf(sec.def, "Missing labels", "A %s block has a name, so its dynamic block must say which: labels = [%s.key]", schema.typ, schema.typ)
		return nil, false
	case a == nil:
		return nil, true
	case !schema.labelled:
		s.d.errorf(a.NameRange, "Labels not expected", "A %s block has no name: remove labels.", schema.typ)
		return nil, false
	}
	list, ok := a.Expr.(*hclsyntax.TupleConsExpr)
	if !ok || len(list.Exprs) != 1 {
		s.d.errorf(a.Expr.Range(), "Invalid labels", "labels takes a list of one expression, the name of each block. For example: labels = [%s.key]", schema.typ)
		return nil, false
	}
	return list.Exprs, true
}

// label evaluates the name of one made block.
func (d *decoder) label(e hclsyntax.Expression, scope *hcl.EvalContext) (string, bool) {
	v, ok := d.eval(e, scope)
	if !ok {
		return "", false
	}
	text, err := convert.Convert(v, cty.String)
	if err != nil || text.IsNull() {
		d.errorf(e.Range(), "Invalid label", "The name of a block is text, not %s.", literal(v))
		return "", false
	}
	return text.AsString(), true
}
