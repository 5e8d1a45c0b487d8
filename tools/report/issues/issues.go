// Package issues gives what is wrong with a spec, and what its plan found, the
// forms that other programs read: JUnit XML, SARIF 2.1.0 and the workflow
// commands GitHub turns into annotations.
//
// Diagnostics of the spec and findings of the plan become one list of Issue,
// errors first. Every writer is a pure function of its arguments, gives the same
// bytes for the same input and returns the writer's error. Lines and columns
// count from 1; 0 means not known. Columns are HCL's: characters as people see
// them.
package issues

import (
	"cmp"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
)

// Issue is one thing a reader must know, with its place.
type Issue struct {
	ID       string // stable within a spec: "spec.unknown-block", "ceiling.cpu"
	Severity string // sizing.SeverityError, SeverityWarning, SeverityNote or SeverityWaived
	Summary  string
	Detail   string // says what to do
	File     string // with slashes; empty: the issue is about no file
	Source   string // where the rule comes from; empty: the sizing model, or the language
	Waiver   string // until when, and why, it is waived

	Line, Column, EndLine, EndColumn int
}

// NotBuilt is the ID of what this version cannot run: a warning, for the plan is
// shown all the same, and build refuses it.
const NotBuilt = "not-built"

// Result is what is known of one appliance.
type Result struct {
	Name   string     // the appliance's, or that of its spec directory
	Plan   *plan.Plan // nil: the spec is wrong
	Issues []Issue
}

// Of lists the diagnostics of a spec, the findings of its plan and what of it this
// version cannot run; spec or plan may be missing. dir, the directory of the spec, is put before file names
// of a saved plan, which does not hold it; "" leaves them bare.
func Of(dir string, diags hcl.Diagnostics, p *plan.Plan) []Issue {
	var list []Issue
	for _, d := range diags {
		i := Issue{ID: "spec." + slug(d.Summary), Severity: sizing.SeverityError, Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			i.Severity = sizing.SeverityWarning
		}
		if d.Subject != nil {
			i.place(*d.Subject)
		}
		list = append(list, i)
	}
	if p != nil {
		for _, f := range p.Budget.Findings {
			i := Issue{ID: f.ID, Severity: f.Severity, Summary: f.Summary, Detail: f.Detail, Source: f.Source, Waiver: f.Waiver}
			if f.Subject.Filename != "" {
				i.place(f.Subject)
				// A finding is about a whole block; marking all of it hides the text.
				i.EndLine, i.EndColumn = 0, 0
			} else {
				i.at(dir, f.At)
			}
			list = append(list, i)
		}
		for _, m := range p.NotBuilt {
			i := Issue{ID: NotBuilt, Severity: sizing.SeverityWarning, Summary: "Not built yet: " + m.What, Detail: m.Detail}
			i.at(dir, m.At)
			list = append(list, i)
		}
	}
	Sort(list)
	return list
}

// Sort puts errors first, then warnings, notes and what is waived; equals keep
// their order.
func Sort(list []Issue) {
	slices.SortStableFunc(list, func(a, b Issue) int { return cmp.Compare(rank(a.Severity), rank(b.Severity)) })
}

// Below makes absolute file names below the directory base relative to it: code
// hosts know files by their path in the repository.
func Below(base string, list []Issue) []Issue {
	out := slices.Clone(list)
	for n, i := range out {
		if !filepath.IsAbs(i.File) {
			continue
		}
		if rel, err := filepath.Rel(base, i.File); err == nil && filepath.IsLocal(rel) {
			out[n].File = filepath.ToSlash(rel)
		}
	}
	return out
}

// Bare takes the directories off file names: outputs kept with an image must not
// depend on where its spec lay.
func Bare(list []Issue) []Issue {
	out := slices.Clone(list)
	for n, i := range out {
		if i.File != "" {
			out[n].File = path.Base(i.File)
		}
	}
	return out
}

// Count returns how many issues have the severity.
func Count(list []Issue, severity string) int {
	n := 0
	for _, i := range list {
		if i.Severity == severity {
			n++
		}
	}
	return n
}

// Place is where an issue is, for people: "edge.hcl:12", or nothing.
func (i Issue) Place() string {
	if i.File == "" || i.Line == 0 {
		return i.File
	}
	return i.File + ":" + strconv.Itoa(i.Line)
}

// at places an issue by "file.hcl:12" of a plan, which does not hold the directory.
func (i *Issue) at(dir, place string) {
	if file, line, ok := strings.Cut(place, ":"); ok {
		if n, err := strconv.Atoi(line); err == nil {
			i.File, i.Line = path.Join(filepath.ToSlash(dir), file), n
		}
	}
}

func (i *Issue) place(r hcl.Range) {
	if r.Filename == "" {
		return
	}
	i.File = path.Clean(filepath.ToSlash(r.Filename))
	i.Line, i.Column, i.EndLine, i.EndColumn = r.Start.Line, r.Start.Column, r.End.Line, r.End.Column
}

func rank(severity string) int {
	switch severity {
	case sizing.SeverityError:
		return 0
	case sizing.SeverityWarning:
		return 1
	case sizing.SeverityWaived:
		return 3
	}
	return 2
}

// slug makes an identifier of a summary: "Unknown block" is "unknown-block".
func slug(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return strings.Join(words, "-")
}
