package cli

import (
	"trunkline/appliance/spec"
	"trunkline/image"
	"trunkline/image/debian"
)

// extras are the packages that the specs need beside every appliance's: of their machines,
// and of media relays on them.
func extras(specs []*spec.Spec) []debian.Extra {
	var out []debian.Extra
	for _, s := range specs {
		for _, p := range s.Packages() {
			out = append(out, debian.Extra{Name: p.Name, Component: p.Component})
		}
	}
	return out
}

// machineOf is what the image holds for its machine.
func machineOf(h spec.Hardware) image.Hardware {
	out := image.Hardware{Microcode: h.Makers()}
	for _, n := range h.Needs() {
		out.Drivers = append(out.Drivers, image.Driver{Name: n.Name, Modules: n.KernelModules(), Firmware: n.Firmware})
	}
	return out
}
