package cli

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
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

// refuse ends a command that would put to use a plan with errors, or, under
// --strict, with warnings.
func (a *app) refuse(p *plan.Plan) error {
	if !a.refused(p) {
		return nil
	}
	fmt.Fprintln(a.Stderr, p.Verdict)
	for _, f := range p.Budget.Findings {
		mark := a.paint(a.Stderr, "Error:", "1;31")
		switch {
		case f.Severity == sizing.SeverityError:
		case f.Severity == sizing.SeverityWarning && a.policy.strict:
			mark = a.paint(a.Stderr, "Warning:", "1;33")
		default:
			continue
		}
		at := ""
		if f.At != "" {
			at = f.At + ": "
		}
		fmt.Fprintf(a.Stderr, "%s %s%s\n    %s\n", mark, at, f.Summary, f.Detail)
	}
	fmt.Fprintf(a.Stderr, "%s `trunkline plan` shows all of it.\n", a.refusal(p))
	return errShown
}

// refused reports whether a plan must not be put to use.
func (a *app) refused(p *plan.Plan) bool {
	return p.Errored || a.policy.strict && a.warnings(p) > 0
}

func (a *app) refusal(p *plan.Plan) string {
	if !p.Errored {
		return strictRefusal(p.Appliance.Name, a.warnings(p))
	}
	return fmt.Sprintf("%s: refused, the plan has %s.", p.Appliance.Name, count(p.Findings(sizing.SeverityError), "error"))
}
