package outputs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormatsBoot boots the image of make image as it is used beside a disk: as a CD-ROM, and
// by the network (PXE, TFTP), with a call through it. With TRUNKLINE_FORMATS=all also
// the qcow2 disk, which CI boots with Secure Boot, and the ISO as a USB stick.
func TestFormatsBoot(t *testing.T) {
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	trunkline, dir := filepath.Join(bin, "trunkline"), t.TempDir()
	must(t, trunkline, "build", example, "-o", dir, "--format", "qcow2,iso")
	for _, c := range []struct {
		ending string
		flags  []string
		ci     bool
	}{
		{"iso", []string{"--call"}, true},
		{"efi", []string{"--call"}, true},
		{"iso", []string{"--usb"}, false},
		{"qcow2", nil, false},
	} {
		if !c.ci && os.Getenv("TRUNKLINE_FORMATS") != "all" {
			continue
		}
		t.Run(c.ending+strings.Join(c.flags, ""), func(t *testing.T) {
			image := filepath.Join(dir, "edge-fra1", "edge-fra1."+c.ending)
			cmd := exec.Command(trunkline, append([]string{"boot", image, "--headless", "--timeout", "5m"}, c.flags...)...)
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			if err != nil || !strings.Contains(string(out), "edge-fra1 is ready: 2 listeners") {
				t.Errorf("not ready: %v", err)
			}
			if len(c.flags) > 0 && c.flags[0] == "--call" && !strings.Contains(string(out), "Test call") {
				t.Error("no call went through it")
			}
		})
	}
}
