package inspect

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/image/initrd"
)

func TestHardware(t *testing.T) {
	ucode, err := initrd.Microcode(map[string][]byte{"amd": []byte("amd's"), "intel": []byte("intel's")})
	if err != nil {
		t.Fatal(err)
	}
	const modules = "usr/lib/modules/6.12.1-amd64/"
	root := []File{
		{Path: "usr/bin/sbcd", Size: 1},
		{Path: "usr/lib/firmware/rtl_nic/rtl8168g-2.fw", Size: 2},
		{Path: modules + "kernel/drivers/nvme/host/nvme.ko.xz", Size: 3},
		{Path: modules + "kernel/drivers/net/ethernet/intel/e1000e/e1000e.ko", Size: 4},
		{Path: modules + "kernel/fs/ext4/ext4.ko.xz", Size: 5},
		{Path: modules + "modules.dep.bin", Size: 6},
	}
	got, err := hardware(root, ucode)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got.Microcode {
		got.Microcode[i] = File{Path: got.Microcode[i].Path, Size: got.Microcode[i].Size}
	}
	want := Hardware{
		KernelModules: 3,
		Drivers:       []Driver{{"e1000e", "net/ethernet/intel/e1000e", 4}, {"nvme", "nvme/host", 3}},
		Firmware:      []File{{Path: "rtl_nic/rtl8168g-2.fw", Size: 2}},
		Microcode:     []File{{Path: "AuthenticAMD.bin", Size: 5}, {Path: "GenuineIntel.bin", Size: 7}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got, err := hardware(nil, nil); err != nil || got.KernelModules != 0 || got.Drivers == nil || got.Firmware == nil || got.Microcode == nil {
		t.Errorf("an image without: %+v, %v", got, err)
	}
	if _, err := hardware(nil, []byte("no archive")); err == nil {
		t.Error("microcode that is no archive is read")
	}
}
