package plan

import (
	"math"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// Image is what the image holds for its machine, or for relays on it, alone.
type Image struct {
	Drivers   []Driver `json:"drivers"`   // in the order of the spec, then those of every board
	Microcode []string `json:"microcode"` // makers of processors whose updates it brings, sorted
	Packages  []string `json:"packages"`  // of the archive, beside those of every image
}

// Driver is a driver the image has.
type Driver struct {
	Name     string   `json:"name"`
	Why      string   `json:"why"`                // "nic wan", "disk system", or what it is for
	Modules  []string `json:"modules"`            // of the kernel; what they need comes with them
	Firmware []string `json:"firmware,omitempty"` // patterns of files it needs, below /usr/lib/firmware
	Package  string   `json:"package,omitempty"`  // that has them
	// Sizes are those of Debian 13 when this version was made, bytes: the modules as
	// packed with all they need, and all firmware they may ask for.
	ModuleBytes   int `json:"module_bytes"`
	FirmwareBytes int `json:"firmware_bytes,omitempty"`
}

// machine is what an image holds beside every other: for bare metal its drivers, and what
// relays on the appliance need. nil: nothing, for an image for virtual machines has all
// drivers there are for those.
func machine(s *spec.Spec) *Image {
	needs, packages := s.Hardware.Needs(), s.Packages()
	if needs == nil && len(packages) == 0 {
		return nil
	}
	out := &Image{Drivers: []Driver{}, Microcode: append([]string{}, s.Hardware.Makers()...), Packages: []string{}}
	for _, n := range needs {
		out.Drivers = append(out.Drivers, Driver{
			Name: n.Name, Why: n.Why, Modules: n.KernelModules(), Firmware: n.Firmware, Package: n.Package,
			ModuleBytes: n.ModuleBytes, FirmwareBytes: n.FirmwareBytes,
		})
	}
	for _, p := range packages {
		out.Packages = append(out.Packages, p.Name)
	}
	return out
}

func mismatch(s *spec.Spec) string {
	if s.Hardware.Mismatch == "" {
		return runtime.MismatchRefuse
	}
	return s.Hardware.Mismatch
}

func disks(h spec.Hardware) []runtime.Disk {
	var out []runtime.Disk
	for _, d := range h.Disks {
		out = append(out, runtime.Disk{Name: d.Name, Path: d.Path, Size: d.Size, Driver: boundName(h.Platform, spec.DriverDisk, d.Driver)})
	}
	return out
}

// boundName is what the kernel says of a device that the driver serves.
func boundName(platform, kind, name string) string {
	if d := spec.DriverOf(platform, kind, name); d != nil {
		return d.BoundName()
	}
	return ""
}

// resize takes out of the budget what a smaller machine needs to be planned for; nil:
// the spec does not want that.
func resize(s *spec.Spec, b *sizing.Budget) *runtime.Resize {
	if s.Hardware.Mismatch != spec.MismatchResize {
		return nil
	}
	out := &runtime.Resize{Datagrams: []float64{}}
	for _, l := range b.Listeners {
		out.Datagrams = append(out.Datagrams, sharedBy(l.Listener, l.Workers))
	}
	total, other := float64(s.Hardware.Memory), 0.0
	for _, m := range b.Memory {
		f := m.Bytes
		switch f.ID {
		case "memory.free", "memory.shm", "memory.sockets":
			continue
		case "memory.kernel":
			out.KernelShare = input(f, "kernel_share")
			other -= total * out.KernelShare
		case "memory.process":
			out.Slack = input(f, "gc_slack")
			other -= b.SHMTotal.Value * out.Slack
		}
		other += f.Value
	}
	out.Other = uint64(math.Max(0, math.Ceil(other)))
	return out
}

// sharedBy is what a listener's workers were shared out by; 0: they were not.
func sharedBy(listener string, workers sizing.Figure) float64 {
	for _, in := range workers.Inputs {
		if in.Name == "listener."+listener+".datagrams_in" {
			return in.Value
		}
	}
	return 0
}

func input(f sizing.Figure, name string) float64 {
	for _, in := range f.Inputs {
		if in.Name == name {
			return in.Value
		}
	}
	return 0
}
