package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/appliance/spec"
)

func (a *app) validate() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "validate SPEC",
		Short: "Check a spec: every mistake with its line and what to write instead",
		Long: `Check the spec in the directory SPEC, offline. Every mistake is shown with its file,
its line and what to write instead. Of a spec of several appliances all are checked.` + inputsHelp,
		Args: oneArg("the spec directory"),
		RunE: a.does(func(_ context.Context, args []string) error { return a.runValidate(args[0], asJSON) }),
	}
	a.specFlags(c)
	a.strictFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the diagnostics as JSON")
	return c
}

func (a *app) runValidate(dir string, asJSON bool) error {
	if asJSON {
		o, err := a.specOptions()
		if err != nil {
			return err
		}
		_, diags, files := spec.LoadFleet(dir, o)
		if err := spec.WriteDiagnosticsJSON(a.Stdout, files, diags); err != nil {
			return err
		}
		if a.diags = diags; diags.HasErrors() {
			return errShown
		}
		return a.strictly(dir)
	}
	specs, err := a.loadAll(dir)
	if err != nil {
		return err
	}
	if len(specs) > 1 {
		return a.validFleet(dir, specs)
	}
	if _, err := fmt.Fprintf(a.Stdout, "%s: the spec of %s is valid.\n", dir, specs[0].Appliance.Name); err != nil {
		return err
	}
	return a.strictly(dir)
}
