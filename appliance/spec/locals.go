package spec

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxLocals bounds how deep one local may lead into another.
const maxLocals = 10_000

// locals evaluates the locals blocks, each value after those it refers to, and
// gives the object that local stands for. Values that are wrong are unknown in
// it: what refers to them is not reported again.
func (d *decoder) locals(blocks []*hclsyntax.Block, ctx *hcl.EvalContext) cty.Value {
	l := &locals{d: d, ctx: ctx, exprs: map[string]*hclsyntax.Attribute{}, state: map[string]int{}, values: map[string]cty.Value{}}
	var names []string
	for _, b := range blocks {
		if len(b.Labels) > 0 {
			d.errorf(b.LabelRanges[0], "Name not expected", "A locals block has no name: remove %q.", b.Labels[0])
		}
		for _, inner := range b.Body.Blocks {
			d.errorf(inner.DefRange(), "Unknown block", "A locals block holds names and values alone: write %s = { ... } for an object.", inner.Type)
		}
		for _, a := range inOrder(b.Body.Attributes) {
			if first := l.exprs[a.Name]; first != nil {
				d.errorf(a.NameRange, "Name used twice", "local.%s stands at %s already. Give this one another name.", a.Name, at(first.NameRange))
				continue
			}
			if len(names) == maxLocals {
				d.errorf(a.NameRange, "Too many locals", "A spec has %d locals at most. Put tables into a file and read it with csvdecode(file(...)).", maxLocals)
				return cty.DynamicVal
			}
			l.exprs[a.Name] = a
			names = append(names, a.Name)
		}
	}
	d.localNames = names
	for _, n := range names {
		l.visit(n)
	}
	return cty.ObjectVal(l.values)
}

// inOrder gives attributes as they stand in the source.
func inOrder(attrs hclsyntax.Attributes) []*hclsyntax.Attribute {
	out := make([]*hclsyntax.Attribute, 0, len(attrs))
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hclsyntax.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	return out
}

type locals struct {
	d      *decoder
	ctx    *hcl.EvalContext
	exprs  map[string]*hclsyntax.Attribute
	state  map[string]int // 0: not seen, 1: being evaluated, 2: done
	chain  []string
	values map[string]cty.Value
}

// visit evaluates one local after those it refers to.
func (l *locals) visit(name string) {
	a := l.exprs[name]
	l.state[name] = 1
	l.chain = append(l.chain, name)
	seen := map[string]cty.Value{}
	known := true
	for _, t := range a.Expr.Variables() {
		dep, ok := member(t)
		if t.RootName() != "local" || !ok || l.exprs[dep] == nil {
			continue // reported by eval
		}
		switch l.state[dep] {
		case 1:
			chain := append(slices.Clone(l.chain[slices.Index(l.chain, dep):]), dep)
			l.d.errorf(t.SourceRange(), "Locals in a circle", "local.%s needs itself: %s. Write one of them without the others.", dep, strings.Join(chain, " needs "))
			known = false
		case 0:
			l.visit(dep)
		}
		seen[dep] = cty.DynamicVal
		if v, done := l.values[dep]; done {
			seen[dep] = v
		}
	}
	l.chain = l.chain[:len(l.chain)-1]
	l.state[name] = 2
	l.values[name] = cty.DynamicVal
	if !known {
		return
	}
	// Only what is referred to: a scope with all locals for each would cost their square.
	scope := l.d.child(l.ctx, map[string]cty.Value{"local": cty.ObjectVal(seen)})
	v, ok := l.d.eval(a.Expr, scope)
	if !ok {
		return
	}
	if !l.d.src.budget.spendValue(v) {
		l.d.overspent(a.Expr.Range())
		return
	}
	l.values[name] = v
}

// member is the name after var. or local. in a reference.
func member(t hcl.Traversal) (string, bool) {
	if len(t) < 2 {
		return "", false
	}
	switch step := t[1].(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String && !step.Key.IsNull() && step.Key.IsKnown() {
			return step.Key.AsString(), true
		}
	}
	return "", false
}
