package cli

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/tools/report"
)

// compiled is a spec and all that follows from it.
type compiled struct {
	spec  *spec.Spec
	plan  *plan.Plan
	files []bake.File // of the config layer
}

// load reads a spec and shows its diagnostics. After an error it returns
// errTold.
func (c *commands) load(dir string) (*spec.Spec, error) {
	s, diags, files := spec.Load(dir, spec.Options{})
	if len(diags) > 0 {
		t := look(c.Stderr, c.Getenv)
		if err := spec.WriteDiagnostics(c.Stderr, files, diags, t.width, t.color); err != nil {
			return nil, err
		}
	}
	if s == nil {
		fmt.Fprintf(c.Stderr, "trunkline: %s: %s\n", dir, verdict(diags))
		return nil, errTold
	}
	return s, nil
}

// verdict counts errors and warnings in words.
func verdict(diags hcl.Diagnostics) string {
	errs, warnings := 0, 0
	for _, d := range diags {
		if d.Severity == hcl.DiagError {
			errs++
		} else {
			warnings++
		}
	}
	switch {
	case errs > 0:
		return "refused, " + count(errs, "error")
	case warnings > 0:
		return "valid, " + count(warnings, "warning")
	}
	return "valid"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// compile takes a spec all the way to the files of its config layer. Its plan
// may be errored: see mustBuild.
func (c *commands) compile(dir string) (*compiled, error) {
	s, err := c.load(dir)
	if err != nil {
		return nil, err
	}
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{Version: version})
	if err != nil {
		return nil, err
	}
	files, err := bake.Seal(p, s)
	if err != nil {
		return nil, err
	}
	return &compiled{spec: s, plan: p, files: files}, nil
}

// mustBuild refuses an errored plan, showing why.
func (c *commands) mustBuild(p *plan.Plan) error {
	if !p.Errored {
		return nil
	}
	t := look(c.Stderr, c.Getenv)
	if err := report.Text(c.Stderr, p, report.Options{Width: int(t.width), Color: t.color}); err != nil {
		return err
	}
	fmt.Fprintln(c.Stderr)
	return errored(p)
}

func errored(p *plan.Plan) error {
	n := p.Findings(sizing.SeverityError)
	if n == 0 {
		return errors.New(p.Appliance.Name + " cannot be built: its plan is marked as errored; plan it again from its spec")
	}
	return fmt.Errorf("%s cannot be built: %s in its plan, see Findings", p.Appliance.Name, count(n, "error"))
}

// planText is a plan as it is kept in a file.
func planText(p *plan.Plan) ([]byte, error) {
	var b bytes.Buffer
	err := report.Text(&b, p, report.Options{})
	return b.Bytes(), err
}
