package reference

import (
	"bytes"
	"fmt"
	"strings"

	"trunkline/appliance/spec"
)

const driversHead = `
## Drivers

What ` + "`driver`" + ` of a nic and a disk may be. An image for bare metal holds those its spec names, the modules they need,
and the firmware they ask for; nothing else of the kernel's drivers. Sizes are of the modules with what they need, and of the
firmware, packed as in Debian 13.

USB, keyboards and virtual media have none: the UKI holds all that runs, nothing is read after the firmware has started
it, and nobody logs in. A BMC's serial console is a serial port, and its power button is the board's.
`

// drivers lists them by platform and kind.
func drivers(b *bytes.Buffer) {
	b.WriteString(driversHead)
	for _, t := range []struct{ title, platform, kind string }{
		{"Cards, bare metal", spec.PlatformBaremetal, spec.DriverNIC},
		{"Disks, bare metal", spec.PlatformBaremetal, spec.DriverDisk},
		{"In every image for bare metal, by the maker of its processors", spec.PlatformBaremetal, spec.DriverBoard},
		{"Cards of virtual machines, in every image for them", spec.PlatformVM, spec.DriverNIC},
		{"Disks of virtual machines, in every image for them", spec.PlatformVM, spec.DriverDisk},
	} {
		fmt.Fprintf(b, "\n%s:\n\n| driver | hardware | modules | firmware |\n|---|---|---|---|\n", t.title)
		for _, d := range spec.Drivers(t.platform, t.kind) {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", d.Name, d.About, kib(d.ModuleBytes), firmware(d))
		}
	}
}

func firmware(d spec.Driver) string {
	switch {
	case d.Package != "":
		return fmt.Sprintf("%s: `%s` of %s", kib(d.FirmwareBytes), strings.Join(d.Firmware, "`, `"), d.Package)
	case d.FirmwareBytes > 0:
		return kib(d.FirmwareBytes)
	}
	return ""
}

func kib(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d KiB", (n+1023)/1024)
}
