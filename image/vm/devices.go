package vm

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Bus is what a disk hangs off.
type Bus string

// Buses.
const (
	Virtio Bus = "virtio"
	NVMe   Bus = "nvme"
	AHCI   Bus = "ahci" // SATA, the controller of the chipset
)

// Blank is an empty disk beside the one the machine starts from. What is written to it
// is lost.
type Blank struct {
	Bus   Bus
	Bytes int64
}

// MismatchCredential is how an appliance is told to run on a machine with less than its
// spec says (sbcd preflight).
const MismatchCredential = "trunkline.mismatch"

// nicModels are the cards of QEMU by the Linux driver they need.
var nicModels = map[string]string{
	"virtio_net": "virtio-net-pci", "vmxnet3": "vmxnet3",
	"e1000": "e1000", "e1000e": "e1000e", "igb": "igb",
}

// NICModel is the card of QEMU that a Linux driver serves.
func NICModel(driver string) (model string, ok bool) {
	model, ok = nicModels[driver]
	return model, ok
}

// NICDrivers are the drivers there is a card for, sorted.
func NICDrivers() []string { return slices.Sorted(maps.Keys(nicModels)) }

// device is the -device of a disk whose drive has that id.
func (b Bus) device(id string) (string, error) {
	switch b {
	case "", Virtio:
		return "virtio-blk-pci,drive=" + id, nil
	case NVMe:
		return "nvme,drive=" + id + ",serial=" + id, nil
	case AHCI:
		return "ide-hd,drive=" + id, nil
	}
	return "", fmt.Errorf("disk %s: no bus is called %q", id, b)
}

// blanks are QEMU's options for the empty disks.
func (c *Config) blanks() ([]string, error) {
	var out []string
	for i, d := range c.Blanks {
		id := fmt.Sprintf("blank%d", i)
		dev, err := d.Bus.device(id)
		if err != nil {
			return nil, err
		}
		out = append(out, "-blockdev", fmt.Sprintf("driver=null-co,node-name=%s,size=%d,read-zeroes=on", id, d.Bytes), "-device", dev)
	}
	return out, nil
}

// virtual reports whether the machine has devices of a hypervisor.
func (c *Config) virtual() bool {
	return c.Bus == "" || c.Bus == Virtio || slices.ContainsFunc(c.NICs, func(n NIC) bool { return n.Model == "" || strings.HasPrefix(n.Model, "virtio") })
}

// credentials are those handed to the guest.
func (c *Config) credentials() map[string][]byte {
	if c.AsPlanned || c.Credentials[MismatchCredential] != nil {
		return c.Credentials
	}
	out := maps.Clone(c.Credentials)
	if out == nil {
		out = map[string][]byte{}
	}
	out[MismatchCredential] = []byte("warn")
	return out
}
