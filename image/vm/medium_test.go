package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a machine boots from follows from what is in the file.
func TestMedium(t *testing.T) {
	dir := t.TempDir()
	iso := make([]byte, 40<<10)
	copy(iso[32769:], "CD001")
	for _, c := range []struct {
		name, contents string
		usb            bool
		want           string // in the options; empty: an error
	}{
		{"a.raw", "\x00\x00", false, "if=none,id=disk,format=raw,snapshot=on,file=DIR/a.raw -device virtio-blk-pci,drive=disk,bootindex=0"},
		{"empty", "", false, "format=raw,snapshot=on"},
		{"a.qcow2", "QFI\xfb\x00", false, "format=qcow2,snapshot=on,file=DIR/a.qcow2 -device virtio-blk-pci"},
		{"a.iso", string(iso), false, "format=raw,media=cdrom,readonly=on,file=DIR/a.iso -device ide-cd,drive=disk,bootindex=0"},
		{"a.iso", string(iso), true, "-device usb-storage,drive=disk,bootindex=0"},
		{"a.efi", "MZ", false, "restrict=on,ipv6=off,net=192.0.2.0/24,tftp=DIR,bootfile=a.efi -device virtio-net-pci,romfile=,netdev=boot,bootindex=0"},
		{"a.efi", "MZ", true, ""},
		{"a,b.efi", "MZ", false, ""},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, []byte(c.contents), 0o600); err != nil {
			t.Fatal(err)
		}
		kind, err := mediumOf(path)
		if err != nil {
			t.Fatal(err)
		}
		args, err := (&Config{Disk: path, USB: c.usb}).bootArgs(kind)
		got := strings.ReplaceAll(strings.Join(args, " "), dir, "DIR")
		if (err != nil) != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s (USB: %v): %s, %v", c.name, c.usb, got, err)
		}
	}
	if _, err := mediumOf(filepath.Join(dir, "gone")); !os.IsNotExist(unwrapped(err)) {
		t.Errorf("no file: %v", err)
	}
}

func unwrapped(err error) error {
	if u, ok := err.(interface{ Unwrap() error }); ok {
		return u.Unwrap()
	}
	return err
}

// A machine without a disk boots from the network of a NIC that says so, and of no other.
func TestBootFromNIC(t *testing.T) {
	fw := Firmware{Code: "c", Vars: "v"}
	c := Config{QEMU: "q", Firmware: fw, Accel: TCG, NICs: []NIC{{Boot: true, Backend: Tap{"boot0"}}, {Backend: Tap{"tap0"}}}}
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	args, err := c.args(func(*os.File) int { return 3 }, nil, nil)
	line := strings.Join(args, " ")
	if err != nil || strings.Count(line, "bootindex") != 1 || !strings.Contains(line, "netdev=n0,mac=52:54:00:74:6b:00,bootindex=0") || strings.Contains(line, "drive=disk") {
		t.Errorf("%s, %v", line, err)
	}
	if c := (Config{QEMU: "q", Firmware: fw, NICs: []NIC{{Backend: Tap{"tap0"}}}}); c.complete() == nil {
		t.Error("a machine with nothing to boot from is started")
	}
}
