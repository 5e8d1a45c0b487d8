package spec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Expressions are a small language: loops in loops and texts made of texts could
// keep a machine busy, or fill its memory, from a file of one page. What one
// evaluation may do is therefore counted, and the same spec is refused or taken
// on every machine.
const (
	maxSteps    = 1_000_000 // elements looked at: about a second
	maxBytes    = 64 << 20  // bytes of text made
	maxExponent = 4096      // of a number, in bits: written out it stays short
)

// budget counts what the expressions of one appliance have cost.
type budget struct {
	steps, bytes int
	why          string // what ran out; empty: nothing
}

// spend counts, and reports whether there is something left.
func (b *budget) spend(steps, bytes int) bool {
	b.steps += steps
	b.bytes += bytes
	switch {
	case b.why != "":
	case b.steps > maxSteps:
		b.why = fmt.Sprintf("Expressions may cost %d steps in all (an element looked at is one, a block made fifty), and this is more. Write fewer loops inside each other, or the values themselves.", maxSteps)
	case b.bytes > maxBytes:
		b.why = fmt.Sprintf("Expressions may make %d MiB of text in all, and this is more. Write the values themselves.", maxBytes>>20)
	}
	return b.why == ""
}

// spendValue counts everything in a value.
func (b *budget) spendValue(v cty.Value) bool {
	switch ty := v.Type(); {
	case v.IsNull() || !v.IsKnown():
		return b.spend(1, 0)
	case ty == cty.String:
		return b.spend(1, len(v.AsString()))
	case ty == cty.Number:
		if exponent := v.AsBigFloat().MantExp(nil); b.why == "" && (exponent > maxExponent || exponent < -maxExponent) {
			b.why = "This number is beyond anything a spec can mean. Write the value itself."
		}
		return b.spend(1, 0)
	case v.CanIterateElements():
		if !b.spend(1, 0) {
			return false
		}
		for it := v.ElementIterator(); it.Next(); {
			if _, e := it.Element(); !b.spendValue(e) {
				return false
			}
		}
	}
	return b.spend(1, 0)
}

// metered is an expression whose values are counted. Once the budget is spent it
// gives unknown values alone, at which the loops around it end.
//
// It is built on the parser's own parentheses: walks through an expression then
// see what is within.
type metered struct {
	*hclsyntax.ParenthesesExpr
	budget *budget
	body   bool // evaluated again and again: its own length counts
}

func newMetered(e hclsyntax.Expression, b *budget, body bool) *metered {
	return &metered{&hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}, b, body}
}

func (m *metered) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if m.budget.why != "" || m.body && !m.budget.spend(1+length(m.SrcRange)/32, 0) {
		return cty.DynamicVal, nil
	}
	v, diags := m.Expression.Value(ctx)
	if u, _ := v.UnmarkDeep(); !m.body && !m.budget.spendValue(u) {
		return cty.DynamicVal, nil
	}
	return v, diags
}

// UnwrapExpression lets package hcl see calls, keywords and literals beneath.
func (m *metered) UnwrapExpression() hcl.Expression { return m.Expression }

// meter wraps whatever multiplies in the expressions of a body: what loops run
// over, the parts of templates, operands and results of operators. Calls count
// for themselves (see functions).
func meter(body *hclsyntax.Body, b *budget) {
	for _, a := range body.Attributes {
		meterIn(a.Expr, b)
	}
	for _, block := range body.Blocks {
		meter(block.Body, b)
	}
}

// meterIn meters an expression that stays where it is.
func meterIn(e hclsyntax.Expression, b *budget) {
	visit := func(n hclsyntax.Node) hcl.Diagnostics {
		wrap := func(body bool, slots ...*hclsyntax.Expression) {
			for _, s := range slots {
				if *s != nil {
					*s = newMetered(*s, b, body)
				}
			}
		}
		switch n := n.(type) {
		case *hclsyntax.ForExpr:
			wrap(false, &n.CollExpr)
			wrap(true, &n.KeyExpr, &n.ValExpr, &n.CondExpr)
		case *hclsyntax.SplatExpr:
			wrap(false, &n.Source)
			wrap(true, &n.Each)
		case *hclsyntax.TemplateExpr:
			if n.IsStringLiteral() {
				break // package hcl wants to see that it is one
			}
			for i := range n.Parts {
				wrap(false, &n.Parts[i])
			}
		case *hclsyntax.TemplateJoinExpr:
			wrap(false, &n.Tuple)
		case *hclsyntax.BinaryOpExpr:
			wrap(false, &n.LHS, &n.RHS)
		}
		return nil
	}
	// Bottom up: what is wrapped hides its own kind from the walk.
	_ = hclsyntax.Walk(e, exits(visit))
}

// length is how many bytes of source a range holds.
func length(r hcl.Range) int { return max(r.End.Byte-r.Start.Byte, 0) }

// exits calls a function on leaving each node.
type exits hclsyntax.VisitFunc

func (exits) Enter(hclsyntax.Node) hcl.Diagnostics    { return nil }
func (f exits) Exit(n hclsyntax.Node) hcl.Diagnostics { return f(n) }
