package boot

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/image/debian"
	"trunkline/image/inspect"
)

// inspected is what `trunkline inspect -json` says of an image.
type inspected struct {
	inspect.Image
	Appliance struct {
		Name       string `json:"name"`
		SpecDigest string `json:"spec_digest"`
	} `json:"appliance"`
}

func inspectImage(t *testing.T, bin, image string) inspected {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "trunkline"), "inspect", "-json", image)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("trunkline inspect %s: %v", image, err)
	}
	var out inspected
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// The image of make image says of itself what went into it: the packages of the
// lock, the modules of the programs, the units that are to run, the files of the
// spec. The disk holds the very same image.
func TestInspect(t *testing.T) {
	out, bin := os.Getenv("TRUNKLINE_OUT"), os.Getenv("TRUNKLINE_BIN")
	if out == "" || bin == "" {
		t.Skip("TRUNKLINE_OUT and TRUNKLINE_BIN are not set: run `make e2e`, which builds the image and sets them")
	}
	img := inspectImage(t, bin, filepath.Join(out, "edge-fra1/edge-fra1.efi"))
	onDisk := inspectImage(t, bin, filepath.Join(out, "edge-fra1/edge-fra1.raw"))
	if img.UKI.SHA256 != digest(t, filepath.Join(out, "edge-fra1/edge-fra1.efi")) || onDisk.UKI.SHA256 != img.UKI.SHA256 {
		t.Errorf("the UKI is %s, the one on the disk %s", img.UKI.SHA256, onDisk.UKI.SHA256)
	}
	if img.Appliance.Name != "edge-fra1" || !strings.HasPrefix(img.Appliance.SpecDigest, "sha256:") {
		t.Errorf("appliance %+v", img.Appliance)
	}

	lock, err := debian.ReadLock("../../../appliance/examples/edge-fra1/" + debian.LockName)
	if err != nil {
		t.Fatal(err)
	}
	inv := img.Inventory
	if inv == nil || len(inv.Packages) != len(lock.Packages) {
		t.Fatalf("inventory %+v, the lock has %d packages", inv, len(lock.Packages))
	}
	licensed := 0
	for i, p := range inv.Packages {
		if want := lock.Packages[i]; p.Name != want.Name || p.Version != want.Version || p.SHA256 != want.SHA256 || p.Source == "" || p.SourceVersion == "" {
			t.Errorf("package %+v, locked %+v", p, want)
		}
		if len(p.Licenses) > 0 {
			licensed++
		}
	}
	// Most of Debian's copyright files are machine-readable.
	if licensed < len(inv.Packages)/2 {
		t.Errorf("of %d packages only %d have licences", len(inv.Packages), licensed)
	}
	for _, p := range inv.Programs {
		if !strings.HasPrefix(p.Go, "go1.") || len(p.Modules) == 0 {
			t.Errorf("%s: %s, %d modules", p.Path, p.Go, len(p.Modules))
		}
	}
	for _, want := range []string{"sbcd.service", "trunkline-firewall.service", "systemd-networkd.service"} {
		if !slices.ContainsFunc(img.Units, func(u inspect.Unit) bool { return u.Name == want }) {
			t.Errorf("%s is not enabled", want)
		}
	}
	for _, want := range []string{"etc/hostname", "etc/trunkline/appliance.json", "etc/nftables/trunkline.nft"} {
		if !slices.ContainsFunc(img.Config, func(f inspect.File) bool { return f.Path == want }) {
			t.Errorf("the config layer has no %s", want)
		}
	}
	t.Logf("%d packages, %d with licences, %d files, %d units", len(inv.Packages), licensed, len(img.Root), len(img.Units))
}
