package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/proxy/nic"
)

func (p *program) nicsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "nics",
		Short: "Give the receive queues of the interfaces to the CPUs the plan chose",
		Long: `Give the receive queues of the interfaces to the CPUs the plan chose: number of queues,
CPU of each queue's interrupts, steering of packets (RPS). What a card does not offer
is told and left as it is; the appliance starts all the same. It needs root.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, _, err := p.fitted()
			if err != nil {
				return err
			}
			kernel, err := nic.NewKernel()
			if err != nil {
				return refuse(err)
			}
			defer kernel.Close()
			for _, r := range nic.Apply("/", cfg.Hardware.NICs, kernel) {
				if _, err := fmt.Fprintf(p.Stdout, "trunkline: nic %s\n", r); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
