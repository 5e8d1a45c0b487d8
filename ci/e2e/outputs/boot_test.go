package outputs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFormatsBoot boots what CI's other boots have in passing, each with a call through it: the
// ISO from a CD-ROM drive (ci/e2e/network) and from a USB stick, the unified kernel
// image over the network, by PXE and TFTP and by UEFI HTTP boot, and the qcow2 disk (ci/e2e/boot). `make e2e-formats` runs it.
func TestFormatsBoot(t *testing.T) {
	bin := os.Getenv("TRUNKLINE_BIN")
	if os.Getenv("TRUNKLINE_FORMATS") == "" || bin == "" {
		return // several minutes; CI counts what is skipped as failed
	}
	trunkline, dir := filepath.Join(bin, "trunkline"), t.TempDir()
	must(t, trunkline, "build", example, "-o", dir, "--format", "qcow2,iso")
	for _, c := range []struct {
		ending string
		flags  []string
	}{
		{"iso", nil},
		{"iso", []string{"--usb"}},
		{"efi", nil},
		{"qcow2", nil},
	} {
		t.Run(c.ending+strings.Join(c.flags, ""), func(t *testing.T) {
			image := filepath.Join(dir, "edge-fra1", "edge-fra1."+c.ending)
			cmd := exec.Command(trunkline, append([]string{"boot", image, "--headless", "--call", "--timeout", "5m"}, c.flags...)...)
			out, err := cmd.CombinedOutput()
			t.Logf("%s", out)
			for _, want := range []string{"edge-fra1 is ready: 2 listeners", "Test call"} {
				if err != nil || !strings.Contains(string(out), want) {
					t.Errorf("no %q (%v)", want, err)
				}
			}
		})
	}
	t.Run("efi over HTTP", func(t *testing.T) { httpBoot(t, filepath.Join(dir, "edge-fra1", "edge-fra1.efi")) })
}
