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

	"trunkline/appliance/plan/diff"
	"trunkline/appliance/spec"
	"trunkline/tools/report/changes"
)

// gitScheme begins an operand that is a revision.
const gitScheme = "git:"

type diffOptions struct{ asJSON, full, detailed bool }

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
  FILE           a plan saved with plan -out, or the plan.json of a build
  OUT/NAME       a built image, by the plan beside it

Revisions are read out of the repository; nothing is checked out.

With -detailed-exitcode the exit status is 0 without changes, 1 when something is
wrong (the command line included), and 2 with changes.

Of several appliances in a directory -appliance names the one to compare. Values of
variables are given to both sides.` + inputsHelp,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 2 {
				return seeHelp(c, fmt.Errorf("two arguments are wanted (what was, what will be), not %d", len(args)))
			}
			return nil
		},
		PreRunE: func(c *cobra.Command, _ []string) error {
			if o.asJSON && o.full {
				return seeHelp(c, errors.New("--json holds all that --full shows: give one of the two"))
			}
			return nil
		},
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runDiff(ctx, args[0], args[1], o) }),
	}
	a.specFlags(c)
	c.Flags().StringArrayVar(&a.policy.dirs, "policies", nil, "directory of rules to judge both by, besides the built-in ones (may be given several times)")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print the differences as JSON")
	c.Flags().BoolVar(&o.full, "full", false, "print everything, files line by line")
	c.Flags().BoolVar(&o.detailed, detailedExitCode, false, "exit with 2 when something changes")
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
	x, err := a.operand(ctx, before, after, false)
	if err != nil {
		return err
	}
	y, err := a.operand(ctx, after, before, true)
	if err != nil {
		return err
	}
	d, err := diff.Compare(x, y)
	if err != nil {
		return err
	}
	if o.asJSON {
		var b []byte
		if b, err = diff.Encode(d); err == nil {
			_, err = a.Stdout.Write(b)
		}
	} else {
		err = changes.Text(a.Stdout, d, changes.Options{Width: width(a.Stdout), Full: o.full, Color: a.color(a.Stdout)})
	}
	if err == nil && o.detailed && d.Changed {
		return exitStatus(exitChanges)
	}
	return err
}

// operand turns one argument into a plan. Other is the second argument, whose
// directory a bare revision takes. Warnings are shown of what is to come alone.
func (a *app) operand(ctx context.Context, arg, other string, warnings bool) (diff.Input, error) {
	if name, ok := strings.CutPrefix(arg, gitScheme); ok {
		return a.revisionInput(ctx, arg, name, other, warnings)
	}
	info, err := os.Stat(arg)
	if errors.Is(err, fs.ErrNotExist) {
		return diff.Input{}, fmt.Errorf("there is no %s: name the directory of a spec, a saved plan, or git:REV", arg)
	}
	if err != nil {
		return diff.Input{}, err
	}
	saved := arg
	if info.IsDir() {
		if saved = filepath.Join(arg, "plan.json"); !builtImage(arg, saved) {
			o, err := a.specOptions()
			if err != nil {
				return diff.Input{}, err
			}
			s, diags, files := spec.Load(arg, o)
			return a.input(arg, s, diags, files, warnings)
		}
	}
	p, err := readSaved(saved)
	if err != nil {
		return diff.Input{}, err
	}
	if warnings {
		a.tellWarnings(p)
	}
	return diff.Input{Label: arg, Plan: p}, nil
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

func (a *app) revisionInput(ctx context.Context, label, name, other string, warnings bool) (diff.Input, error) {
	beside := "."
	if info, err := os.Stat(other); err == nil && info.IsDir() && !builtImage(other, filepath.Join(other, "plan.json")) {
		beside = other
	}
	r, err := resolve(ctx, name, beside)
	if err != nil {
		return diff.Input{}, err
	}
	tree, err := gitTree(ctx, r)
	if err != nil {
		return diff.Input{}, err
	}
	o, err := a.specOptions()
	if err != nil {
		return diff.Input{}, err
	}
	s, diags, files := spec.LoadFS(tree, label, o)
	return a.input(fmt.Sprintf("%s (%.12s)", label, r.commit), s, diags, files, warnings)
}

// input plans a loaded spec.
func (a *app) input(label string, s *spec.Spec, diags hcl.Diagnostics, files map[string]*hcl.File, warnings bool) (diff.Input, error) {
	if len(diags) > 0 && (warnings || diags.HasErrors()) {
		if err := spec.WriteDiagnostics(a.Stderr, files, diags, uint(width(a.Stderr)), a.color(a.Stderr)); err != nil {
			return diff.Input{}, err
		}
	}
	if diags.HasErrors() {
		fmt.Fprintf(a.Stderr, "%s: %s.\n", label, tally(diags))
		return diff.Input{}, errShown
	}
	a.diags = diags
	p, err := a.planSpec(s)
	if err != nil {
		return diff.Input{}, err
	}
	in := diff.Input{Label: label, Plan: p.plan, Files: map[string][]byte{}}
	for _, f := range p.files {
		in.Files[f.Path] = f.Data
		if f.Link != "" {
			in.Files[f.Path] = []byte(f.Link)
		}
	}
	return in, nil
}
