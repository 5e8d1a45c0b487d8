package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/spec"
	"trunkline/tools/report"
	"trunkline/tools/report/html"
	"trunkline/tools/report/issues"
	"trunkline/tools/report/markdown"
)

// Formats of a plan.
const (
	formatText     = "text"
	formatJSON     = "json"
	formatMarkdown = "markdown"
	formatHTML     = "html"
	formatJUnit    = "junit"
	formatSARIF    = "sarif"
	formatGitHub   = "github"
)

var planFormats = []string{formatText, formatJSON, formatMarkdown, formatHTML, formatJUnit, formatSARIF, formatGitHub}

// viewed is what a view shows: a plan, or why a spec has none.
type viewed struct {
	name   string
	plan   *plan.Plan // nil: the spec is wrong
	issues []issues.Issue
	report spec.Report // of the spec, warnings as well
}

// viewOptions choose a view and where it goes.
type viewOptions struct {
	format string
	file   string // empty: standard output
	full   bool
	limit  int // of markdown, bytes; 0: the format's own
}

func (o viewOptions) check() error {
	if !slices.Contains(planFormats, o.format) {
		return fmt.Errorf("there is no format %q: choose one of %s", o.format, strings.Join(planFormats, ", "))
	}
	if o.full && o.format != formatText {
		return fmt.Errorf("--full is for text, %s has a form of its own: give one of the two", o.format)
	}
	return nil
}

// tellsMistakes reports whether the format has a form for a spec without a plan.
func (o viewOptions) tellsMistakes() bool {
	switch o.format {
	case formatJSON, formatMarkdown, formatJUnit, formatSARIF, formatGitHub:
		return true
	}
	return false
}

// view makes what the views show of the spec loaded last; p is nil when it has
// no plan.
func (a *app) view(dir string, p *plan.Plan) (viewed, error) {
	base, err := os.Getwd()
	if err != nil {
		return viewed{}, err
	}
	v := viewed{plan: p, issues: issues.Below(base, issues.Of(dir, a.diags, p)), report: spec.NewReport(a.sources, a.diags)}
	if p != nil {
		v.name = p.Appliance.Name
	} else if abs, err := filepath.Abs(dir); err == nil {
		v.name = filepath.Base(abs)
	}
	return v, nil
}

// writeFleetView writes the plans of a fleet in the formats that hold several.
// What the spec itself is warned of is told once.
func (a *app) writeFleetView(w io.Writer, plans []*plan.Plan, dir string, o viewOptions) error {
	var results []issues.Result
	for _, p := range plans {
		v, err := a.view(dir, p)
		if err != nil {
			return err
		}
		a.diags = nil
		results = append(results, issues.Result{Name: v.name, Plan: p, Issues: v.issues})
	}
	switch o.format {
	case formatMarkdown:
		return markdown.Fleet(w, results, markdown.Options{Limit: o.limit})
	case formatHTML:
		return html.Fleet(w, results)
	case formatJUnit:
		return issues.JUnit(w, results...)
	case formatSARIF:
		return issues.SARIF(w, version, results...)
	}
	return issues.GitHub(w, results...)
}

// showView writes a view to standard output, or to a file that appears whole.
func (a *app) showView(v viewed, o viewOptions) error {
	if o.file == "" {
		return writeView(a.Stdout, v, o, report.Options{Width: width(a.Stdout), Full: o.full, Color: a.color(a.Stdout)})
	}
	var b bytes.Buffer
	if err := writeView(&b, v, o, report.Options{Width: plainWidth, Full: o.full}); err != nil {
		return err
	}
	if err := writeFile(o.file, b.Bytes()); err != nil {
		return fmt.Errorf("output %s: %w", o.file, err)
	}
	return nil
}

func writeView(w io.Writer, v viewed, o viewOptions, text report.Options) error {
	r := issues.Result{Name: v.name, Plan: v.plan, Issues: v.issues}
	switch o.format {
	case formatMarkdown:
		if v.plan == nil {
			return markdown.Refused(w, v.name, v.issues, markdown.Options{Limit: o.limit})
		}
		return markdown.Plan(w, v.plan, v.issues, markdown.Options{Limit: o.limit})
	case formatJUnit:
		return issues.JUnit(w, r)
	case formatSARIF:
		return issues.SARIF(w, version, r)
	case formatGitHub:
		return issues.GitHub(w, r)
	case formatHTML:
		return html.Write(w, v.plan, v.issues)
	case formatJSON:
		p := v.plan
		if p == nil {
			p = plan.Invalid(v.report, plan.Options{Version: version})
		}
		b, err := plan.Encode(p)
		if err == nil {
			_, err = w.Write(b)
		}
		return err
	}
	return report.Text(w, v.plan, text)
}
