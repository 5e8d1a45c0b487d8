package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/appliance/spec"
)

func (c *commands) validate() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate SPEC",
		Short: "Check a spec, offline; every mistake with its line and what to write instead",
		Args:  one(specArgument),
		RunE: c.does(func(_ context.Context, args []string) error {
			return c.runValidate(args[0], asJSON)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the diagnostics as JSON")
	return cmd
}

func (c *commands) runValidate(dir string, asJSON bool) error {
	s, diags, files := spec.Load(dir, spec.Options{})
	if asJSON {
		if err := spec.WriteDiagnosticsJSON(c.Stdout, files, diags); err != nil {
			return err
		}
	} else if len(diags) > 0 {
		t := look(c.Stderr, c.Getenv)
		if err := spec.WriteDiagnostics(c.Stderr, files, diags, t.width, t.color); err != nil {
			return err
		}
	}
	if s == nil {
		if !asJSON {
			fmt.Fprintf(c.Stderr, "trunkline: %s: %s\n", dir, verdict(diags))
		}
		return errTold
	}
	if !asJSON {
		fmt.Fprintf(c.Stdout, "%s: %s\n", dir, verdict(diags))
	}
	return nil
}
