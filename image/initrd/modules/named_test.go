package modules

import (
	"errors"
	"slices"
	"testing"
)

// Modules are asked for by name; one that is not there is told with what it may have been.
func TestNamed(t *testing.T) {
	l := &Library{byName: map[string]string{"ixgbe": "kernel/ixgbe.ko", "igb": "kernel/igb.ko", "igbvf": "kernel/igbvf.ko", "nvme": "kernel/nvme.ko"}, builtin: []byte("kernel/drivers/x/ahci-lib.ko\n")}
	got, err := l.named([]string{"igb", "ahci_lib", "nvme"})
	if err != nil || !slices.Equal(got, []string{"igb", "nvme"}) {
		t.Errorf("%v, %v", got, err)
	}
	_, err = l.named([]string{"nvme", "ixgb"})
	var unknown *UnknownModule
	if !errors.As(err, &unknown) || unknown.Name != "ixgb" || !slices.Equal(unknown.Near, []string{"igb", "ixgbe"}) {
		t.Errorf("%v", err)
	}
	if _, err = l.named([]string{"floppy"}); err == nil || err.Error() != "the kernel package has no module floppy" {
		t.Errorf("%v", err)
	}
}
