package inspection

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/runtime"
	"trunkline/image/inspect"
	"trunkline/image/inspect/diff"
	"trunkline/image/inventory"
	"trunkline/image/uki"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func digest(c byte) string { return string(bytes.Repeat([]byte{c}, 64)) }

func testImage() *inspect.Image {
	return &inspect.Image{
		FormatVersion: inspect.FormatVersion, Path: "out/edge-fra1/edge-fra1.efi",
		UKI: inspect.UKI{Name: "edge-fra1.efi", Size: 34 << 20, SHA256: digest('a'), Sections: []uki.Section{
			{Name: ".text", Size: 67000, SHA256: digest('1')}, {Name: ".initrd", Size: 22 << 20, SHA256: digest('2')},
		}},
		Kernel: "6.12.1-cloud-amd64", Cmdline: "console=tty0 console=ttyS0,115200 panic=10 loglevel=4 systemd.firstboot=off systemd.show_status=yes",
		OS:     inspect.OS{Name: "Trunkline", Version: "1"},
		Digest: "sha256:" + digest('3'), DigestNamed: "sha256:" + digest('3'),
		Inventory: &inventory.Inventory{
			Profile: "vm", Suite: "trixie", Architecture: "amd64", Lock: "sha256:" + digest('b'),
			Packages: []inventory.Package{
				{Name: "base-files", Version: "13.8", Licenses: []string{}},
				{Name: "libc6", Version: "2.41-12", Licenses: []string{"GPL-2+", "LGPL-2.1+"}},
				{Name: "systemd", Version: "257.9-1~deb13u1", Licenses: []string{"CC0-1.0", "Expat", "GPL-2", "GPL-2+", "LGPL-2.1+"}},
			},
			Programs: []inventory.Program{
				{Path: "init", SHA256: digest('c'), Go: "go1.26.0", Modules: []inventory.Module{{Path: "golang.org/x/sys", Version: "v0.49.0"}}},
				{Path: "usr/bin/sbcd", SHA256: digest('d')},
			},
		},
		Units: []inspect.Unit{
			{Name: "kmod-static-nodes.service", By: []string{"sysinit.target"}, From: inspect.FromPackage},
			{Name: "sbcd.service", By: []string{"multi-user.target"}, From: inspect.FromImage},
			{Name: "systemd-timesyncd.service", By: []string{"sysinit.target"}, From: inspect.FromConfig},
		},
		Hardware: inspect.Hardware{
			KernelModules: 90,
			Drivers: []inspect.Driver{
				{Name: "ahci", Class: "ata"}, {Name: "bonding", Class: "net/bonding"}, {Name: "e1000e", Class: "net/ethernet/intel/e1000e"}, {Name: "nvme", Class: "nvme/host"},
			},
			Firmware:  []inspect.File{{Path: "a.bin", Size: 10}, {Path: "b.bin", Size: 1 << 20}, {Path: "c.bin"}, {Path: "d.bin"}, {Path: "e.bin"}, {Path: "f.bin"}, {Path: "g.bin"}, {Path: "h.bin", Size: 5}},
			Microcode: []inspect.File{{Path: "AuthenticAMD.bin", Size: 147356}},
		},
		Modules: []string{"loop", "erofs", "overlay"},
		Initrd:  []inspect.File{{Path: "init", Mode: "0755", Size: 1 << 20, SHA256: digest('c')}},
		Config: []inspect.File{
			{Path: "etc/hostname", Mode: "0644", Size: 10, SHA256: digest('e')},
			{Path: "etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service", Mode: "0777", Link: "/usr/lib/systemd/system/systemd-timesyncd.service"},
		},
		Root: []inspect.File{{Path: "usr/bin/sbcd", Mode: "0755", Size: 12 << 20, SHA256: digest('d')}},
	}
}

func TestText(t *testing.T) {
	appliance := &runtime.Appliance{Name: "edge-fra1", Site: "fra1", SpecDigest: "sha256:" + digest('f')}
	onDisk := testImage()
	onDisk.DigestNamed = "sha256:" + digest('4')
	onDisk.Path, onDisk.UKI.Name = "edge-fra1.raw", "EFI/Linux/edge-fra1.efi"
	onDisk.UKI.Signatures = []inspect.Signature{{Subject: "CN=edge db", Certificate: digest('7'), NotAfter: time.Date(2036, 1, 2, 0, 0, 0, 0, time.UTC)}}
	onDisk.Disk = &inspect.Disk{LoaderSignatures: []inspect.Signature{{Problem: "the image was changed after it was signed"}}, Size: 262 << 20, ESPBytes: 260 << 20, Files: []inspect.File{
		{Path: "EFI/Linux/edge-fra1.efi", Size: 34 << 20, SHA256: digest('a')}, {Path: "loader/loader.conf", Size: 54, SHA256: digest('9')},
	}}
	onDisk.Measured = &inspect.Measured{Value: digest('8'), Key: digest('9')}
	older := testImage()
	older.Inventory, older.Config, older.Hardware = nil, nil, inspect.Hardware{}
	older.Digest, older.DigestNamed = "", ""
	for name, c := range map[string]struct {
		img       *inspect.Image
		appliance *runtime.Appliance
		o         Options
	}{
		"image":     {testImage(), appliance, Options{Width: 80}},
		"full":      {testImage(), appliance, Options{Width: 80, Full: true}},
		"disk":      {onDisk, appliance, Options{Width: 80}},
		"no-record": {older, nil, Options{Width: 80}},
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := Text(&got, c.img, c.appliance, c.o); err != nil {
				t.Fatal(err)
			}
			golden(t, name, got.Bytes())
		})
	}
}

// golden compares with a golden file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("(-want +got); if that is meant, run go test ./tools/report/inspection -update\n%s", d)
	}
}

func TestChanges(t *testing.T) {
	after := testImage()
	after.Path, after.Digest, after.Kernel = "next.efi", "sha256:"+digest('5'), "6.12.2-cloud-amd64"
	after.DigestNamed, after.UKI.SHA256 = after.Digest, digest('6')
	after.Cmdline += " quiet"
	after.Inventory.Packages[1].Version = "2.41-13"
	after.Inventory.Packages[2].Name = "systemd-ng"
	after.Units = after.Units[:2]
	after.Config = []inspect.File{{Path: "etc/hostname", Mode: "0600", Size: 10, SHA256: digest('e')}}
	after.UKI.Sections[0].SHA256 = digest('7')
	for i := range 30 {
		after.Root = append(after.Root, inspect.File{Path: "usr/lib/modules/" + string(rune('a'+i)), Mode: "0644", Size: 1 << 10})
	}
	older := testImage()
	older.Digest, older.DigestNamed = "", ""
	for name, c := range map[string]struct {
		before, after *inspect.Image
		o             Options
	}{
		"changes":      {testImage(), after, Options{Width: 80}},
		"changes-full": {testImage(), after, Options{Width: 80, Full: true}},
		"changes-none": {older, older, Options{Width: 80}},
	} {
		var got bytes.Buffer
		if err := Changes(&got, diff.Compare(c.before, c.after), c.o); err != nil {
			t.Fatal(err)
		}
		golden(t, name, got.Bytes())
	}
}
