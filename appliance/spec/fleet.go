package spec

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// maxFleet bounds the appliances of one directory.
const maxFleet = 5000

// LoadFleet reads the spec in the directory dir once and evaluates it for every
// appliance in it, or for Options.Appliance alone. The Specs are in source order
// and nil when the diagnostics hold an error; a mistake of some appliances only
// names them.
func LoadFleet(dir string, o Options) ([]*Spec, hcl.Diagnostics, map[string]*hcl.File) {
	if diags := directory(dir); diags != nil {
		return nil, diags, nil
	}
	return LoadFleetFS(os.DirFS(dir), dir, o)
}

// LoadFleetFS is LoadFleet for the spec at the root of fsys; see LoadFS.
func LoadFleetFS(fsys fs.FS, dir string, o Options) ([]*Spec, hcl.Diagnostics, map[string]*hcl.File) {
	src := newSource(fsys, dir)
	specs, diags := src.load(o, true)
	return specs, diags, src.files
}

// member is one appliance of the directory. block is nil when there is none at
// all, which decoding reports.
type fleetMember struct {
	name  string
	block *block
}

// load parses what there is and decodes it for each appliance asked for.
func (s *source) load(o Options, all bool) ([]*Spec, hcl.Diagnostics) {
	bodies, diags := s.parse()
	if diags.HasErrors() {
		// A file that does not parse gives half a body; checks on it would
		// report mistakes nobody made.
		return nil, firstDiagnostics(diags)
	}
	for _, b := range bodies {
		meter(b, s.budget)
	}
	s.inputs = make([][]named, len(o.Variables))
	for i, in := range o.Variables {
		if in.Variable == "" {
			var more hcl.Diagnostics
			s.inputs[i], more = s.inputFile(in)
			diags = append(diags, more...)
		}
	}
	lister := newDecoder(s, o)
	members := lister.members(bodies)
	if diags = append(diags, lister.diags...); diags.HasErrors() {
		return nil, firstDiagnostics(diags)
	}
	chosen, wrong := choose(members, o.Appliance, all)
	if wrong != nil {
		return nil, firstDiagnostics(append(diags, wrong...))
	}

	var specs []*Spec
	found := newFindings(len(chosen))
	for _, m := range chosen {
		*s.budget = budget{}
		d := newDecoder(s, o)
		d.name, d.pick, d.fleet = m.name, m.block, len(members) > 1
		d.appliances = len(members)
		spec := d.decode(bodies)
		found.add(m.name, d.diags)
		if spec != nil && !d.diags.HasErrors() {
			spec.Dir = s.dir
			spec.Digest = d.digest()
			spec.Sources = d.readFiles()
			specs = append(specs, spec)
		}
	}
	diags = append(diags, found.all()...)
	diags = firstDiagnostics(append(diags, sharedCards(specs)...))
	if diags.HasErrors() {
		return nil, diags
	}
	return specs, diags
}

// sharedCards warns of a card two appliances claim: it was copied from one to the
// other. Addresses may be shared, as pairs of appliances do.
func sharedCards(specs []*Spec) hcl.Diagnostics {
	var out hcl.Diagnostics
	owner := map[string]string{}
	for _, s := range specs {
		for _, n := range s.Hardware.NICs {
			first, taken := owner[n.MatchMAC]
			switch {
			case n.MatchMAC == "":
			case taken && first != s.Appliance.Name:
				place := n.MatchRange
				out = append(out, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "One card in two appliances", Subject: &place,
					Detail: fmt.Sprintf("Appliances %s and %s both take the card %s as %q: one of them will not find it. Write the MAC of each one's own card.", first, s.Appliance.Name, n.MatchMAC, n.Name)})
			default:
				owner[n.MatchMAC] = s.Appliance.Name
			}
		}
	}
	return out
}

// members lists the appliances: blocks as written and those dynamic blocks make.
func (d *decoder) members(bodies []*hclsyntax.Body) []fleetMember {
	root := &section{d: d, schema: &rootSchema, what: "spec", typos: map[string]bool{}}
	var out []fleetMember
	first := map[string]hcl.Range{}
	add := func(b *block) {
		name := ""
		if len(b.Labels) > 0 {
			name = b.Labels[0]
		}
		if prev, dup := first[name]; dup {
			d.errorf(b.def, "Name used twice", "An appliance named %q stands at %s already. Give this one another name, or keep one of the two.", name, at(prev))
			return
		}
		first[name] = b.def
		out = append(out, fleetMember{name, b})
	}
	for _, body := range bodies {
		for _, b := range body.Blocks {
			switch {
			case b.Type == "appliance":
				add(&block{b, nil, b.DefRange()})
			case isDynamic(b, "appliance"):
				made, _, _ := root.expand(b, d.base)
				for _, m := range made {
					add(m)
				}
			}
		}
	}
	if len(out) > maxFleet {
		d.errorf(out[maxFleet].block.def, "Too many appliances", "A directory holds %d appliances at most, and here are %d. Divide the fleet into several directories.", maxFleet, len(out))
	}
	return out
}

