package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands is one run of the program.
type commands struct {
	Env
	started bool // a command's own work has begun: its errors are not about usage
}

const about = `Trunkline turns a spec, a directory of *.hcl files, into a sized and bootable
SIP session border controller.

  trunkline validate SPEC    is it right?
  trunkline plan SPEC        what does it need, and what saturates first?
  trunkline build SPEC       the image
  trunkline boot OUT/NAME    the image in a virtual machine, with a call through it`

func (c *commands) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "trunkline",
		Short:         "Spec in, bootable session border controller out",
		Long:          about,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
		CompletionOptions:          cobra.CompletionOptions{HiddenDefaultCmd: true},
		SuggestionsMinimumDistance: 2,
	}
	root.SetOut(c.Stdout)
	root.SetErr(c.Stderr)
	root.AddCommand(
		c.validate(), c.plan(), c.bake(), c.version(),
	)
	return root
}

func unknownCommand(root *cobra.Command, name string) error {
	if s := root.SuggestionsFor(name); len(s) > 0 {
		return fmt.Errorf("there is no command %q. Did you mean %q?", name, s[0])
	}
	return fmt.Errorf("there is no command %q", name)
}

// does makes f the work of a command: what goes wrong from there on is not a
// mistake in the command line.
func (c *commands) does(f func(context.Context, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c.started = true
		return f(cmd.Context(), args)
	}
}

// one asks for exactly one argument and says which.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one argument, %s; %d given", cmd.CommandPath(), what, len(args))
		}
		return nil
	}
}

const specArgument = "the directory of a spec"

// doubleDashes gives long flags written with one dash, as Go programs and
// Terraform have them, their second one: pflag would read -json as -j -s -o -n.
func doubleDashes(root *cobra.Command, args []string) []string {
	long := map[string]bool{"help": true}
	for _, cmd := range root.Commands() {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { long[f.Name] = true })
	}
	out := make([]string, len(args))
	for i, a := range args {
		if a == "--" {
			copy(out[i:], args[i:])
			break
		}
		out[i] = a
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			if name, _, _ := strings.Cut(a[1:], "="); long[name] {
				out[i] = "-" + a
			}
		}
	}
	return out
}
