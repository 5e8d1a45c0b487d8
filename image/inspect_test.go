package image

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/image/imagetest"
	"trunkline/image/inspect"
	"trunkline/image/inventory"
	"trunkline/image/uki"
)

func mustInspect(t *testing.T, path string) *inspect.Image {
	t.Helper()
	img, err := inspect.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func paths(files []inspect.File) []string {
	var out []string
	for _, f := range files {
		out = append(out, f.Path)
	}
	return out
}

// What was built is read back out of the image: as a UKI, as a disk and by its
// directory.
func TestInspectWhatWasBuilt(t *testing.T) {
	r := request(t)
	r.Cmdline, r.Version = "extra=1", "1.4.2"
	r.Config = append(r.Config,
		File{Path: "etc/trunkline/secret.json", Mode: 0o600, Data: []byte("{}\n")},
		File{Path: "etc/systemd/system/sysinit.target.wants/ntp.service", Link: "/usr/lib/systemd/system/ntp.service"})
	res := mustBuild(t, r)
	img := mustInspect(t, res.UKI.Path)

	if img.UKI.SHA256 != res.UKI.SHA256 || img.UKI.Size != res.UKI.Size || img.UKI.Name != "edge-test.efi" || len(img.UKI.Signatures) != 0 || img.Disk != nil {
		t.Errorf("UKI %+v, disk %v; built %+v", img.UKI, img.Disk, res.UKI)
	}
	if img.Digest != res.Digest || img.DigestNamed != res.Digest || img.Changed() != nil {
		t.Errorf("digest %s, named %s, built %s", img.Digest, img.DigestNamed, res.Digest)
	}
	if img.Cmdline != "console=tty0 console=ttyS0,115200 "+DefaultCmdline+" extra=1 "+uki.DigestParameter+"="+res.Digest || img.Kernel != imagetest.Release || img.OS != (inspect.OS{Name: "Trunkline", Version: "1", ImageID: "edge-test", ImageVersion: "1.4.2"}) {
		t.Errorf("command line %q, kernel %q, system %+v", img.Cmdline, img.Kernel, img.OS)
	}
	if want := []string{"etc/hostname", "etc/os-release", "etc/systemd/system/sysinit.target.wants/ntp.service", "etc/trunkline/secret.json"}; !slices.Equal(paths(img.Config), want) {
		t.Errorf("config layer: %v", paths(img.Config))
	}
	if f := img.Config[3]; f.Mode != "0600" || f.SHA256 != sum([]byte("{}\n")) || string(img.ConfigFile("/etc/trunkline/secret.json")) != "{}\n" {
		t.Errorf("config file: %+v", f)
	}
	if img.ConfigFile("etc/none") != nil {
		t.Error("a file that is not there")
	}
	if !slices.Contains(paths(img.Initrd), "init") || !slices.Contains(paths(img.Root), "usr/bin/sbcd") {
		t.Errorf("initrd %v, root %v", paths(img.Initrd), paths(img.Root))
	}
	for _, want := range []inspect.Unit{
		{Name: "ntp.service", By: []string{"sysinit.target"}, From: inspect.FromConfig},
		{Name: "sbcd.service", By: []string{"multi-user.target"}, From: inspect.FromImage},
	} {
		if !slices.ContainsFunc(img.Units, func(u inspect.Unit) bool { return cmp.Equal(u, want) }) {
			t.Errorf("%+v is missing in %+v", want, img.Units)
		}
	}
	checkInventory(t, r, img.Inventory)

	onDisk := mustInspect(t, res.Disk.Path)
	if want := []string{"EFI/BOOT/BOOTX64.EFI", "EFI/Linux/edge-test_1.4.2.efi", "loader/loader.conf"}; !slices.Equal(paths(onDisk.Disk.Files), want) {
		t.Errorf("on the disk: %v", paths(onDisk.Disk.Files))
	}
	if onDisk.Disk.Size != res.Disk.Size || onDisk.Disk.ESPBytes <= 0 || onDisk.UKI.Name != "EFI/Linux/edge-test_1.4.2.efi" {
		t.Errorf("disk: %+v, UKI %s", onDisk.Disk, onDisk.UKI.Name)
	}
	onDisk.Path, onDisk.Disk, onDisk.UKI.Name = img.Path, nil, img.UKI.Name
	if d := cmp.Diff(img, onDisk); d != "" {
		t.Errorf("the disk holds another image than the UKI:\n%s", d)
	}
	if d := cmp.Diff(img, mustInspect(t, r.OutDir)); d != "" {
		t.Errorf("by its directory:\n%s", d)
	}
}

func checkInventory(t *testing.T, r Request, got *inventory.Inventory) {
	t.Helper()
	if got == nil {
		t.Fatal("no inventory")
	}
	lock, err := r.Lock.Digest()
	if err != nil {
		t.Fatal(err)
	}
	want := &inventory.Inventory{FormatVersion: inventory.FormatVersion, Profile: "vm", Suite: "trixie", Architecture: "amd64", Lock: lock}
	for _, p := range r.Lock.Packages {
		one := inventory.Package{
			Name: p.Name, Version: p.Version, Architecture: "amd64", Source: p.Name, SourceVersion: p.Version,
			SHA256: p.SHA256, Size: p.Size, Licenses: []string{},
		}
		switch p.Name { // as package imagetest has it
		case "linux-image-cloud-amd64":
			one.Source, one.SourceVersion = "linux-signed", "1.2"
			one.Licenses = []string{"Expat", "GPL-2"}
		case "systemd":
			one.Source = "linux"
			one.Licenses = []string{"Expat", "GPL-2"} // its directory is a link
		}
		want.Packages = append(want.Packages, one)
	}
	for _, p := range [][2]string{{"init", r.InitPath}, {"usr/bin/sbcd", r.SbcdPath}} {
		b, err := os.ReadFile(p[1])
		if err != nil {
			t.Fatal(err)
		}
		want.Programs = append(want.Programs, inventory.Program{Path: p[0], SHA256: sum(b), Modules: []inventory.Module{}})
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("inventory (-want +got):\n%s", d)
	}
}

// What is shown is what the image holds, and one that is cut off is an error.
func TestInspectOfAChangedImage(t *testing.T) {
	res := mustBuild(t, request(t))
	efi, err := os.ReadFile(res.UKI.Path)
	if err != nil {
		t.Fatal(err)
	}
	// The config layer is not compressed, so that a change of it is no damage.
	changed := bytes.Replace(efi, []byte("\x00edge-test\n"), []byte("\x00edge-evil\n"), 1)
	if err := os.WriteFile(res.UKI.Path, changed, 0o644); err != nil {
		t.Fatal(err)
	}
	img := mustInspect(t, res.UKI.Path)
	if string(img.ConfigFile("etc/hostname")) != "edge-evil\n" {
		t.Error("what is shown is not what the image holds")
	}
	if img.Changed() == nil || img.DigestNamed != res.Digest {
		t.Errorf("the change is not seen: %s, named %s", img.Digest, img.DigestNamed)
	}
	for _, cut := range []int{len(efi) / 2, 1000, len(efi) - 5000} {
		if err := os.WriteFile(res.UKI.Path, efi[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := inspect.Open(res.UKI.Path); err == nil || !strings.Contains(err.Error(), "edge-test.efi") {
			t.Errorf("cut to %d bytes: error is %v", cut, err)
		}
	}
}
