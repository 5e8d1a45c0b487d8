package cli

import (
	"context"

	"github.com/spf13/cobra"

	"trunkline/appliance/spec/reference"
)

func (a *app) schema() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of the spec language, for editors",
		Long: `Print the JSON Schema (2020-12) of the spec language in the JSON form of HCL, for
editors and for programs that write specs. Trunkline itself reads the native syntax, in
files called *.hcl.`,
		Args: noArgs,
		RunE: a.does(func(context.Context, []string) error {
			b, err := reference.JSONSchema()
			if err != nil {
				return err
			}
			return a.output(out, b)
		}),
	}
	c.Flags().StringVarP(&out, "out", "o", "", "write to this file instead")
	return c
}
