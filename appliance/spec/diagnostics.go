package spec

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// sortDiagnostics orders by file, line and column; what has no place comes first,
// and text settles the rest, so that the order is the same in every run. Doubles
// are dropped.
func sortDiagnostics(diags hcl.Diagnostics) hcl.Diagnostics {
	out := slices.Clone(diags)
	place := func(d *hcl.Diagnostic) hcl.Range {
		if d.Subject == nil {
			return hcl.Range{}
		}
		return *d.Subject
	}
	slices.SortStableFunc(out, func(a, b *hcl.Diagnostic) int {
		pa, pb := place(a), place(b)
		return cmp.Or(
			cmp.Compare(pa.Filename, pb.Filename),
			cmp.Compare(pa.Start.Line, pb.Start.Line),
			cmp.Compare(pa.Start.Column, pb.Start.Column),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Summary, b.Summary),
			cmp.Compare(a.Detail, b.Detail),
		)
	})
	return slices.CompactFunc(out, func(a, b *hcl.Diagnostic) bool {
		return place(a) == place(b) && a.Severity == b.Severity && a.Summary == b.Summary && a.Detail == b.Detail
	})
}

// maxDiagnostics is what one load reports: nobody reads further, and a file that
// is no HCL at all would give one per byte.
const maxDiagnostics = 100

// firstDiagnostics sorts, and cuts what nobody would read. An error among what
// is cut still leaves an error.
func firstDiagnostics(diags hcl.Diagnostics) hcl.Diagnostics {
	sorted := sortDiagnostics(diags)
	if len(sorted) <= maxDiagnostics {
		return sorted
	}
	rest := sorted[maxDiagnostics:]
	more := &hcl.Diagnostic{
		Severity: hcl.DiagWarning,
		Summary:  "More to correct",
		Detail:   fmt.Sprintf("%d more mistakes and warnings are not shown. Correct these, then look again.", len(rest)),
		Subject:  rest[0].Subject,
	}
	if rest.HasErrors() {
		more.Severity = hcl.DiagError
	}
	return append(sorted[:maxDiagnostics:maxDiagnostics], more)
}

// WriteDiagnostics writes diagnostics for people: file, line, the line itself,
// and what to do, in order of place. Details are wrapped at width columns (0:
// not at all); color marks severities for a terminal.
func WriteDiagnostics(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics, width uint, color bool) error {
	return hcl.NewDiagnosticTextWriter(w, files, width, color).WriteDiagnostics(sortDiagnostics(diags))
}

// Report is what `trunkline validate -json` prints. Its shape follows Terraform's,
// which editors and CI systems read already.
type Report struct {
	FormatVersion string       `json:"format_version"`
	Valid         bool         `json:"valid"`
	ErrorCount    int          `json:"error_count"`
	WarningCount  int          `json:"warning_count"`
	Diagnostics   []Diagnostic `json:"diagnostics"`
}

// Diagnostic is one mistake or warning.
type Diagnostic struct {
	Severity string   `json:"severity"` // "error" or "warning"
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail"`
	Range    *Range   `json:"range,omitempty"`
	Snippet  *Snippet `json:"snippet,omitempty"`
}

// Range is a place in a file.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos counts lines and columns from 1, bytes from 0.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Snippet is the source a diagnostic is about: whole lines, and within them the
// part meant, in bytes from the start of Code.
type Snippet struct {
	Context              string `json:"context,omitempty"` // the block around it
	Code                 string `json:"code"`
	StartLine            int    `json:"start_line"`
	HighlightStartOffset int    `json:"highlight_start_offset"`
	HighlightEndOffset   int    `json:"highlight_end_offset"`

	Values []Value `json:"values,omitempty"` // what the references in it stand for
}

// Value is what one reference stands for where a diagnostic arose.
type Value struct {
	Traversal string `json:"traversal"` // "var.cps"
	Statement string `json:"statement"` // "is 200"
}

// NewReport turns diagnostics into their JSON form, in order of place.
func NewReport(files map[string]*hcl.File, diags hcl.Diagnostics) Report {
	r := Report{FormatVersion: "1.0", Valid: !diags.HasErrors(), Diagnostics: []Diagnostic{}}
	for _, d := range sortDiagnostics(diags) {
		out := Diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			out.Severity = "warning"
			r.WarningCount++
		} else {
			r.ErrorCount++
		}
		if d.Subject != nil {
			out.Range = &Range{d.Subject.Filename, Pos(d.Subject.Start), Pos(d.Subject.End)}
			if out.Snippet = snippet(files[d.Subject.Filename], *d.Subject); out.Snippet != nil {
				out.Snippet.Values = values(d)
			}
		}
		r.Diagnostics = append(r.Diagnostics, out)
	}
	return r
}

// WriteDiagnosticsJSON writes the Report of diagnostics, indented.
func WriteDiagnosticsJSON(w io.Writer, files map[string]*hcl.File, diags hcl.Diagnostics) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(NewReport(files, diags))
}

// values lists the references of the expression a diagnostic is about.
func values(d *hcl.Diagnostic) []Value {
	if d.Expression == nil || d.EvalContext == nil {
		return nil
	}
	var out []Value
	for _, t := range d.Expression.Variables() {
		v, diags := t.TraverseAbs(d.EvalContext)
		if diags.HasErrors() || !v.IsWhollyKnown() {
			continue
		}
		out = append(out, Value{spelled(t), "is " + literal(v)})
	}
	slices.SortFunc(out, func(a, b Value) int { return cmp.Compare(a.Traversal, b.Traversal) })
	return slices.Compact(out)
}

// snippet cuts the lines of a range out of its file.
func snippet(f *hcl.File, r hcl.Range) *Snippet {
	if f == nil || f.Bytes == nil || r.Start.Byte > len(f.Bytes) || r.End.Byte > len(f.Bytes) || r.Start.Byte > r.End.Byte {
		return nil
	}
	start := bytes.LastIndexByte(f.Bytes[:r.Start.Byte], '\n') + 1
	end := len(f.Bytes)
	if n := bytes.IndexByte(f.Bytes[r.End.Byte:], '\n'); n >= 0 {
		end = r.End.Byte + n
	}
	s := &Snippet{
		Code:                 string(f.Bytes[start:end]),
		StartLine:            r.Start.Line,
		HighlightStartOffset: r.Start.Byte - start,
		HighlightEndOffset:   r.End.Byte - start,
	}
	if nav, ok := f.Nav.(interface{ ContextString(offset int) string }); ok {
		s.Context = nav.ContextString(r.Start.Byte)
	}
	return s
}
