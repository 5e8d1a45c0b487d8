package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/bake"
	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
)

// maxPlan bounds a saved plan, bytes.
const maxPlan = 256 << 20

// savePlan writes a plan to a file, whole or not at all. One with errors is saved
// too: it says so, and build refuses it.
func savePlan(name string, p *plan.Plan) error {
	b, err := plan.Encode(p)
	if err != nil {
		return err
	}
	if err := writeFile(name, b); err != nil {
		return fmt.Errorf("saved plan: %w: name another file with -out", err)
	}
	return nil
}

// readSaved reads a saved plan.
func readSaved(name string) (*plan.Plan, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, fmt.Errorf("saved plan: %w: `trunkline plan -out %s SPEC` writes one", err, name)
	}
	if !info.Mode().IsRegular() || info.Size() > maxPlan {
		return nil, fmt.Errorf("%s is not a saved plan: `trunkline plan -out FILE SPEC` writes one", name)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	p, err := plan.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

// warned are the warnings among diagnostics, as a plan keeps them.
func warned(diags hcl.Diagnostics) []plan.Warning {
	var out []plan.Warning
	for _, d := range diags {
		if d.Severity != hcl.DiagWarning {
			continue
		}
		w := plan.Warning{Summary: d.Summary, Detail: d.Detail}
		if d.Subject != nil {
			w.At = sizing.Location(*d.Subject)
		}
		out = append(out, w)
	}
	return out
}

// tellWarnings shows the warnings a saved plan keeps.
func (a *app) tellWarnings(p *plan.Plan) {
	for _, w := range p.Warnings {
		fmt.Fprintf(a.Stderr, "%s %s%s\n    %s\n", a.paint(a.Stderr, "Warning:", "1;33"), place(w.At), w.Summary, w.Detail)
	}
}

// whatToBuild tells spec and saved plan of build's argument apart: a file is a
// plan, of the spec in the working directory.
func whatToBuild(arg, planFlag string) (dir, planFile string, err error) {
	info, err := os.Stat(arg)
	if err != nil || !info.Mode().IsRegular() {
		return arg, planFlag, nil // what is wrong with a directory, loading it says
	}
	if planFlag != "" {
		return "", "", fmt.Errorf("%s is a file, and --plan names a saved plan already: name the directory of the spec", arg)
	}
	if specs, err := filepath.Glob("*.hcl"); err != nil || len(specs) == 0 {
		return "", "", fmt.Errorf("the spec of %s is looked for in the working directory, which holds none: run build there, or `trunkline build SPEC --plan %s`", arg, arg)
	}
	return ".", arg, nil
}

// holds refuses a saved plan that is not what the spec gives now: what was
// reviewed is what is built.
func (a *app) holds(name, dir string, p *planned) error {
	saved, err := readSaved(name)
	if err != nil {
		return err
	}
	if saved.SpecDigest != p.plan.SpecDigest {
		return fmt.Errorf("stale plan: %s is of spec %s, but the spec in %s is %s now: look at `trunkline diff %s %s`, then plan again",
			name, saved.SpecDigest, dir, p.plan.SpecDigest, name, dir)
	}
	if is, want := p.plan.Appliance.Name, saved.Appliance.Name; is != want {
		return fmt.Errorf("%s is of the appliance %s, not of %s: name it with -appliance", name, want, is)
	}
	if !sameCalibration(saved, p.plan) {
		return fmt.Errorf("stale plan: %s was sized with %s, this build with %s: %s",
			name, calibrated(saved.Calibration), calibrated(p.plan.Calibration), recalibrate(name, saved))
	}
	if err := a.refuse(saved); err != nil {
		return err
	}
	if err := bake.Verify(saved, p.files); err != nil {
		if saved.Trunkline != p.plan.Trunkline {
			err = errors.Join(err, fmt.Errorf("%s was made by Trunkline %s, this is %s", name, saved.Trunkline, p.plan.Trunkline))
		}
		return fmt.Errorf("stale plan: %w", err)
	}
	return nil
}
