package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/appliance/plan"
	"trunkline/tools/report"
)

func (a *app) plan() *cobra.Command {
	var asJSON, full bool
	c := &cobra.Command{
		Use:   "plan SPEC",
		Short: "Size a spec: workers, memory, sockets, and what saturates first",
		Long: `Print what a spec needs and what it can carry. The first line says what saturates
first, at how much, and the one change that raises it. A plan with an error among
its findings is shown all the same; the exit status is then 1.`,
		Args: oneArg("the spec directory"),
		RunE: a.does(func(_ context.Context, args []string) error { return a.runPlan(args[0], asJSON, full) }),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	c.Flags().BoolVar(&full, "full", false, "print everything, every figure with its formula")
	c.MarkFlagsMutuallyExclusive("json", "full")
	return c
}

func (a *app) runPlan(dir string, asJSON, full bool) error {
	p, err := a.makePlan(dir)
	if err != nil {
		return err
	}
	if asJSON {
		var b []byte
		if b, err = plan.Encode(p.plan); err == nil {
			_, err = a.Stdout.Write(b)
		}
	} else {
		err = report.Text(a.Stdout, p.plan, report.Options{Width: width(a.Stdout), Full: full, Color: a.color(a.Stdout)})
	}
	if err != nil {
		return err
	}
	if p.plan.Errored { // the plan itself has said why
		fmt.Fprintln(a.Stderr, refusal(p.plan))
		return errShown
	}
	return nil
}
