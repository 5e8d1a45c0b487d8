package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// evaluated is an expression with references, and the scope its value comes from.
type evaluated struct {
	expr    hcl.Expression
	ctx     *hcl.EvalContext
	several bool // evaluated in other scopes as well: by a dynamic block
}

// show remembers where a value comes from: a diagnostic about it shows the values
// it was made of.
func (d *decoder) show(e hclsyntax.Expression, ctx *hcl.EvalContext) {
	if len(e.Variables()) == 0 {
		return
	}
	before := d.shown[e.Range()]
	d.shown[e.Range()] = &evaluated{e, ctx, before != nil && (before.several || before.ctx != ctx)}
}

// child is a scope within another. The functions are those of all scopes; package
// hcl suggests names from the innermost alone.
func (d *decoder) child(of *hcl.EvalContext, values map[string]cty.Value) *hcl.EvalContext {
	c := of.NewChild()
	c.Variables, c.Functions = values, d.base.Functions
	return c
}

// eval evaluates an expression; ok is false when it has no value, which has been
// reported.
func (d *decoder) eval(e hclsyntax.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	if !d.resolves(e, ctx) {
		return cty.NilVal, false
	}
	d.show(e, ctx)
	v, diags := e.Value(ctx)
	if d.src.budget.why != "" {
		d.overspent(e.Range())
		return cty.NilVal, false
	}
	for _, diag := range diags {
		if diag.Expression != nil && diag.EvalContext != nil && !brief(diag.Expression, diag.EvalContext) {
			diag.Expression, diag.EvalContext = nil, nil
		}
		d.diags = append(d.diags, diag)
	}
	if diags.HasErrors() || !v.IsWhollyKnown() {
		return cty.NilVal, false
	}
	v, _ = v.UnmarkDeep()
	return v, true
}

// brief reports whether the values an expression refers to can be shown beside a
// diagnostic.
func brief(e hcl.Expression, ctx *hcl.EvalContext) bool {
	const most = 200
	for _, t := range e.Variables() {
		if v, diags := t.TraverseAbs(ctx); !diags.HasErrors() && v.IsKnown() && isText(v) && len(v.AsString()) > most {
			return false
		}
	}
	return true
}

// overspent reports, once, that the expressions cost too much.
func (d *decoder) overspent(place hcl.Range) {
	if d.spent {
		return
	}
	d.spent = true
	d.errorf(place, "Expression out of bounds", "%s", d.src.budget.why)
}

// resolves reports whether all references of an expression lead somewhere.
func (d *decoder) resolves(e hclsyntax.Expression, ctx *hcl.EvalContext) bool {
	ok := true
	for _, t := range e.Variables() {
		ok = d.resolve(t, ctx) && ok
	}
	return ok
}

func (d *decoder) resolve(t hcl.Traversal, ctx *hcl.EvalContext) bool {
	root, place := t.RootName(), t.SourceRange()
	reachable := false
	var iterators []string
	for c := ctx; c != nil; c = c.Parent() {
		for name := range c.Variables {
			reachable = reachable || name == root
			if name != "var" && name != "local" && name != "appliance" {
				iterators = append(iterators, name)
			}
		}
	}
	if !reachable && (root == "var" || root == "local") {
		d.errorf(place, "Reference not possible here", "%s has no value yet here: defaults, values from outside and the variables of an appliance are read before all others, validations before the locals. Write the value itself.", spelled(t))
		return false
	}
	if !reachable {
		if c := closest(root, append([]string{"var", "local"}, iterators...)); c != "" && len(t) > 1 {
			d.errorf(place, "Unknown reference", "There is no %q. Did you mean %q?", root, c)
			return false
		}
		d.errorf(place, "Quotes missing", "%s stands for a reference, and there is none of this name: references begin with var., local. or the iterator of a dynamic block. If the text is meant, write it in quotes: %q.", spelled(t), spelled(t))
		return false
	}
	if root != "var" && root != "local" {
		return true
	}
	what, names := "variable", d.variableNames
	if root == "local" {
		what, names = "local", d.localNames
	}
	name, ok := member(t)
	if !ok {
		d.errorf(place, "Name missing", "%s alone has no value. Write which %s is meant: %s.NAME", root, what, root)
		return false
	}
	if slices.Contains(names, name) {
		return true
	}
	add := fmt.Sprintf("variable %q {}", name)
	if root == "local" {
		add = fmt.Sprintf("locals { %s = ... }", name)
	}
	if c := closest(name, names); c != "" {
		d.errorf(place, "Unknown "+what, "There is no %s.%s. Did you mean %s.%s?", root, name, root, c)
	} else {
		d.errorf(place, "Unknown "+what, "There is no %s.%s. Add it: %s", root, name, add)
	}
	return false
}

// spelled is a reference as the spec has it, up to its first index.
func spelled(t hcl.Traversal) string {
	out := t.RootName()
	for _, step := range t[1:] {
		attr, ok := step.(hcl.TraverseAttr)
		if !ok {
			break
		}
		out += "." + attr.Name
	}
	return out
}

// readFile reads a file of the spec for this appliance.
func (d *decoder) readFile(name string, limit int64) ([]byte, error) {
	b, err := d.src.readFile(name, limit)
	if err == nil {
		d.used[name] = true
	}
	return b, err
}

// digest covers the name and the bytes of everything that was read for this
// appliance, which one of several it is, and the values of the variables.
// Lengths go in as well, so that no two different sets share the hashed text.
func (d *decoder) digest() string {
	names := d.files()
	h := sha256.New()
	if !d.fleet && len(d.settled) == 0 {
		for _, n := range names {
			fmt.Fprintf(h, "%d %s %d\n", len(n), n, len(d.src.read[n]))
			h.Write(d.src.read[n])
		}
		return "sha256:" + hex.EncodeToString(h.Sum(nil))
	}
	// Of a fleet's files the sums: they are read once, and hashed once.
	for _, n := range names {
		fmt.Fprintf(h, "%d %s %s\n", len(n), n, d.src.sum(n))
	}
	fmt.Fprintf(h, "appliance %s\n", d.name)
	for _, v := range d.settled {
		text := hclwrite.TokensForValue(v.value).Bytes()
		fmt.Fprintf(h, "%d %s %d\n%s\n", len(v.name), v.name, len(text), text)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// sum is the SHA-256 of a file that was read.
func (s *source) sum(name string) string {
	if s.sums[name] == "" {
		b := sha256.Sum256(s.read[name])
		s.sums[name] = hex.EncodeToString(b[:])
	}
	return s.sums[name]
}

// tableKey names a baked table together with what its rows were checked against.
func tableKey(file string, sets []string) string { return file + "\x00" + strings.Join(sets, "\x00") }

// files are the names of all files the spec was read from, sorted.
func (d *decoder) files() []string {
	names := slices.Clone(d.src.names)
	for n := range d.used {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// readFiles are those files with their digests.
func (d *decoder) readFiles() []Source {
	var out []Source
	for _, n := range d.files() {
		out = append(out, Source{Name: n, SHA256: d.src.sum(n)})
	}
	return out
}
