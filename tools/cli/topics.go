package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/appliance/spec"
	"trunkline/image/debian"
)

// topics are pages of help that belong to no command.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{
			Use:   "exit-codes",
			Short: "What the exit status of a command means",
			Long: fmt.Sprintf(`The exit status of every command is one of these:

  %-3d  the command did what was asked
  %-3d  the input is refused, or the work failed: standard error says why and what to
       do. A plan with an error is printed all the same, and so is a spec's report
  %-3d  the command line is wrong
  %-3d  fmt -check and upgrade -check: a file would be rewritten
  %-3d  a signal ended the command; nothing half-written is left

diff -detailed-exitcode has a meaning of its own for %d: something changes. There a
wrong command line gives %d.

Warnings refuse only with -strict. Parts of a spec that this version cannot run refuse
build and bake, and are told by validate, plan and diff, whose exit status they leave
alone.`, exitOK, exitRefused, exitUsage, exitUnformatted, exitInterrupted, exitChanges, exitRefused),
		},
		{
			Use:   "environment",
			Short: "The environment variables that commands read",
			Long: fmt.Sprintf(`Flags win over the environment. What commands read there:

  %-22s value of the variable NAME of a spec
  %-22s Debian mirror to take packages from (lock, build)
  %-22s directory of packages and base layers (build)
  %-22s file of coefficients to size with (plan, diff, bake, build, policy test)
  %-22s seconds since 1970: the day waivers are judged by
  %-22s when set to anything: no colour
  %-22s "dumb": no colour and no moving bars`,
				spec.VariablePrefix+"NAME", debian.MirrorVariable, debian.CacheVariable, calibrationVariable, epochVariable, "NO_COLOR", "TERM"),
		},
	}
}
