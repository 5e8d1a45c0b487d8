package storage

import (
	"os"
	"os/exec"
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

// What a power cut left of the file system is mended and told; what cannot be mended without
// asking somebody is an error.
func TestCheck(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	file := filepath.Join(t.TempDir(), "state.ext4")
	run := func(name string, args ...string) {
		t.Helper()
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, out)
		}
	}
	run("mke2fs", "-q", "-t", "ext4", file, "16M")
	if mended, err := check(t.Context(), file); err != nil || mended != "" {
		t.Errorf("a sound file system: %q, %v", mended, err)
	}
	for _, damage := range []string{"set_super_value free_inodes_count 1", "set_inode_field <11> links_count 5", "set_super_value state 0"} {
		run("debugfs", "-w", "-R", damage, file)
	}
	mended, err := check(t.Context(), file)
	if err != nil || mended == "" || len(mended) > maxMended || strings.ContainsAny(mended, "\n") {
		t.Errorf("a damaged file system: %q, %v", mended, err)
	}
	if mended, err := check(t.Context(), file); err != nil || mended != "" {
		t.Errorf("once mended: %q, %v", mended, err)
	}
	run("debugfs", "-w", "-R", "clri <2>", file)
	run("debugfs", "-w", "-R", "set_super_value state 0", file)
	if mended, err := check(t.Context(), file); err == nil || !strings.Contains(err.Error(), "does not mend it by itself") {
		t.Errorf("a file system without a root: %q, %v", mended, err)
	}
}
