package upgrade

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"trunkline/appliance/spec"
)

// Result is an upgraded spec.
type Result struct {
	From, To int
	Files    map[string][]byte // every file, changed or not
	Versions []string          // files that state the version: to be written last
}

// steps[n] leads from format version n to n+1.
var steps = []func(*step){fromDraft}

// Spec upgrades the *.hcl files of one spec, keyed as diagnostics shall name
// them. With an error among the diagnostics the Result is of no use. The parsed
// files are for the snippets of the diagnostics.
func Spec(files map[string][]byte) (Result, hcl.Diagnostics, map[string]*hcl.File) {
	r := Result{Files: maps.Clone(files), To: spec.FormatVersion}
	for first := true; ; first = false {
		s, diags := parse(r.Files)
		if diags.HasErrors() {
			return r, diags, s.files
		}
		version, diags := s.version()
		if first {
			r.From = version
		}
		if diags.HasErrors() || version == spec.FormatVersion {
			return r, diags, s.files
		}
		for _, p := range s.versions {
			r.Versions = append(r.Versions, p.Filename)
			s.replace(p, fmt.Sprint(version+1))
		}
		steps[version](s)
		if s.diags.HasErrors() {
			return r, s.diags, s.files
		}
		r.Files = s.apply(r.Files)
	}
}

// step is the work of one step: a place in the old text each, and the new text.
type step struct {
	names    []string // sorted
	files    map[string]*hcl.File
	bodies   []*hclsyntax.Body
	versions []hcl.Range // values of format_version
	edits    []edit
	diags    hcl.Diagnostics
}

type edit struct {
	at   hcl.Range
	text string
}

func parse(files map[string][]byte) (*step, hcl.Diagnostics) {
	s := &step{names: slices.Sorted(maps.Keys(files)), files: map[string]*hcl.File{}}
	var diags hcl.Diagnostics
	for _, name := range s.names {
		f, more := spec.Parse(files[name], name)
		s.files[name] = f
		diags = append(diags, more...)
		if body, ok := f.Body.(*hclsyntax.Body); ok {
			s.bodies = append(s.bodies, body)
		}
	}
	return s, diags
}

// version finds the version the files state.
func (s *step) version() (int, hcl.Diagnostics) {
	version := -1
	for _, b := range s.bodies {
		a := b.Attributes["format_version"]
		if a == nil {
			continue
		}
		at := a.Expr.Range()
		v, ok := number(a.Expr)
		n := int(v)
		if !ok || float64(n) != v || n < 0 {
			return 0, problem(at, "Invalid format_version", "The version must be a plain number for the upgrade to start from. Write the version the spec was written in: format_version = 0")
		}
		if n > spec.FormatVersion {
			return n, problem(at, "Unknown format version", fmt.Sprintf("This spec is written in format version %d; this version of Trunkline reads %d. Use a newer Trunkline.", n, spec.FormatVersion))
		}
		if version >= 0 && n != version {
			return 0, problem(at, "Two format versions", fmt.Sprintf("This file states format version %d and another of the spec %d. Write the version the spec was written in once.", n, version))
		}
		version = n
		s.versions = append(s.versions, at)
	}
	if version < 0 {
		return 0, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Missing format_version",
			Detail: fmt.Sprintf("No file of the spec says which version it is written in. Write format_version = 0 for a spec of the draft, or format_version = %d.", spec.FormatVersion)}}
	}
	return version, nil
}

func problem(at hcl.Range, summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: &at}}
}

func (s *step) replace(at hcl.Range, text string) { s.edits = append(s.edits, edit{at, text}) }

// byHand reports what the author has to rewrite.
func (s *step) byHand(at hcl.Range, detail string) {
	s.diags = append(s.diags, problem(at, "To be rewritten by hand", detail)...)
}

// text is the source of a place.
func (s *step) text(at hcl.Range) string { return string(at.SliceBytes(s.files[at.Filename].Bytes)) }

// apply makes the edits, which do not overlap, and brings the files that have
// any into the usual layout.
func (s *step) apply(files map[string][]byte) map[string][]byte {
	slices.SortStableFunc(s.edits, func(a, b edit) int { return b.at.Start.Byte - a.at.Start.Byte })
	out := maps.Clone(files)
	for _, e := range s.edits {
		b := out[e.at.Filename]
		out[e.at.Filename] = slices.Concat(b[:e.at.Start.Byte], []byte(e.text), b[e.at.End.Byte:])
	}
	for name, b := range out {
		if !bytes.Equal(b, files[name]) {
			out[name] = hclwrite.Format(b)
		}
	}
	return out
}
