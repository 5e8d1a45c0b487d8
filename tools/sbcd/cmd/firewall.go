package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"trunkline/policies/firewall"
	"trunkline/policies/firewall/netlink"
)

func (p *program) firewallCommand() *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "firewall",
		Short: "Load the packet filter of the configuration into the kernel",
		Long: `Load the packet filter of the configuration into the kernel, in one transaction:
no packet is ever judged by half a ruleset, and on an error the old one stands.
It needs CAP_NET_ADMIN.`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := p.load()
			if err != nil {
				return err
			}
			rs, err := firewall.Compile(cfg)
			if err != nil {
				return refuse(err)
			}
			done, do := "loaded", netlink.Apply
			if check {
				done, do = "as configured", netlink.Check
			}
			if err := do(rs, netlink.Options{}); err != nil {
				return refuse(err)
			}
			if rs.Disabled {
				done = "disabled by the configuration"
			}
			_, err = fmt.Fprintf(p.Stdout, "trunkline: firewall %s name=%s listeners=%d\n", done, cfg.Name, len(cfg.Listeners))
			return err
		},
	}
	p.configFlag(c)
	c.Flags().BoolVar(&check, "check", false, "change nothing: compare what the kernel holds with the configuration")
	return c
}
