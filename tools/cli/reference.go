package cli

import (
	"context"

	"github.com/spf13/cobra"

	"trunkline/appliance/spec/reference"
)

func (a *app) reference() *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "reference",
		Short: "Print the reference of the spec language",
		Long: `Print the reference of the spec language as Markdown: every block, attribute and
function, with defaults and bounds.`,
		Args: noArgs,
		RunE: a.does(func(context.Context, []string) error { return a.output(out, reference.Markdown()) }),
	}
	c.Flags().StringVarP(&out, "out", "o", "", "`FILE` to write instead of standard output")
	return c
}

// output writes a result to a file, or to standard output where none is named.
func (a *app) output(name string, b []byte) error {
	if name == "" || name == "-" {
		_, err := a.Stdout.Write(b)
		return err
	}
	return writeFile(name, b)
}
