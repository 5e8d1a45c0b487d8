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
  %-3d  fmt, upgrade and lock --check: a file would be rewritten
  %-3d  a signal ended the command; nothing half-written is left

diff --detailed-exitcode has a meaning of its own for %d: something changes. There a
wrong command line gives %d.

Warnings refuse only with --strict. Parts of a spec that this version cannot run refuse
build and bake, and are told by validate, plan and diff, whose exit status they leave
alone.`, exitOK, exitRefused, exitUsage, exitUnformatted, exitInterrupted, exitChanges, exitRefused),
		},
		{
			Use:   "calibration",
			Short: "Sizing with coefficients of your own",
			Long: `The figures of a plan rest on coefficients: what one call costs, how much memory a
slot takes, how long a worker may stall. Those of this version say where they were
measured; plan --full shows each with its source. Where yours are measured, a file
of coefficient blocks replaces them:

  coefficient "cpu_per_call" {
    value  = 0.0002
    unit   = "s"
    range  = [0.00017, 0.00022]   # optional: lowest and highest measured
    source = "our load test, run 7"
    date   = "2026-11"
  }

"trunkline calibrate" measures some of them on the machine it runs on, and writes
such a file. What the file leaves out keeps its value. It lies outside the directory of a spec,
whose *.hcl are the spec. plan, diff, bake, build and policy test take it with
--calibration FILE, or from ` + calibrationVariable + `; the flag wins.

A plan records the name and the digest of the file. build --plan refuses a plan that
was sized with another one, and diff warns of two sides that were.`,
		},
		{
			Use:   "environment",
			Short: "The environment variables that commands read",
			Long: fmt.Sprintf(`Flags win over the environment. What commands read there:

  %-26s value of the variable NAME of a spec
  %-26s Debian mirror to take packages from (lock, build, verify, cache)
  %-26s directory of packages and base layers (build, verify, cache)
  %-26s file of coefficients to size with (plan, diff, bake, build, policy test)
  %-26s private key to sign images with (build, verify)
  %-26s its certificate (build, verify)
  %-26s private key to sign what a TPM holds with (build, verify)
  %-26s its public key (build, verify)
  %-26s seconds since 1970: the day waivers and certificates are judged by
  %-26s when set to anything: no colour
  %-26s "dumb": no colour and no moving bars`,
				spec.VariablePrefix+"NAME", debian.MirrorVariable, debian.CacheVariable, calibrationVariable,
				secureKeyVariable, secureCertVariable, pcrKeyVariable, pcrPublicVariable, epochVariable, "NO_COLOR", "TERM"),
		},
	}
}
