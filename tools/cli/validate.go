package cli

import (
	"context"
	"encoding/json"
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
its line and what to write instead. Of a spec of several appliances all are checked.

Parts of the language that this version cannot run yet are no mistakes: they are named
in a note, and build refuses them.` + inputsHelp,
		Args: oneArg("the spec directory"),
		RunE: a.does(func(_ context.Context, args []string) error { return a.runValidate(args[0], asJSON) }),
	}
	a.specFlags(c)
	a.strictFlag(c)
	c.Flags().BoolVar(&asJSON, "json", false, "print the diagnostics as JSON")
	return c
}

// validation is what `trunkline validate -json` prints.
type validation struct {
	spec.Report
	NotBuilt []unbuilt `json:"not_built,omitempty"` // what a valid spec asks for and build refuses
}

func (a *app) runValidate(dir string, asJSON bool) error {
	if asJSON {
		o, err := a.specOptions()
		if err != nil {
			return err
		}
		specs, diags, files := spec.LoadFleet(dir, o)
		enc := json.NewEncoder(a.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(validation{spec.NewReport(files, diags), unbuiltIn(specs)}); err != nil {
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
	a.tellUnbuilt(dir, unbuiltIn(specs))
	if len(specs) > 1 {
		return a.validFleet(dir, specs)
	}
	if _, err := fmt.Fprintf(a.Stdout, "%s: the spec of %s is valid.\n", dir, specs[0].Appliance.Name); err != nil {
		return err
	}
	return a.strictly(dir)
}
