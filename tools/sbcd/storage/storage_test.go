package storage

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The disk of a partition and its state partition are found in sysfs, those of other disks
// are not.
func TestDisk(t *testing.T) {
	root := t.TempDir()
	class := filepath.Join(root, "class/block")
	if err := os.MkdirAll(class, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, label := range map[string]string{
		"devices/pci0/vda": "", "devices/pci0/vda/vda1": "ESP", "devices/pci0/vda/vda2": Label,
		"devices/nvme/nvme0n1": "", "devices/nvme/nvme0n1/nvme0n1p1": "ESP", "devices/nvme/nvme0n1/nvme0n1p3": Label + "s",
	} {
		dir := filepath.Join(root, path)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		uevent := "DEVTYPE=disk\n"
		if label != "" {
			uevent = "DEVTYPE=partition\nPARTNAME=" + label + "\n"
			if err := os.WriteFile(filepath.Join(dir, "partition"), []byte("1\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, "uevent"), []byte(uevent), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(dir, filepath.Join(class, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	for partition, want := range map[string][2]string{"vda1": {"vda", "vda2"}, "nvme0n1p1": {"nvme0n1", ""}} {
		disk, err := parent(class, partition)
		if err != nil || disk != want[0] {
			t.Errorf("%s is of %q, %v, want %q", partition, disk, err, want[0])
		}
		if state, err := labelled(class, disk); err != nil || state != want[1] {
			t.Errorf("the state partition of %s is %q, %v, want %q", disk, state, err, want[1])
		}
	}
	if _, err := parent(class, "vda"); err == nil || !strings.Contains(err.Error(), "no partition of a disk") {
		t.Errorf("a disk as partition: %v", err)
	}
	if _, err := parent(class, "sdx1"); err == nil {
		t.Error("a partition that is not there")
	}
}
