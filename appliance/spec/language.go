package spec

import (
	"maps"
	"slices"

	"github.com/zclconf/go-cty/cty/function"
)

// Kind is what an attribute's value is.
type Kind string

// Kinds of values. Their units are those of the package doc.
const (
	KindText       Kind = "text"
	KindWhole      Kind = "whole number"
	KindWholeAuto  Kind = "whole number, or \"auto\""
	KindService    Kind = "whole number, or the name of a DSCP"
	KindRatio      Kind = "number above 0, at most 1"
	KindBoolean    Kind = "true or false"
	KindDuration   Kind = "duration"
	KindSize       Kind = "size in bytes"
	KindSizeAuto   Kind = "size in bytes, or \"auto\""
	KindRate       Kind = "rate in bits per second"
	KindTexts      Kind = "list of text"
	KindCodes      Kind = "list of reply codes"
	KindObject     Kind = "object"
	KindAny        Kind = "any value"
	KindExpression Kind = "expression"
)

// Block describes one block type of the language, for references and editors.
type Block struct {
	Type     string // empty: the spec itself
	Text     string // what it is for
	Labelled bool   // has a name
	Required bool   // at least one
	Many     bool   // more than one
	Later    bool   // checked, sized and shown, but not run by this version
	Open     bool   // attributes of any name
	Attrs    []Attr
	Blocks   []Block
}

// Attr describes one attribute. Values are written as in a spec.
type Attr struct {
	Name         string
	Text         string // what it is for
	Kind         Kind
	Required     bool
	Later        bool     // checked, sized and shown, but not run by this version
	Example      string   // a value
	Default      string   // a value that means the same as leaving the attribute out; empty: see Without
	Without      string   // what holds without the attribute, in words, where Default is empty
	Low          string   // least value; empty: none
	High         string   // greatest value; empty: none
	Choices      []string // all values there are; empty: no such list
	LaterChoices []string // those of them that this version cannot run
	Rule         string   // a further constraint, in words
}

// Language describes the spec language of this version. Blocks and attributes
// are in the order in which one would write them.
func Language() Block { return describeBlock(&rootSchema, "") }

// Dynamic describes the block that makes others. It may stand wherever these may.
func Dynamic() Block { return describeBlock(&dynamicSchema, dynamicSchema.typ) }

func describeBlock(b *blockSchema, path string) Block {
	out := Block{Type: b.typ, Labelled: b.labelled, Required: b.required, Many: b.many, Later: b.later, Open: b.open, Text: descriptions[path].text}
	if path == "appliance" {
		out.Many = true // of which a load picks one
	}
	for _, a := range b.attrs {
		d := descriptions[join(path, a.name)]
		out.Attrs = append(out.Attrs, Attr{
			Name: a.name, Required: a.required, Later: a.later, Example: a.example,
			Text: d.text, Kind: d.kind, Default: d.def, Without: d.without,
			Low: d.low, High: d.high, Choices: d.choices, LaterChoices: d.later, Rule: d.rule,
		})
	}
	for i := range b.blocks {
		out.Blocks = append(out.Blocks, describeBlock(&b.blocks[i], join(path, b.blocks[i].typ)))
	}
	return out
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Function is one function expressions may call.
type Function struct {
	Name   string
	Params []string // the last ends in ... where it may be repeated
	Text   string   // what it gives
}

// Functions lists the functions of the language by name.
func Functions() []Function {
	var out []Function
	all := newDecoder(newSource(nil, ""), Options{}).functions()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		out = append(out, Function{Name: name, Params: params(all[name]), Text: functionTexts[name]})
	}
	return out
}

func params(f function.Function) []string {
	var out []string
	for _, p := range f.Params() {
		out = append(out, p.Name)
	}
	if p := f.VarParam(); p != nil {
		out = append(out, p.Name+"...")
	}
	return out
}
