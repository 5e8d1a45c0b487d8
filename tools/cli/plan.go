package cli

import (
	"context"

	"github.com/spf13/cobra"

	"trunkline/appliance/plan"
	"trunkline/tools/report"
)

func (c *commands) plan() *cobra.Command {
	var asJSON, full bool
	cmd := &cobra.Command{
		Use:   "plan SPEC",
		Short: "Size a spec: workers, memory, sockets, and what saturates first",
		Long: `plan prints what a spec needs and what it can carry. The first line says what
saturates first, at how much, and the one change that raises it. A plan with an
error among its findings is shown all the same, and the exit status is 1.`,
		Args: one(specArgument),
		RunE: c.does(func(_ context.Context, args []string) error {
			return c.runPlan(args[0], asJSON, full)
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	cmd.Flags().BoolVar(&full, "full", false, "print everything, every figure with its formula")
	cmd.MarkFlagsMutuallyExclusive("json", "full")
	return cmd
}

func (c *commands) runPlan(dir string, asJSON, full bool) error {
	m, err := c.compile(dir)
	if err != nil {
		return err
	}
	if asJSON {
		b, err := plan.Encode(m.plan)
		if err != nil {
			return err
		}
		if _, err := c.Stdout.Write(b); err != nil {
			return err
		}
	} else {
		t := look(c.Stdout, c.Getenv)
		if err := report.Text(c.Stdout, m.plan, report.Options{Width: int(t.width), Full: full, Color: t.color}); err != nil {
			return err
		}
	}
	if m.plan.Errored {
		return errored(m.plan)
	}
	return nil
}
