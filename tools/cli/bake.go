package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func (c *commands) bake() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "bake SPEC -o DIR",
		Short: "Write a spec's config layer as a directory tree",
		Long: `bake writes the files that make one appliance differ from another: its
appliance.json, network, kernel settings and firewall, below DIR/etc. The image
carries the same files; a tree of its own is for reading, for diff, and for
running sbcd on any host.

DIR must be missing, empty, or an earlier output of bake, which is replaced in
one step.`,
		Args: one(specArgument),
		RunE: c.does(func(_ context.Context, args []string) error {
			m, err := c.compile(args[0])
			if err != nil {
				return err
			}
			if err := c.mustBuild(m.plan); err != nil {
				return err
			}
			if err := writeTree(dir, m.files); err != nil {
				return err
			}
			fmt.Fprintf(c.Stdout, "%s: %s in %s\n", m.plan.Appliance.Name, count(len(m.files), "file"), dir)
			return nil
		}),
	}
	cmd.Flags().StringVarP(&dir, "out", "o", "", "directory to write (required)")
	_ = cmd.MarkFlagRequired("out") // the flag is right above
	return cmd
}
