package spec

import (
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// otherVersion reports a spec written in another version of the language, and
// whether it is one. Nothing else is said about it: the rest would be judged by
// rules it was not written for.
func (d *decoder) otherVersion(bodies []*hclsyntax.Body) bool {
	for _, b := range bodies {
		a := b.Attributes["format_version"]
		if a == nil {
			continue
		}
		v, diags := a.Expr.Value(nil)
		if diags.HasErrors() || !v.IsWhollyKnown() || v.IsNull() {
			continue // reported when it is decoded
		}
		if n, err := whole(v, 0, maxInt); err == nil && n != FormatVersion {
			d.wrongVersion(n, a.Expr.Range())
			return true
		}
	}
	return false
}

func (d *decoder) wrongVersion(n int, at hcl.Range) {
	if n < FormatVersion {
		d.errorf(at, "Old format version", "This spec is written in format version %d; this version of Trunkline reads %d. Run `trunkline upgrade %s`: it rewrites the spec and keeps its comments.", n, FormatVersion, d.src.place())
		return
	}
	d.errorf(at, "Unknown format version", "This spec is written in format version %d; this version of Trunkline reads %d. Write format_version = %d, or use a newer Trunkline.", n, FormatVersion, FormatVersion)
}

// place is the directory as one names it in a command.
func (s *source) place() string {
	if s.dir == "" {
		return "."
	}
	return s.dir
}
