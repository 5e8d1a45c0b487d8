package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"trunkline/appliance/plan"
	"trunkline/appliance/plan/diff"
	"trunkline/appliance/spec"
)

// gitScheme begins an operand that is a revision.
const gitScheme = "git:"

func (a *app) diff() *cobra.Command {
	var o diffOptions
	c := &cobra.Command{
		Use:   "diff A B",
		Short: "What a change does: removals, sizing, who can reach what, calls, files",
		Long: `Compare two plans and print what differs, by what has to be decided: removals
first, then sizing, machine, listeners and firewall, dispatchers and limits, files.
Each change says what it would take to bring it into a running appliance: live (a
reload), restart (of sbcd) or reboot.

A and B are each one of
  DIR            the directory of a spec
  git:REV        the same directory as the other one has, or else the working
                 directory, at a revision of the repository
  git:REV:DIR    DIR of a revision, below the root of the repository; one that
                 begins with ./ or ../ is below the working directory
  FILE           a plan saved with plan --out, or the plan.json of a build
  OUT/NAME       a built image, by the plan beside it
  NAME.efi       an image (or .raw, .qcow2, .iso), by what it holds; both must be such

Of two images packages, Go modules, enabled units, files, kernel and its parameters are
compared: what differs is read from the images alone, as by inspect.

Revisions are read out of the repository; nothing is checked out.

Formats: text; json, whose fields package appliance/plan/diff documents, with a
format_version that grows when one changes its meaning; markdown, a comment on a
pull request, removals and risks first, at most 60 kB or --limit.

With --detailed-exitcode the exit status is 0 without changes, 1 when something is
wrong (the command line included), and 2 with changes.

Appliances of a fleet are compared by name, one line each; --appliance names one to
see in full. Values of variables are given to both sides.` + inputsHelp + calibrationHelp,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return seeHelp(c, fmt.Errorf("two arguments are wanted (what was, what will be), not %d", len(args)))
			}
			return nil
		},
		PreRunE: func(c *cobra.Command, _ []string) error {
			if err := o.check(c); err != nil {
				return seeHelp(c, err)
			}
			return nil
		},
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runDiff(ctx, args[0], args[1], o) }),
	}
	a.specFlags(c)
	c.Flags().StringArrayVar(&a.policy.dirs, "policies", nil, "`DIR` of rules to judge both by, besides the built-in ones (may be given several times)")
	a.calibrationFlag(c)
	o.flags(c)
	return c
}

// detailedExitCode is the flag that gives 2 another meaning than a wrong command line.
const detailedExitCode = "detailed-exitcode"

// asksForChanges reports whether a command line has the flag, parsed or not.
func asksForChanges(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		return strings.HasPrefix(arg, "-") && name == detailedExitCode
	})
}

func (a *app) runDiff(ctx context.Context, before, after string, o diffOptions) error {
	if isImage(before) || isImage(after) {
		return a.runImageDiff(before, after, o)
	}
	x, err := a.operand(ctx, before, after, false)
	if err != nil {
		return err
	}
	y, err := a.operand(ctx, after, before, true)
	if err != nil {
		return err
	}
	x.plans, y.plans = x.like(y), y.like(x)
	a.tellUnbuilt(after, unbuiltOf(plansOf(y.plans)))
	a.tellCalibrations(before, after, x.plans, y.plans)
	changed := false
	if len(x.plans) == 1 && len(y.plans) == 1 {
		var d *diff.Diff
		if d, err = diff.Compare(x.plans[0], y.plans[0]); err == nil {
			changed, err = d.Changed, a.showDiff(d, o)
		}
	} else {
		var f *diff.Fleet
		if f, err = diff.CompareFleets(x.plans, y.plans); err == nil {
			changed, err = f.Changed, a.showFleetDiff(f, o)
		}
	}
	if err == nil && o.detailed && changed {
		return exitStatus(exitChanges)
	}
	return err
}

func plansOf(in []diff.Input) []*plan.Plan {
	out := make([]*plan.Plan, len(in))
	for i, x := range in {
		out[i] = x.Plan
	}
	return out
}

