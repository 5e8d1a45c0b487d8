package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const about = `Trunkline turns a spec, a directory of *.hcl files, into a sized and bootable
SIP session border controller.

  trunkline init NAME        a commented spec to start from
  trunkline validate SPEC    is it right?
  trunkline plan SPEC        what does it need, and what saturates first?
  trunkline diff A B         what does a change do?
  trunkline build SPEC       the image, in out/NAME
  trunkline boot out/NAME    the image in a virtual machine, with calls through it
  trunkline inspect out/NAME what is in the image
  trunkline publish out/NAME for the appliances that update themselves`

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "trunkline",
		Short:         "Spec in, bootable session border controller out",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	// Asked for by habit; the command says more.
	root.Version = version
	root.SetVersionTemplate("trunkline {{.Version}}\n")
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.AddCommand(a.validate(), a.plan(), a.bake(), a.lock(), a.build(), a.verify(), a.boot(), a.keys(), a.inspect(), a.version())
	root.AddCommand(a.init(), a.fmt(), a.upgrade(), a.reference(), a.schema())
	root.AddCommand(a.diff())
	root.AddCommand(a.policyCommand(), a.cache(), a.publish(), a.calibrate())
	root.AddCommand(topics()...)
	shells(root)
	complete(root)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return seeHelp(c, err) })
	return root
}

// seeHelp adds where to look to an error about the command line.
func seeHelp(c *cobra.Command, err error) error {
	return fmt.Errorf("%w; see `%s --help`", err, c.CommandPath())
}

// does makes f the work of a command: what goes wrong from there on is no
// mistake in the command line.
func (a *app) does(f func(context.Context, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		a.started = true
		return f(c.Context(), args)
	}
}

// oneArg asks for exactly one argument, called what.
func oneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch len(args) {
		case 1:
			return nil
		case 0:
			return seeHelp(c, fmt.Errorf("%s is missing", what))
		}
		return seeHelp(c, fmt.Errorf("one argument is wanted (%s), not %d: %s", what, len(args), strings.Join(args, " ")))
	}
}

// noArgs asks for none.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return seeHelp(c, fmt.Errorf("no argument is wanted, not %q", args[0]))
	}
	return nil
}

// doubleDashes gives long flags written with one dash, as Go programs and
// Terraform have them, their second one: pflag would read -json as -j -s -o -n.
func doubleDashes(root *cobra.Command, args []string) []string {
	long := []string{"help", "version"}
	var collect func(*cobra.Command)
	collect = func(c *cobra.Command) {
		c.Flags().VisitAll(func(f *pflag.Flag) { long = append(long, f.Name) })
		for _, sub := range c.Commands() {
			collect(sub)
		}
	}
	collect(root)
	out := slices.Clone(args)
	for i, arg := range out {
		if arg == "--" {
			break
		}
		if rest, ok := strings.CutPrefix(arg, "-"); ok {
			if name, _, _ := strings.Cut(rest, "="); slices.Contains(long, name) {
				out[i] = "-" + arg
			}
		}
	}
	return out
}
