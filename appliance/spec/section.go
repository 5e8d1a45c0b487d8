package spec

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// section is one block checked against its schema: what is in it is known, what
// is missing has been reported.
type section struct {
	d      *decoder
	schema *blockSchema
	what   string // how diagnostics call it: `listener "core"`
	name   string // its label
	def    hcl.Range
	attrs  map[string]*hclsyntax.Attribute
	blocks map[string][]*block
	ctx    *hcl.EvalContext // its expressions are evaluated in
	typos  map[string]bool  // what unknown attributes and blocks were meant to be

	outer   *section        // it stands in; nil: none, or the spec itself
	told    map[string]bool // attributes recorded as not built
	unbuilt bool            // this block, or one around it, is not built yet: nothing in it need be told again
}

// section checks the shape of a block: labels, attributes and blocks known,
// the required ones there, the single ones single.
func (d *decoder) section(b *block, schema *blockSchema) *section {
	return d.within(nil, b, schema)
}

// within is section for a block that stands in another.
func (d *decoder) within(outer *section, b *block, schema *blockSchema) *section {
	s := &section{d: d, schema: schema, outer: outer, what: b.Type, def: b.DefRange(), unbuilt: outer != nil && outer.unbuilt}
	switch {
	case schema.labelled && len(b.Labels) == 0:
		d.errorf(s.def, "Missing name", "%s block has a name: write %s \"NAME\" { ... }.", anA(b.Type, "A"), b.Type)
	case schema.labelled && len(b.Labels) > 1:
		d.errorf(b.LabelRanges[1], "More than one name", "%s block has one name: remove %q.", anA(b.Type, "A"), b.Labels[1])
	case !schema.labelled && len(b.Labels) > 0:
		d.errorf(b.LabelRanges[0], "Name not expected", "%s block has no name: remove %q.", anA(b.Type, "A"), b.Labels[0])
	}
	if schema.labelled && len(b.Labels) > 0 {
		s.name = b.Labels[0]
		s.what = fmt.Sprintf("%s %q", b.Type, s.name)
		if !ownNames[schema.typ] {
			d.checkName(s.name, b.LabelRanges[0])
		}
	}
	if schema.later && !s.unbuilt {
		d.notBuilt(s.full(), s.def)
		s.unbuilt = true
	}
	ctx := b.ctx
	if ctx == nil {
		ctx = d.ctx
	}
	s.fill([]*hclsyntax.Body{b.Body}, ctx)
	return s
}

// ownNames are the blocks whose names have rules of their own.
var ownNames = map[string]bool{"appliance": true, "nic": true, "bond": true, "vlan": true}

var nameRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// checkName keeps names usable as file names, in rulesets and in metrics.
func (d *decoder) checkName(name string, at hcl.Range) {
	if !nameRule.MatchString(name) {
		d.errorf(at, "Invalid name", "The name %q cannot be used: write 1 to 63 letters, digits, hyphens, underscores or dots, beginning with a letter or digit.", name)
	}
}

// fill sorts the content of one or several bodies (the root is one per file)
// into s.
func (s *section) fill(bodies []*hclsyntax.Body, ctx *hcl.EvalContext) {
	s.ctx = ctx
	s.attrs = map[string]*hclsyntax.Attribute{}
	s.blocks = map[string][]*block{}
	s.typos = map[string]bool{}
	if s.schema == &rootSchema && s.d.pick != nil {
		s.blocks["appliance"] = []*block{s.d.pick}
	}
	for _, body := range bodies {
		for name, a := range body.Attributes {
			switch known := s.schema.attr(name); {
			case known == nil:
				s.typos[s.unknownAttr(name, a.NameRange)] = true
			case s.attrs[name] != nil:
				s.duplicateAttr(name, a)
			default:
				s.attrs[name] = a
			}
		}
		for _, b := range body.Blocks {
			s.take(b)
		}
	}
	for _, a := range s.schema.attrs {
		// What was misspelt has been reported; that it is also missing is no news.
		if a.required && s.attrs[a.name] == nil && !s.typos[a.name] {
			s.d.errorf(s.def, fmt.Sprintf("Missing %s", a.name), "The %s needs %s. For example: %s = %s", s.what, a.name, a.name, a.example)
		}
	}
	for i := range s.schema.blocks {
		b := &s.schema.blocks[i]
		if b.required && len(s.blocks[b.typ]) == 0 && !s.typos[b.typ] {
			form := b.typ + " { ... }"
			if b.labelled {
				form = b.typ + ` "NAME" { ... }`
			}
			s.d.errorf(s.def, fmt.Sprintf("Missing %s", b.typ), "The %s needs %s block: %s", s.what, anA(b.typ, "a"), form)
		}
	}
}

// take puts one block where it belongs.
func (s *section) take(b *hclsyntax.Block) {
	root := s.schema == &rootSchema
	switch known := s.schema.block(b.Type); {
	case b.Type == "dynamic" && s.schema != &dynamicSchema:
		if root && isDynamic(b, "appliance") {
			return // see members
		}
		made, schema, ok := s.expand(b, s.ctx)
		for _, m := range made {
			s.put(m, schema)
		}
		if !ok && schema != nil {
			s.typos[schema.typ] = true
			s.d.broken(schema.typ, anyName)
		}
	case known == nil:
		meant := s.unknownBlock(b)
		s.typos[meant] = true
		if len(b.Labels) > 0 {
			s.d.broken(meant, b.Labels[0])
		}
	case root && b.Type == "appliance":
		// One of them was picked; see fill.
	case root && (b.Type == "variable" || b.Type == "locals"):
		// Read before all others; see scope.
	default:
		s.put(&block{b, s.ctx, b.DefRange()}, known)
	}
}

