package cli

import (
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/spec"
)

// load reads a spec and shows its diagnostics. With an error among them the
// command ends.
func (a *app) load(dir string) (*spec.Spec, error) {
	o, err := a.specOptions()
	if err != nil {
		return nil, err
	}
	s, diags, files := spec.Load(dir, o)
	if err := a.tell(dir, diags, files); err != nil {
		return nil, err
	}
	return s, nil
}

// tell shows diagnostics, and fails when there is an error among them.
func (a *app) tell(dir string, diags hcl.Diagnostics, files map[string]*hcl.File) error {
	a.diags, a.sources = diags, files
	if len(diags) > 0 {
		if err := spec.WriteDiagnostics(a.Stderr, files, diags, uint(width(a.Stderr)), a.color(a.Stderr)); err != nil {
			return err
		}
	}
	if diags.HasErrors() {
		fmt.Fprintf(a.Stderr, "%s: %s.\n", dir, tally(diags))
		return errShown
	}
	return nil
}

// alsoWrong adds mistakes in what a spec is planned with, which have been shown, to
// those the views tell of.
func (a *app) alsoWrong(diags hcl.Diagnostics, files map[string]*hcl.File) {
	a.diags = append(a.diags[:len(a.diags):len(a.diags)], diags...)
	all := maps.Clone(a.sources)
	if all == nil {
		all = map[string]*hcl.File{}
	}
	maps.Copy(all, files)
	a.sources = all
}

// tally counts diagnostics: "2 errors, 1 warning".
func tally(diags hcl.Diagnostics) string {
	errs, warnings := 0, 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			errs++
		} else {
			warnings++
		}
	}
	var out []string
	if errs > 0 {
		out = append(out, count(errs, "error"))
	}
	if warnings > 0 {
		out = append(out, count(warnings, "warning"))
	}
	return strings.Join(out, ", ")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
