package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/appliance/sizing"
)

func (a *app) bake() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "bake SPEC -o DIR",
		Short: "Write a spec's config layer as a directory tree",
		Long: `Write the files that make one appliance differ from another, its appliance.json,
network, kernel settings and firewall, below DIR/etc. The image carries the same
files; a tree of its own is for reading, for diff, and for running sbcd on any host.

DIR must be missing, empty, or an earlier output of bake, which is then replaced
in one step.` + inputsHelp + calibrationHelp,
		Args: oneArg("the spec directory"),
		PreRunE: func(c *cobra.Command, _ []string) error {
			if dir == "" {
				return seeHelp(c, errors.New("the directory to write is missing: name it with -o DIR"))
			}
			return nil
		},
		RunE: a.does(func(_ context.Context, args []string) error { return a.runBake(args[0], dir) }),
	}
	a.specFlags(c)
	a.policyFlags(c)
	c.Flags().StringVarP(&dir, "out", "o", "", "`DIR` to write (required)")
	return c
}

func (a *app) runBake(spec, dir string) error {
	p, err := a.makePlan(spec)
	if err != nil {
		return err
	}
	if err := a.refuse(p.plan); err != nil {
		return err
	}
	if err := writeTree(dir, p.files); err != nil {
		return err
	}
	size := 0
	for _, f := range p.files {
		size += len(f.Data)
	}
	_, err = fmt.Fprintf(a.Stdout, "%s: %s, %s in %s\n", p.plan.Appliance.Name, count(len(p.files), "file"), sizing.Bytes(float64(size)), dir)
	return err
}
