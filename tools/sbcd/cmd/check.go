package cmd

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/engine"
	"trunkline/proxy/route"
	"trunkline/proxy/warm"
)

func (p *program) checkCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "check",
		Short: "Say whether this program can run a configuration",
		Long: `Say whether this program can run a configuration, as ` + "`sbcd run`" + ` would before it loads
or opens anything. A running proxy asks the program that is to follow it (SIGUSR2).`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, _, err := p.fitted()
			if err != nil {
				return err
			}
			if err := p.check(cfg); err != nil {
				return refuse(err)
			}
			_, err = fmt.Fprintf(p.Stdout, "%s: sbcd %s can run it\n", cfg.Name, version)
			return err
		},
	}
	p.configFlag(c)
	p.reportFlag(c)
	return c
}

func (p *program) check(cfg *runtime.Appliance) error {
	if err := supported(cfg); err != nil {
		return err
	}
	router, err := route.New(cfg)
	if err != nil {
		return err
	}
	sets, err := dispatch.New(cfg)
	if err != nil {
		return err
	}
	if _, err := newNames(cfg, sets, p.logger()); err != nil {
		return err
	}
	_, err = warm.New(cfg, router, warm.Options{Log: p.logger(), StateDir: p.stateDir("caches")})
	return err
}

// supported says what of a configuration this version cannot run.
func supported(cfg *runtime.Appliance) error {
	missing := engine.Unsupported(cfg)
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this version cannot run what the configuration asks for: %s: take it out of the spec, or use a version that can", strings.Join(missing, "; "))
}