// tellCalibrations warns of two sides that were sized with different coefficients.
// All plans of one side were sized with the same.
func (a *app) tellCalibrations(before, after string, x, y []diff.Input) {
	if len(x) == 0 || len(y) == 0 || sameCalibration(x[0].Plan, y[0].Plan) {
		return
	}
	fmt.Fprintf(a.Stderr, "%s the two are sized by different coefficients, and figures may differ for that alone\n    %s: with %s. %s: with %s. Give the same file with --calibration, or plan again.\n",
		a.paint(a.Stderr, "Warning:", "1;33"), before, calibrated(x[0].Plan.Calibration), after, calibrated(y[0].Plan.Calibration))
}

// operand is what one argument comes to: the plan of one appliance, or of several.
type operand struct {
	plans []diff.Input
	saved bool // one saved plan
}

// like are the plans to compare with those of other: with a saved plan only the
// one of its appliance, if there is such.
func (x operand) like(other operand) []diff.Input {
	if other.saved && len(x.plans) > 1 {
		for _, in := range x.plans {
			if in.Plan.Appliance.Name == other.plans[0].Plan.Appliance.Name {
				return []diff.Input{in}
			}
		}
	}
	return x.plans
}

// operand turns one argument into plans. Other is the second argument, whose
// directory a bare revision takes. Warnings are shown of what is to come alone.
func (a *app) operand(ctx context.Context, arg, other string, warnings bool) (operand, error) {
	if name, ok := strings.CutPrefix(arg, gitScheme); ok {
		return a.revisionOperand(ctx, arg, name, other, warnings)
	}
	info, err := os.Stat(arg)
	if errors.Is(err, fs.ErrNotExist) {
		return operand{}, fmt.Errorf("there is no %s: name the directory of a spec, a saved plan, or git:REV", arg)
	}
	if err != nil {
		return operand{}, err
	}
	saved := arg
	if info.IsDir() {
		if saved = filepath.Join(arg, "plan.json"); !builtImage(arg, saved) {
			o, err := a.specOptions()
			if err != nil {
				return operand{}, err
			}
			specs, diags, files := spec.LoadFleet(arg, o)
			return a.planAll(ctx, arg, specs, diags, files, warnings)
		}
	}
	p, err := readSaved(saved)
	if err != nil {
		return operand{}, err
	}
	if warnings {
		a.tellWarnings(p)
	}
	return operand{plans: []diff.Input{{Label: arg, Plan: p}}, saved: true}, nil
}

// builtImage reports whether dir is the output of a build: a plan and no spec.
func builtImage(dir, planFile string) bool {
	specs, err := filepath.Glob(filepath.Join(dir, "*.hcl"))
	if err != nil || len(specs) > 0 {
		return false
	}
	info, err := os.Stat(planFile)
	return err == nil && info.Mode().IsRegular()
}

func (a *app) revisionOperand(ctx context.Context, label, name, other string, warnings bool) (operand, error) {
	beside := "."
	if info, err := os.Stat(other); err == nil && info.IsDir() && !builtImage(other, filepath.Join(other, "plan.json")) {
		beside = other
	}
	r, err := resolve(ctx, name, beside)
	if err != nil {
		return operand{}, err
	}
	tree, err := gitTree(ctx, r)
	if err != nil {
		return operand{}, err
	}
	o, err := a.specOptions()
	if err != nil {
		return operand{}, err
	}
	specs, diags, files := spec.LoadFleetFS(tree, label, o)
	return a.planAll(ctx, fmt.Sprintf("%s (%.12s)", label, r.commit), specs, diags, files, warnings)
}

// planAll plans loaded specs.
func (a *app) planAll(ctx context.Context, label string, specs []*spec.Spec, diags hcl.Diagnostics, files map[string]*hcl.File, warnings bool) (operand, error) {
	if len(diags) > 0 && (warnings || diags.HasErrors()) {
		if err := spec.WriteDiagnostics(a.Stderr, files, diags, uint(width(a.Stderr)), a.color(a.Stderr)); err != nil {
			return operand{}, err
		}
	}
	if diags.HasErrors() {
		fmt.Fprintf(a.Stderr, "%s: %s.\n", label, tally(diags))
		return operand{}, errShown
	}
	a.diags = diags
	var out operand
	made, err := a.planSpecs(ctx, specs)
	if err != nil {
		return operand{}, err
	}
	for _, p := range made {
		in := diff.Input{Label: label, Plan: p.plan, Files: map[string][]byte{}}
		for _, f := range p.files {
			in.Files[f.Path] = f.Data
			if f.Link != "" {
				in.Files[f.Path] = []byte(f.Link)
			}
		}
		out.plans = append(out.plans, in)
	}
	return out, nil
}