func isDynamic(b *hclsyntax.Block, typ string) bool {
	return b.Type == "dynamic" && len(b.Labels) > 0 && b.Labels[0] == typ
}

// choose picks the appliances to decode.
func choose(members []fleetMember, name string, all bool) ([]fleetMember, hcl.Diagnostics) {
	var names []string
	for _, m := range members {
		names = append(names, m.name)
	}
	switch {
	case len(members) == 0:
		return []fleetMember{{}}, nil // its lack is reported with the rest
	case name != "":
		if i := slices.Index(names, name); i >= 0 {
			return members[i : i+1], nil
		}
		return nil, noSpec("Unknown appliance", "The spec has no appliance %q. %s", name, didYouMean(name, names, "appliance"))
	case len(members) > 1 && !all:
		subject := members[1].block.def
		return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Several appliances", Subject: &subject,
			Detail: fmt.Sprintf("This spec describes %d appliances: %s. Say which one is meant: -appliance %s", len(members), quoteList(names, "and"), members[0].name)}}
	}
	return members, nil
}

// ownValues reads the variables of the appliance's block.
func (d *decoder) ownValues() []named {
	if d.pick == nil {
		return nil
	}
	a := d.pick.Body.Attributes["variables"]
	if a == nil {
		return nil
	}
	ctx := d.pick.ctx
	if ctx == nil {
		ctx = d.base
	}
	v, ok := d.eval(a.Expr, ctx)
	if !ok || v.IsNull() {
		return nil
	}
	if !v.Type().IsObjectType() && !v.Type().IsMapType() {
		d.errorf(a.Expr.Range(), "Invalid variables", "variables takes an object of names and values, not %s. For example: variables = { address = \"203.0.113.10\" }", literal(v))
		return nil
	}
	places := objectPlaces(a.Expr)
	var out []named
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		name := k.AsString()
		place, known := places[name]
		if !known {
			place = a.Expr.Range()
		}
		out = append(out, named{name, place, given{rng: place, expr: hcl.StaticExpr(e, place)}})
	}
	return out
}

// findings joins the diagnostics of several appliances: what all have is said
// once, what some have names them.
type findings struct {
	of    int
	order []*finding
	byKey map[findingKey]*finding
}

type findingKey struct {
	place           hcl.Range
	severity        hcl.DiagnosticSeverity
	summary, detail string
}

type finding struct {
	diag  *hcl.Diagnostic
	names []string
}

func newFindings(of int) *findings { return &findings{of: of, byKey: map[findingKey]*finding{}} }

func (f *findings) add(name string, diags hcl.Diagnostics) {
	for _, diag := range diags {
		k := findingKey{severity: diag.Severity, summary: diag.Summary, detail: diag.Detail}
		if diag.Subject != nil {
			k.place = *diag.Subject
		}
		known := f.byKey[k]
		if known == nil {
			known = &finding{diag: diag}
			f.byKey[k] = known
			f.order = append(f.order, known)
		}
		if n := len(known.names); n == 0 || known.names[n-1] != name {
			known.names = append(known.names, name)
		}
	}
}

func (f *findings) all() hcl.Diagnostics {
	const most = 3
	var out hcl.Diagnostics
	for _, one := range f.order {
		if n := len(one.names); n < f.of {
			diag := *one.diag
			list, more := one.names, ""
			if n > most {
				list, more = one.names[:most], fmt.Sprintf(" and %d more", n-most)
			}
			what := "Appliance"
			if n > 1 {
				what = "Appliances"
			}
			diag.Detail = fmt.Sprintf("%s (%s %s%s.)", diag.Detail, what, strings.Join(list, ", "), more)
			out = append(out, &diag)
			continue
		}
		out = append(out, one.diag)
	}
	return out
}

// scope evaluates variables and locals; the rest of the spec is read in it.
func (d *decoder) scope(bodies []*hclsyntax.Body) {
	var vars, locals []*hclsyntax.Block
	for _, body := range bodies {
		for _, b := range body.Blocks {
			switch b.Type {
			case "variable":
				vars = append(vars, b)
			case "locals":
				locals = append(locals, b)
			}
		}
	}
	d.own = d.ownValues()
	values := map[string]cty.Value{"var": d.variables(vars)}
	if d.name != "" {
		values["appliance"] = cty.ObjectVal(map[string]cty.Value{"name": cty.StringVal(d.name)})
	}
	outer := d.child(d.base, values)
	d.ctx = d.child(outer, map[string]cty.Value{"local": d.locals(locals, outer)})
}
