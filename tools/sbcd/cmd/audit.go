package cmd

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"trunkline/tools/sbcd/audit"
)

func (p *program) auditCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "audit",
		Short: "Look from within at what is open, writable and executable, and at the kernel's settings",
		Long: `Look from within at what is open, writable and executable, and at the kernel's settings:
sockets against the listeners of the spec, sysctls against the files that set them, lockdown,
mounts, set-id bits and shells. One line for each check; exit status 1 when one fails. It needs root.

An appliance has nobody to run commands. It runs this one after sbcd, with the console as its
output, when the machine hands it a credential named trunkline.audit, whatever is in it.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			failed := 0
			checks := audit.Run(os.DirFS("/"), cfg)
			for _, c := range checks {
				if len(c.Bad) > 0 {
					failed++
				}
				if _, err := fmt.Fprintf(p.Stdout, "trunkline: audit: %s\n", c); err != nil {
					return err
				}
			}
			if failed > 0 {
				return fmt.Errorf("audit: %d of %d checks failed", failed, len(checks))
			}
			_, err = fmt.Fprintf(p.Stdout, "trunkline: audit: all %d checks hold\n", len(checks))
			return err
		},
	}
}
