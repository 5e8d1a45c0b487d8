package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// What an appliance does on a machine that is less than the spec says.
const (
	MismatchRefuse = "refuse" // it takes no calls, and says what is missing
	MismatchResize = "resize" // it runs with fewer workers and less state, and says so
	MismatchWarn   = "warn"   // it runs as planned, and says so
)

// consoleRule is a console of the kernel as its command line has it: a device, and of
// a serial port its speed (kernel: Documentation/admin-guide/serial-console.rst).
var consoleRule = regexp.MustCompile(`^(tty[0-9]{1,2}|ttyS[0-9]{1,2}|hvc[0-9])(?:,([0-9]+)(?:([noe])([78])(r)?)?)?$`)

// speeds of serial ports that BMCs and terminal servers have.
var speeds = []int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600}

// console reads the consoles.
func (d *decoder) console(hw *section) []string {
	var out []string
	values, places := hw.texts("console")
	kinds := map[string]hcl.Range{}
	for i, text := range values {
		m := consoleRule.FindStringSubmatch(text)
		if m == nil {
			d.errorf(places[i], "Invalid console", "%q is no console. Write \"tty0\" for the screen, \"ttyS0,115200\" for the first serial port (that of a BMC is often ttyS1), or \"hvc0\" for a hypervisor's.", text)
			continue
		}
		kind := strings.TrimRight(m[1], "0123456789")
		speed, _ := strconv.Atoi(m[2])
		switch first, twice := kinds[kind]; {
		case m[2] != "" && kind != "ttyS":
			d.errorf(places[i], "Speed of a console that has none", "Serial ports alone have a speed. Write %q.", m[1])
		case m[2] != "" && !slices.Contains(speeds, speed):
			d.errorf(places[i], "Invalid console", "No serial port runs at %s bit/s. Write 115200, or what the BMC is set to: \"%s,115200\".", m[2], m[1])
		case twice:
			d.errorf(places[i], "Two consoles of one kind", "The kernel writes to one %s, and that stands at %s already. Remove one of the two.", consoleKind(kind), at(first))
		default:
			kinds[kind] = places[i]
			out = append(out, text)
		}
	}
	return out
}

func consoleKind(kind string) string {
	switch kind {
	case "tty":
		return "screen"
	case "ttyS":
		return "serial port"
	}
	return "console of a hypervisor"
}

// vendor reads the maker of the processors, whose updates go into the image.
func (d *decoder) vendor(cpu *section, platform string) string {
	v := cpu.oneOf("vendor", "", []string{VendorIntel, VendorAMD}, nil)
	if v != "" && platform == PlatformVM {
		d.warnf(cpu.rng("vendor"), "Vendor without effect", "Processors of a virtual machine get their updates from its host. Remove vendor, or write platform = \"baremetal\".")
	}
	return v
}

// driver reads the name of a driver. On bare metal the image has those that the spec
// names and no others.
func (d *decoder) driver(sec *section, platform, kind string) string {
	name := sec.str("driver", "")
	if platform == "" {
		return name // reported
	}
	what := map[string]string{DriverNIC: "card", DriverDisk: "disk"}[kind]
	if name == "" {
		if platform == PlatformBaremetal && !sec.stated("driver") && !sec.typos["driver"] {
			d.errorf(sec.def, "Driver missing", "On bare metal the image holds the drivers that the spec names and no others, so %s would not be found. Write for example driver = %s: `lspci -k` on the machine shows it as \"Kernel driver in use\".", sec.what, sec.schema.attr("driver").example)
		}
		return ""
	}
	if DriverOf(platform, kind, name) != nil {
		return name
	}
	place := sec.rng("driver")
	other := PlatformVM
	if platform == PlatformVM {
		other = PlatformBaremetal
	}
	switch {
	case DriverOf(other, kind, name) != nil && platform == PlatformVM:
		d.errorf(place, "Driver of bare metal", "Images for virtual machines do not have the driver %q. Remove driver, or write platform = \"baremetal\" for a machine with such a %s.", name, what)
	case DriverOf(other, kind, name) != nil:
		d.errorf(place, "Driver of a virtual machine", "Images for bare metal do not have the driver %q. Write that of the %s, or platform = \"vm\".", name, what)
	default:
		var names []string
		for _, x := range Drivers(platform, kind) {
			names = append(names, x.Name)
		}
		d.errorf(place, "Unknown driver", "No driver for a %s is called %q in images for %s. %s", what, name, platform, nearDrivers(name, names))
	}
	return ""
}

// nearDrivers is the likely driver, or all of them.
func nearDrivers(name string, names []string) string {
	if c := closest(name, names); c != "" {
		return fmt.Sprintf("Did you mean %q?", c)
	}
	return "There is " + strings.Join(names, ", ") + "."
}
