package cli

import (
	"strings"
	"testing"

	"trunkline/appliance/runtime"
	"trunkline/image/vm"
)

// The machine of a try-out has the cards and disks that the image has drivers for.
func TestMachineOfTheSpec(t *testing.T) {
	for driver, want := range map[string]string{"": "", "virtio_net": "virtio-net-pci", "e1000e": "e1000e"} {
		if got, err := cardOf(runtime.NIC{Name: "wan", Driver: driver}); got != want || err != nil {
			t.Errorf("%q: %q, %v", driver, got, err)
		}
	}
	if _, err := cardOf(runtime.NIC{Name: "wan", Driver: "ixgbe"}); err == nil || !strings.Contains(err.Error(), `"ixgbe" of interface "wan"`) || !strings.Contains(err.Error(), "e1000e") {
		t.Errorf("a card that QEMU does not have: %v", err)
	}
	bus, blanks := disksOf([]runtime.Disk{{Driver: "megaraid_sas"}, {Driver: "nvme", Size: 4 << 30}, {}})
	if bus != vm.AHCI || len(blanks) != 2 || blanks[0] != (vm.Blank{Bus: vm.NVMe, Bytes: 4 << 30}) || blanks[1] != (vm.Blank{Bus: vm.Virtio, Bytes: blankBytes}) {
		t.Errorf("%v, %v", bus, blanks)
	}
	if bus, blanks := disksOf(nil); bus != "" || blanks != nil {
		t.Errorf("no disk stated: %v, %v", bus, blanks)
	}
}
