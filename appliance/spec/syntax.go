package spec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Parse reads the syntax of one file and nothing of what it means: for tools
// that rewrite or complete specs. Files that would overwhelm the parser end in a
// diagnostic. The File is never nil.
func Parse(src []byte, name string) (*hcl.File, hcl.Diagnostics) {
	if len(src) > maxSourceSize {
		return &hcl.File{}, noSpec("Spec file not readable", "%s is too large: a file of a spec has at most %d bytes.", name, maxSourceSize)
	}
	if deep := tooDeep(src, name); deep != nil {
		return &hcl.File{Bytes: src}, hcl.Diagnostics{deep}
	}
	f, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
	if f == nil {
		f = &hcl.File{Bytes: src}
	}
	return f, diags
}
