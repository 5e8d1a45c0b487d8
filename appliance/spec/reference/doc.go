// Package reference renders the spec language, as package spec describes it,
// for people (Markdown) and for editors (JSON Schema).
//
// What is promised: every block, attribute and function of this version is in
// both, with its kind, default and bounds; the same version gives the same
// bytes. appliance/spec/REFERENCE.md is the first of the two; a test fails when
// it is stale, and go generate renews it.
//
// The JSON Schema (2020-12) is of the JSON form of HCL: attributes as members,
// blocks as objects, blocks with a name as objects by name, expressions as text
// with ${...}. It is there for editors and for programs that write specs: the
// loader itself reads the native syntax alone, in files called *.hcl.
package reference

//go:generate go run trunkline/tools/trunkline reference -o ../REFERENCE.md
