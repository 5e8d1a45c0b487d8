package cmd

import (
	"log/slog"
	"net/netip"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/resolve"
)

// resolveWithin is how long the start waits for the names of destinations.
const resolveWithin = 5 * time.Second

// newNames makes the names of the configuration's destinations; nil without any.
func newNames(cfg *runtime.Appliance, sets *dispatch.Sets, log *slog.Logger) (*resolve.Names, error) {
	return sets.Names(cfg.Listeners, resolve.Options{Servers: cfg.Resolvers, Own: own(cfg), Log: log})
}

// own are the addresses of the appliance: a name that leads there would send its calls
// back.
func own(cfg *runtime.Appliance) []netip.Addr {
	var out []netip.Addr
	for _, l := range cfg.Listeners {
		out = append(out, l.Address.Addr().Unmap())
	}
	for _, n := range cfg.Hardware.NICs {
		for _, p := range n.Addresses {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out
}
