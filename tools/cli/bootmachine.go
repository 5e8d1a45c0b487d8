package cli

import (
	"fmt"
	"strings"

	"trunkline/appliance/runtime"
	"trunkline/image/vm"
)

// cardOf is the card of QEMU that an interface of the spec can be; empty: any.
func cardOf(n runtime.NIC) (string, error) {
	if n.Driver == "" {
		return "", nil
	}
	model, ok := vm.NICModel(n.Driver)
	if !ok {
		return "", fmt.Errorf("QEMU has no card for driver %q of interface %q; it has cards for %s: boot the image on its machine, or one with such a driver here", n.Driver, n.Name, strings.Join(vm.NICDrivers(), ", "))
	}
	return model, nil
}

// busOf is where QEMU has a disk for a driver; one it has none for hangs off the chipset,
// which any firmware starts from: the appliance reads nothing from it.
func busOf(driver string) vm.Bus {
	switch driver {
	case "", "virtio_blk":
		return vm.Virtio
	case "nvme":
		return vm.NVMe
	}
	return vm.AHCI
}

// blankBytes is the size of a disk whose size the spec does not say.
const blankBytes = 1 << 30

// disksOf are the disks of the machine: the image is on the first, the others are empty.
func disksOf(disks []runtime.Disk) (bus vm.Bus, blanks []vm.Blank) {
	for i, d := range disks {
		if i == 0 {
			bus = busOf(d.Driver)
			continue
		}
		blanks = append(blanks, vm.Blank{Bus: busOf(d.Driver), Bytes: int64(max(d.Size, blankBytes))})
	}
	return bus, blanks
}
