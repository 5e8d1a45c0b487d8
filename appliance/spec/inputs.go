package spec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	hcljson "github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// VariablePrefix begins the names of environment variables that carry values:
// TRUNKLINE_VAR_cps is a value for var.cps.
const VariablePrefix = "TRUNKLINE_VAR_"

// Input is a value for a variable, or a file of values, from outside the spec.
// As with Terraform, a value for a variable of type string, number or bool, or
// of no type, is the text itself; for other types it is an expression.
type Input struct {
	Variable string // its name; empty: Value is a file of values
	Value    string // the value, or the file's bytes
	File     string // the file's path; read as JSON when it ends in .json, else as HCL
}

// maxInput bounds one value or file of values.
const maxInput = 1 << 20

// given is one value of one variable, from outside or from a fleet's list.
type given struct {
	rng    hcl.Range
	expr   hcl.Expression // nil: text
	text   string
	origin string // name of the text in diagnostics
	ctx    *hcl.EvalContext
}

// value evaluates what was given for v.
func (g given) value(d *decoder, v *variable) (cty.Value, bool) {
	if g.expr == nil && v.text {
		return cty.StringVal(g.text), true
	}
	e := g.expr
	if e == nil {
		parsed, diags := d.src.expression(g.text, g.origin)
		d.diags = append(d.diags, diags...)
		if diags.HasErrors() {
			return cty.NilVal, false
		}
		e = parsed
	}
	if native, ok := e.(hclsyntax.Expression); ok {
		return d.eval(native, g.ctx)
	}
	value, diags := e.Value(nil) // JSON: texts stand for themselves
	d.diags = append(d.diags, diags...)
	return value, !diags.HasErrors()
}

// expression parses a value that came as text.
func (s *source) expression(text, origin string) (hclsyntax.Expression, hcl.Diagnostics) {
	if depth := tooDeep([]byte(text), origin); depth != nil {
		return nil, hcl.Diagnostics{depth}
	}
	e, diags := hclsyntax.ParseExpression([]byte(text), origin, hcl.InitialPos)
	if !diags.HasErrors() {
		meterIn(e, s.budget)
	}
	return e, diags
}

// named is a value in a file of values.
type named struct {
	name string
	at   hcl.Range
	given
}

// inputFile parses a file of values, once for all appliances.
func (s *source) inputFile(in Input) ([]named, hcl.Diagnostics) {
	src := []byte(in.Value)
	s.files[in.File] = &hcl.File{Bytes: src}
	if len(src) > maxInput {
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "File of values too large", Detail: fmt.Sprintf("%s has more than %d bytes. Name a file of name = value lines.", in.File, maxInput)}}
	}
	var attrs hcl.Attributes
	var diags hcl.Diagnostics
	if strings.HasSuffix(in.File, ".json") {
		if deep := deepJSON(src, in.File); deep != nil {
			return nil, hcl.Diagnostics{deep}
		}
		f, more := hcljson.Parse(src, in.File)
		if diags = more; diags.HasErrors() {
			return nil, diags
		}
		s.files[in.File] = f
		attrs, more = f.Body.JustAttributes()
		diags = append(diags, more...)
	} else {
		if deep := tooDeep(src, in.File); deep != nil {
			return nil, hcl.Diagnostics{deep}
		}
		f, more := hclsyntax.ParseConfig(src, in.File, hcl.InitialPos)
		if diags = more; diags.HasErrors() {
			return nil, diags
		}
		s.files[in.File] = f
		body := f.Body.(*hclsyntax.Body)
		for _, b := range body.Blocks {
			rng := b.DefRange()
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Block in a file of values", Subject: &rng,
				Detail: fmt.Sprintf("A file of values holds lines of name = value alone; %s blocks belong into the spec.", b.Type)})
		}
		meter(body, s.budget)
		attrs = hcl.Attributes{}
		for name, a := range body.Attributes {
			attrs[name] = &hcl.Attribute{Name: name, Expr: a.Expr, NameRange: a.NameRange, Range: a.SrcRange}
		}
	}
	var out []named
	for name, a := range attrs {
		out = append(out, named{name, a.NameRange, given{rng: a.Expr.Range(), expr: a.Expr}})
	}
	slices.SortFunc(out, func(a, b named) int { return a.at.Start.Byte - b.at.Start.Byte })
	return out, diags
}

// deepJSON is tooDeep for JSON, whose parser recurses as well.
func deepJSON(src []byte, display string) *hcl.Diagnostic {
	depth, quoted, escaped := 0, false, false
	for _, c := range src {
		switch {
		case escaped:
			escaped = false
		case quoted:
			quoted, escaped = c != '"', c == '\\'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			if depth++; depth > maxNesting {
				return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Nested too deeply",
					Detail: fmt.Sprintf("In %s brackets nest more than %d deep. Write the values without nesting.", display, maxNesting)}
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return nil
}

// givenValues collects what is given for each variable, in rising precedence:
// the environment, the appliance's own entry in the fleet, then -var and
// -var-file in the order of the command line. A value nobody declared is an
// error where it names one variable, and a warning in a file, which several
// specs may share.
func (d *decoder) givenValues(list []*variable) map[string][]given {
	out := map[string][]given{}
	for _, v := range list {
		key := VariablePrefix + v.name
		if d.opts.Getenv != nil {
			if text := d.opts.Getenv(key); text != "" {
				out[v.name] = append(out[v.name], d.src.textInput(text, key))
			}
		}
	}
	declared := func(name string) bool { return slices.Contains(d.variableNames, name) }
	for _, n := range d.own {
		if !declared(n.name) {
			d.errorf(n.at, "Unknown variable", "There is no variable %q. %s", n.name, didYouMean(n.name, d.variableNames, "variable"))
			continue
		}
		out[n.name] = append(out[n.name], n.given)
	}
	for i, in := range d.opts.Variables {
		if in.Variable != "" {
			g := d.src.textInput(in.Value, "-var "+in.Variable)
			if !declared(in.Variable) {
				d.errorf(g.rng, "Unknown variable", "A value is given for %q, and there is no such variable. %s", in.Variable, didYouMean(in.Variable, d.variableNames, "variable"))
				continue
			}
			out[in.Variable] = append(out[in.Variable], g)
			continue
		}
		for _, n := range d.src.inputs[i] {
			if !declared(n.name) {
				d.warnf(n.at, "Unknown variable", "There is no variable %q in this spec, so the value is not used. %s", n.name, didYouMean(n.name, d.variableNames, "variable"))
				continue
			}
			out[n.name] = append(out[n.name], n.given)
		}
	}
	return out
}

// textInput is a value that came as text; its diagnostics show it under origin.
func (s *source) textInput(text, origin string) given {
	s.files[origin] = &hcl.File{Bytes: []byte(text)}
	end := hcl.Pos{Line: 1, Column: 1 + len([]rune(text)), Byte: len(text)}
	return given{text: text, origin: origin, rng: hcl.Range{Filename: origin, Start: hcl.InitialPos, End: end}}
}
