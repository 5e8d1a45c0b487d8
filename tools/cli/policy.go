package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

// epochVariable sets the day waivers are judged by, for builds that must give the
// same result on any day (reproducible-builds.org).
const epochVariable = "SOURCE_DATE_EPOCH"

// policyOptions say how strictly plans are judged.
type policyOptions struct {
	dirs   []string      // packs besides the built-in one
	strict bool          // warnings refuse as errors do
	plan   *plan.Options // what they come to; nil: not looked at yet
}

// policyFlags adds --policies and --strict to a command that plans.
func (a *app) policyFlags(c *cobra.Command) {
	c.Flags().StringArrayVar(&a.policy.dirs, "policies", nil, "`DIR` of rules to judge by, besides the built-in ones (may be given several times)")
	if err := c.MarkFlagDirname("policies"); err != nil {
		panic(err) // the flag is in the line above
	}
	a.strictFlag(c)
	a.calibrationFlag(c)
}

func (a *app) strictFlag(c *cobra.Command) {
	c.Flags().BoolVar(&a.policy.strict, "strict", false, "refuse warnings as well as errors")
}

// planOptions are what a plan depends on besides the spec.
func (a *app) planOptions() (plan.Options, error) {
	if a.policy.plan != nil {
		return *a.policy.plan, nil
	}
	o := plan.Options{Version: version}
	var err error
	if o.Today, err = a.today(); err != nil {
		return o, err
	}
	for _, dir := range a.policy.dirs {
		p, err := a.loadPack(os.DirFS(dir), dir)
		if err != nil {
			return o, err
		}
		o.Policies = append(o.Policies, p)
	}
	if _, o.Calibration, err = a.sizeWith(); err != nil {
		return o, err
	}
	a.policy.plan = &o
	return o, nil
}

// today is the day that decides whether a waiver has expired.
func (a *app) today() (time.Time, error) {
	text := a.Getenv(epochVariable)
	if text == "" {
		return time.Now().UTC(), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return time.Time{}, fmt.Errorf("%s is %q: set it to seconds since 1970, or unset it", epochVariable, text)
	}
	return time.Unix(n, 0).UTC(), nil
}

// loadPack reads a directory of rules and shows what is wrong in it.
func (a *app) loadPack(fsys fs.FS, name string) (*checks.Pack, error) {
	p, diags, files := checks.Load(fsys, name)
	if len(diags) > 0 {
		if err := spec.WriteDiagnostics(a.Stderr, files, diags, uint(width(a.Stderr)), a.color(a.Stderr)); err != nil {
			return nil, err
		}
	}
	if diags.HasErrors() {
		fmt.Fprintf(a.Stderr, "%s: %s.\n", name, tally(diags))
		a.alsoWrong(diags, files)
		return nil, errShown
	}
	return p, nil
}

// warnings counts what --strict refuses: warnings of the spec and of its plan.
func (a *app) warnings(p *plan.Plan) int {
	n := 0
	for _, d := range a.diags {
		if d.Severity == hcl.DiagWarning {
			n++
		}
	}
	if p != nil {
		n += p.Findings(sizing.SeverityWarning)
	}
	return n
}

// strictly ends a command about the spec alone when --strict forbids its warnings.
func (a *app) strictly(name string) error {
	n := a.warnings(nil)
	if !a.policy.strict || n == 0 {
		return nil
	}
	fmt.Fprintln(a.Stderr, strictRefusal(name, n))
	return errShown
}

func strictRefusal(name string, n int) string {
	return fmt.Sprintf("%s: refused by --strict for %s.", name, count(n, "warning"))
}

