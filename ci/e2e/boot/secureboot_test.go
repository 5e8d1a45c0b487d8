package boot

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"trunkline/image/vm"
)

// TestSecureBoot signs the example with keys of its own, which a virtual machine with
// empty firmware enrols from the disk, which is a qcow2 one here. Signed, it becomes ready and its kernel is locked
// down; changed in one letter, it is refused.
func TestSecureBoot(t *testing.T) {
	bin := programs(t)
	trunkline := filepath.Join(bin, "trunkline")
	dir := t.TempDir()
	keys, image := filepath.Join(dir, "keys"), filepath.Join(dir, "edge-fra1")
	run(t, trunkline, "keys", keys)
	run(t, trunkline, "build", "../../../appliance/examples/edge-fra1", "-o", dir, "--secure-boot-key", filepath.Join(keys, "db.key"),
		"--secure-boot-cert", filepath.Join(keys, "db.crt"), "--secure-boot-enroll", keys,
		"--format", "raw,qcow2")
	efi, disk := filepath.Join(image, "edge-fra1.efi"), filepath.Join(image, "edge-fra1.raw")
	run(t, "sbverify", "--cert", filepath.Join(keys, "db.crt"), efi)

	t.Run("signed, it is ready", func(t *testing.T) {
		cmd := exec.Command(trunkline, "boot", filepath.Join(image, "edge-fra1.qcow2"), "--headless", "--secure-boot", "--timeout", bootWithin.String())
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"Secure Boot on, kernel lockdown integrity.\n", "edge-fra1 is ready: "} {
			if !strings.Contains(string(out), want) {
				t.Errorf("no %q", want)
			}
		}
	})

	t.Run("changed, it is refused", func(t *testing.T) {
		b, err := os.ReadFile(efi)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(b, []byte("PRETTY_NAME=")) // a name: nothing depends on it but the signature
		if at < 0 {
			t.Fatal("the UKI does not say what it is")
		}
		b[at] ^= 1
		changed := filepath.Join(dir, "changed.efi")
		if err := os.WriteFile(changed, b, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "mcopy", "-o", "-i", disk+esp, changed, "::/EFI/Linux/edge-fra1_0.efi")

		ctx, cancel := context.WithTimeout(context.Background(), bootWithin)
		defer cancel()
		m, err := vm.Start(ctx, vm.Config{Disk: disk, SecureBoot: true, Restarts: true})
		if err != nil {
			t.Fatal(err)
		}
		line, err := m.WaitLine(ctx, regexp.MustCompile(`Access [Dd]enied|Security [Vv]iolation|trunkline: `))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("firmware: %s", line)
		if strings.Contains(line, "trunkline: ") {
			t.Error("the changed image started")
		}
		if console := m.ConsoleTail(1000); !strings.Contains(console, "Enrolling secure boot keys") {
			t.Errorf("no keys were enrolled:\n%s", console)
		}
		if err := m.Kill(); err != nil {
			t.Error(err)
		}
	})
}
