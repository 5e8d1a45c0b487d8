package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) plan() *cobra.Command {
	var o viewOptions
	var asJSON bool
	var out string
	c := &cobra.Command{
		Use:   "plan SPEC",
		Short: "Size a spec: workers, memory, sockets, and what saturates first",
		Long: `Print what a spec needs and what it can carry. The first line says what saturates
first, at how much, and the one change that raises it. A plan with an error among
its findings is shown all the same; the exit status is then 1.

Formats, besides text and json:
  markdown  a comment on a pull request, at most 60 kB or --limit:
            verdict and risks first
  html      one page with charts that needs nothing else; of a fleet one page, worst
            first, with a short report of each
  junit     the spec's mistakes, the plan's findings and its ceilings as tests
  sarif     mistakes and findings for code scanning (SARIF 2.1.0)
  github    mistakes and findings as annotations of a GitHub workflow
Of a wrong spec, all but text and html show the mistakes. Files are named relative
to the working directory: run in the root of the repository.

With --out the plan is saved as well: build --plan builds what it says or refuses,
and diff compares it.

Of a spec of several appliances one line each is shown; with --full all of each.` + inputsHelp + calibrationHelp,
		Args: oneArg("the spec directory"),
		PreRunE: func(c *cobra.Command, _ []string) error {
			switch {
			case asJSON && o.full:
				return seeHelp(c, errors.New("--json holds all that --full shows: give one of the two"))
			case asJSON && c.Flags().Changed("format") && o.format != formatJSON:
				return seeHelp(c, fmt.Errorf("--json and --format %s: give one of the two", o.format))
			case asJSON:
				o.format = formatJSON
			}
			if err := o.check(); err != nil {
				return seeHelp(c, err)
			}
			if err := checkLimit(c, o.limit, o.format); err != nil {
				return seeHelp(c, err)
			}
			return nil
		},
		RunE: a.does(func(ctx context.Context, args []string) error { return a.runPlan(ctx, args[0], out, o) }),
	}
	a.specFlags(c)
	a.policyFlags(c)
	c.Flags().StringVar(&o.format, "format", formatText, "`FORMAT` of the plan: "+strings.Join(planFormats, ", "))
	c.Flags().StringVarP(&o.file, "output", "o", "", "`FILE` to write instead of standard output")
	c.Flags().IntVar(&o.limit, "limit", 0, limitHelp)
	c.Flags().StringVar(&out, "out", "", "`FILE` to save the plan in")
	c.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON, short for --format json")
	c.Flags().BoolVar(&o.full, "full", false, "print everything, every figure with its formula")
	if err := c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(planFormats, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is in the lines above
	}
	return c
}

func (a *app) runPlan(ctx context.Context, dir, out string, o viewOptions) error {
	specs, err := a.loadAll(dir)
	if err == nil && len(specs) > 1 {
		if out != "" {
			return fmt.Errorf("-out saves the plan of one appliance, and the spec describes %d: say which with -appliance NAME", len(specs))
		}
		return a.planFleet(ctx, specs, o)
	}
	var p *planned
	if err == nil {
		p, err = a.planSpec(specs[0])
	}
	if errors.Is(err, errShown) && o.tellsMistakes() {
		v, e := a.view(dir, nil)
		if e == nil {
			e = a.showView(v, o)
		}
		if e != nil {
			return e
		}
	}
	if err != nil {
		return err
	}
	if out != "" {
		if err := savePlan(out, p.plan); err != nil {
			return err
		}
	}
	v, err := a.view(dir, p.plan)
	if err != nil {
		return err
	}
	if err := a.showView(v, o); err != nil {
		return err
	}
	if a.refused(p.plan) { // the plan itself has said why
		fmt.Fprintln(a.Stderr, a.refusal(p.plan))
		return errShown
	}
	return nil
}