func (a *app) policyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "policy",
		Short: "The rules plans are judged by: list them, test a pack of your own",
		Long: `Every plan is judged by the built-in rules and by those of the directories that
--policies names. A rule is written in HCL:

  rule "ID" {
    severity  = "warning"      # error: build refuses; warning; note
    source    = "where it comes from"
    for_each  = spec.listeners # optional: judged for each
    condition = each.workers == 0
    at        = each.at.workers
    summary   = "Workers by hand"
    message   = "Listener ${each.name} has ${each.workers} workers."
    remedy    = "Write workers = \"auto\"."
  }

Expressions see spec (what the spec says; sizes in bytes, durations in seconds), plan
(what ` + "`trunkline plan --json`" + ` prints) and each.

A finding is accepted for a while by a waiver block in the spec:

  waiver "ID" {
    reason  = "who accepts it, and why"
    expires = "2027-01-31"
    scope   = "carrier-a"      # optional: for this listener, dispatcher, ... alone
  }`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return seeHelp(c, fmt.Errorf("there is no command %q: list or test", args[0]))
			}
			return c.Help()
		},
	}
	c.AddCommand(a.policyList(), a.policyTest())
	return c
}

func (a *app) policyList() *cobra.Command {
	return &cobra.Command{
		Use:   "list [DIR]",
		Short: "List the built-in rules, or those of a directory, with what they cite",
		Args:  atMostOne("the directory of rules"),
		RunE: a.does(func(_ context.Context, args []string) error {
			p, _, err := a.pack(args)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(a.Stdout, 0, 8, 2, ' ', 0)
			for _, r := range p.Rules {
				fmt.Fprintf(w, "%s\t%s\t%s\n", r.ID, r.Severity, r.Source)
			}
			return w.Flush()
		}),
	}
}

func (a *app) policyTest() *cobra.Command {
	c := &cobra.Command{
		Use:   "test [DIR]",
		Short: "Try rules on their fixtures: specs that satisfy and specs that break them",
		Long: `Try the rules in DIR, or the built-in ones, on their fixtures:

  DIR/fixtures/base/*.hcl          a spec, what all fixtures share
  DIR/fixtures/ID/pass*/*.hcl      laid over base: satisfies rule ID
  DIR/fixtures/ID/fail*/*.hcl      laid over base: breaks rule ID

A file of a fixture replaces the one of its name in base. In a failing fixture the
comment "# finding" marks the lines the findings must be about.`,
		Args: atMostOne("the directory of rules"),
		RunE: a.does(func(_ context.Context, args []string) error { return a.runPolicyTest(args) }),
	}
	a.calibrationFlag(c)
	return c
}

func atMostOne(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 1 {
			return seeHelp(c, fmt.Errorf("at most one argument is wanted (%s), not %d", what, len(args)))
		}
		return nil
	}
}

// pack is the pack a command line names.
func (a *app) pack(args []string) (*checks.Pack, fs.FS, error) {
	fsys, name := checks.BuiltinFS(), checks.BuiltinName
	if len(args) > 0 {
		fsys, name = os.DirFS(args[0]), args[0]
	}
	p, err := a.loadPack(fsys, name)
	return p, fsys, err
}

func (a *app) runPolicyTest(args []string) error {
	p, fsys, err := a.pack(args)
	if err != nil {
		return err
	}
	coefficients, _, err := a.sizeWith()
	if err != nil {
		return err
	}
	results := checks.Test(p, fsys, func(s *spec.Spec) (any, error) {
		return plan.Make(s, sizing.Size(s, coefficients), plan.Options{Version: version})
	})
	failed := 0
	for _, r := range results {
		if r.Err == nil {
			continue
		}
		failed++
		name := r.Rule
		if r.Fixture != "" {
			name += "/" + r.Fixture
		}
		fmt.Fprintf(a.Stderr, "%s %s: %v\n", a.paint(a.Stderr, "Failed:", "1;31"), name, r.Err)
	}
	if failed > 0 {
		fmt.Fprintf(a.Stderr, "%s: %s, %d of %s failed.\n", p.Name, count(len(p.Rules), "rule"), failed, count(len(results), "fixture"))
		return errShown
	}
	_, err = fmt.Fprintf(a.Stdout, "%s: %s, %s, all as they should be.\n", p.Name, count(len(p.Rules), "rule"), count(len(results), "fixture"))
	return err
}