// put adds a block that is known.
func (s *section) put(b *block, schema *blockSchema) {
	if len(s.blocks[b.Type]) > 0 && !schema.many {
		s.duplicateBlock(b, s.blocks[b.Type][0])
		return
	}
	s.blocks[b.Type] = append(s.blocks[b.Type], b)
}

// unknownAttr reports an attribute outside the schema and says what was meant.
func (s *section) unknownAttr(name string, at hcl.Range) string {
	var names []string
	for _, a := range s.schema.attrs {
		names = append(names, a.name)
	}
	meant := closest(name, names)
	switch why := whyNot(s.schema.typ, name); {
	case why != "":
		meant = ""
		s.d.errorf(at, "Unknown attribute", "There is no attribute %q in %s. %s", name, s.place(), why)
	case meant != "":
		s.d.errorf(at, "Unknown attribute", "There is no attribute %q in %s. Did you mean %q?", name, s.place(), meant)
	case s.schema.block(name) != nil:
		meant = name
		s.d.errorf(at, "Block written as an attribute", "%q is a block: write %s { ... } without the equals sign.", name, name)
	case len(names) == 0:
		s.d.errorf(at, "Unknown attribute", "There is no attribute %q in %s: it holds blocks alone. Remove it.", name, s.place())
	default:
		s.d.errorf(at, "Unknown attribute", "There is no attribute %q in %s. It may hold %s.", name, s.place(), quoteList(names, "and"))
	}
	return meant
}

// unknownBlock reports a block outside the schema and says what was meant.
func (s *section) unknownBlock(b *hclsyntax.Block) string {
	var names []string
	for i := range s.schema.blocks {
		names = append(names, s.schema.blocks[i].typ)
	}
	meant := closest(b.Type, names)
	switch {
	case meant != "":
		s.d.errorf(b.TypeRange, "Unknown block", "There is no block %q in %s. Did you mean %q?", b.Type, s.place(), meant)
	case s.schema.attr(b.Type) != nil:
		meant = b.Type
		s.d.errorf(b.TypeRange, "Attribute written as a block", "%q is an attribute: write %s = %s", b.Type, b.Type, s.schema.attr(b.Type).example)
	case len(names) == 0:
		s.d.errorf(b.TypeRange, "Unknown block", "There is no block %q in %s: it holds attributes alone. Remove it.", b.Type, s.place())
	default:
		s.d.errorf(b.TypeRange, "Unknown block", "There is no block %q in %s. It may hold %s.", b.Type, s.place(), quoteList(names, "and"))
	}
	return meant
}

// place is where something unknown was found.
func (s *section) place() string {
	if s.schema == &rootSchema {
		return "a spec"
	}
	return anA(s.schema.typ, "a") + " block"
}

// anA puts the article, "a" or "A", before the name of a block.
func anA(typ, article string) string {
	if strings.ContainsRune("aeiou", rune(typ[0])) && typ != "update" {
		article += "n"
	}
	return article + " " + typ
}

func (s *section) duplicateAttr(name string, a *hclsyntax.Attribute) {
	s.d.errorf(a.NameRange, fmt.Sprintf("%s given twice", name), "%s stands at %s already. Remove one of the two.", name, at(s.attrs[name].NameRange))
}

func (s *section) duplicateBlock(b, first *block) {
	s.d.errorf(b.DefRange(), fmt.Sprintf("More than one %s block", b.Type), "%s block stands at %s already. Move what is in this one there.", anA(b.Type, "A"), at(first.DefRange()))
}

// one gives the section of a block that occurs at most once; nil when absent.
func (s *section) one(typ string) *section {
	if len(s.blocks[typ]) == 0 {
		return nil
	}
	return s.d.within(s, s.blocks[typ][0], s.schema.block(typ))
}

// all gives the sections of a block type in source order and reports names used
// twice. The second of a name is still decoded: its other mistakes count too.
func (s *section) all(typ string) []*section {
	var out []*section
	first := map[string]hcl.Range{}
	for _, b := range s.blocks[typ] {
		sec := s.d.within(s, b, s.schema.block(typ))
		if prev, dup := first[sec.name]; dup && sec.name != "" {
			s.d.errorf(b.LabelRanges[0], "Name used twice", "%s named %q stands at %s already. Give this one another name.", anA(typ, "A"), sec.name, at(prev))
		} else {
			first[sec.name] = sec.def
		}
		out = append(out, sec)
	}
	return out
}

// of names an attribute as lists of what is not built do.
func (s *section) of(attr string) string {
	if s.schema == &rootSchema {
		return attr
	}
	return s.full() + ": " + attr
}

// full is the block with those it stands in: `dispatcher "core" destination "fs1"`.
func (s *section) full() string {
	if s.outer == nil || s.outer.schema == &rootSchema {
		return s.what
	}
	return s.outer.full() + " " + s.what
}

// has reports whether the attribute is written, whatever its value.
func (s *section) has(name string) bool { return s.attrs[name] != nil }

// rng is where an attribute's value stands, or else the block's header.
func (s *section) rng(name string) hcl.Range {
	if a := s.attrs[name]; a != nil {
		return a.Expr.Range()
	}
	return s.def
}

func (b *blockSchema) attr(name string) *attrSchema {
	for i := range b.attrs {
		if b.attrs[i].name == name {
			return &b.attrs[i]
		}
	}
	return nil
}

func (b *blockSchema) block(typ string) *blockSchema {
	for i := range b.blocks {
		if b.blocks[i].typ == typ {
			return &b.blocks[i]
		}
	}
	return nil
}

// at is a place as details name it: file:line.
func at(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
