package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"trunkline/appliance/spec"
	"trunkline/appliance/spec/upgrade"
)

func (a *app) upgrade() *cobra.Command {
	var o rewriteOptions
	c := &cobra.Command{
		Use:   "upgrade DIR",
		Short: "Rewrite a spec of an older format version into the current one",
		Long: `Rewrite the *.hcl files of the directory DIR from the format version they state into
the one this Trunkline reads. Comments stay. The names of the files that were rewritten
are printed, and the mistakes the new spec has, if any. What no rule can rewrite is
shown with its line, and then nothing is written.

With --check nothing is written, and the exit status is 3 when there is something to
upgrade.`,
		Args: oneArg("the spec directory"),
		RunE: a.does(func(_ context.Context, args []string) error { return a.runUpgrade(args[0], o) }),
	}
	c.Flags().BoolVar(&o.check, "check", false, "write nothing; exit with status 3 if the spec is of an older version")
	c.Flags().BoolVar(&o.diff, "diff", false, "show what changes")
	return c
}

func (a *app) runUpgrade(dir string, o rewriteOptions) error {
	if err := mustBeDir(dir); err != nil {
		return err
	}
	names, err := specFiles(dir, false)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("%s holds no *.hcl file: name the directory of a spec", dir)
	}
	files := make([]rewrite, 0, len(names))
	old := map[string][]byte{}
	for _, name := range names {
		r, err := readRewrite(name)
		if err != nil {
			return err
		}
		files = append(files, r)
		old[name] = r.old
	}
	res, diags, parsed := upgrade.Spec(old)
	if diags.HasErrors() {
		if err := a.show(diags, parsed); err != nil {
			return err
		}
		fmt.Fprintf(a.Stderr, "%s: nothing was written.\n", dir)
		return errShown
	}
	if res.From == res.To {
		_, err := fmt.Fprintf(a.Stdout, "%s: format version %d, nothing to upgrade.\n", dir, res.To)
		return err
	}
	for i := range files {
		files[i].new = res.Files[files[i].name]
	}
	// The files that state the version go last: until then the spec is of the old
	// version, and an upgrade cut short is finished by the next.
	slices.SortStableFunc(files, func(x, y rewrite) int {
		return order(slices.Contains(res.Versions, x.name)) - order(slices.Contains(res.Versions, y.name))
	})
	if err := a.applyRewrites(files, o); err != nil {
		return err
	}
	fmt.Fprintf(a.Stderr, "%s: format version %d, was %d.\n", dir, res.To, res.From)
	_, diags, parsed = spec.Load(dir, spec.Options{})
	if err := a.show(diags, parsed); err != nil {
		return err
	}
	if diags.HasErrors() {
		fmt.Fprintf(a.Stderr, "%s: upgraded, and %s left to mend.\n", dir, tally(diags))
		return errShown
	}
	return nil
}

func order(last bool) int {
	if last {
		return 1
	}
	return 0
}

// show writes diagnostics to standard error.
func (a *app) show(diags hcl.Diagnostics, files map[string]*hcl.File) error {
	if len(diags) == 0 {
		return nil
	}
	return spec.WriteDiagnostics(a.Stderr, files, diags, uint(width(a.Stderr)), a.color(a.Stderr))
}
