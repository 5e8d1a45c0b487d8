package boot

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline/image/inspect"
)

// The image for bare metal starts on a machine without a device of a hypervisor (cards by
// e1000e, disks behind AHCI and NVMe), sees that it has half the processors and a quarter
// of the memory of its spec, says so, and takes a call with what is there.
func TestBareMetal(t *testing.T) {
	bin := programs(t)
	out := t.TempDir()
	trunkline := filepath.Join(bin, "trunkline")
	begin := time.Now()
	built, err := exec.Command(trunkline, "build", "../../../appliance/examples/bare-metal", "-o", out).CombinedOutput()
	if err != nil {
		t.Fatalf("trunkline build: %v\n%s", err, built)
	}
	dir := filepath.Join(out, "metal-ams1")
	img, err := inspect.Open(filepath.Join(dir, "metal-ams1.efi"))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("UKI for bare metal: %.1f MiB, built in %.1f s", float64(img.UKI.Size)/(1<<20), time.Since(begin).Seconds())
	var microcode bool
	for _, s := range img.UKI.Sections {
		microcode = microcode || s.Name == ".ucode"
	}
	if !microcode || !strings.HasPrefix(img.Cmdline, "console=tty0 console=ttyS0,115200 ") {
		t.Errorf("sections %+v, command line %q", img.UKI.Sections, img.Cmdline)
	}

	var said, console bytes.Buffer
	cmd := exec.Command(trunkline, "boot", dir, "--call", "--headless", "--preflight", "--memory", "1024", "--timeout", bootWithin.String())
	cmd.Stdout, cmd.Stderr = &said, &console
	if err := cmd.Run(); err != nil {
		t.Fatalf("trunkline boot: %v\n%s\n%s", err, said.String(), console.String())
	}
	for _, want := range []string{
		`(?m)^preflight: resized: (?:\d of 4 workers|all that is planned still fits); \d hardware threads, \d+ MiB of memory, 2 cards, 2 disks\.$`,
		`(?m)^metal-ams1 is ready: 2 listeners, `,
		`(?m)^Test call .* answered by 10\.0\.4\.2[12]:5060: `,
	} {
		line := regexp.MustCompile(want).FindString(said.String())
		if line == "" {
			t.Errorf("nothing matches %s in\n%s", want, said.String())
		}
		t.Logf("%s", line)
	}
}
