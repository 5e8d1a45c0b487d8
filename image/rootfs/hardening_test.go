package rootfs

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// exposure is the most that `systemd-analyze security` may find of each unit of ours, from 0 to
// 10, and what is left open on purpose. A unit without a row fails the test.
var exposure = map[string]struct {
	most float64
	why  string
}{
	"sbcd.service": {1.5, "the network is its work; IPAddressDeny would cost a program in the kernel for every packet, and the firewall does it; " +
		"CAP_NET_BIND_SERVICE counts in the host's user namespace alone, so no PrivateUsers; the image's digest is in /proc/cmdline, so no ProcSubset"},
	"trunkline-firewall.service":    {1.4, "root and CAP_NET_ADMIN set the rules of the host's network"},
	"trunkline-credentials.service": {1.0, "root and the TPM's device open credentials"},
	"trunkline-preflight.service":   {1.5, "the names of cards and disks are in /sys/class/net of the host's network and in /dev; what it leaves is for the units after it; user namespaces are off, so no PrivateUsers"},
	"trunkline-nics.service":        {1.8, "root and CAP_NET_ADMIN write /proc/irq and /sys/class/net, which ProtectKernelTunables would close"},
	"trunkline-trial.service":       {3.0, "root and CAP_SYS_ADMIN mount the EFI system partition, which is a block device, in a namespace of their own"},
	"trunkline-storage.service":     {5.5, "mounts the state partition for all to see, so it has no mount namespace, which most settings would bring"},
	"trunkline-selfcheck.service":   {1.2, "the network is its work: it asks each listener over its transport"},
	"trunkline-audit.service":       {3.4, "sees the mounts, processes and sockets that everybody sees: no namespace of its own; it runs on request alone"},
	"trunkline-update.service":      {2.2, "connects to the update server, and root and CAP_SYS_ADMIN mount the partition it writes to; sbcd reads what it leaves"},
	"rtpengine@relay.service":       {1.4, "media from anywhere is its work; packets of the firewall's ports alone reach it; interfaces are asked for over netlink"},
	"emergency.service":             {9.5, "asks the first process to restart the machine, when nothing else runs any more"},
}

// systemdAnalyze says what systemd-analyze thinks of a unit's sandbox.
func systemdAnalyze(t *testing.T, file string) (overall float64, open []string) {
	t.Helper()
	run := func(args ...string) []byte {
		cmd := exec.Command("systemd-analyze", append([]string{"security", "--offline=true", "--no-pager"}, args...)...)
		cmd.Stderr = os.Stderr
		b, err := cmd.Output()
		if err != nil {
			t.Fatalf("systemd-analyze security %s: %v (ci/setup test installs it)", file, err)
		}
		return b
	}
	_, line, _ := strings.Cut(string(run(file)), "Overall exposure level for "+filepath.Base(file)+": ")
	number, _, _ := strings.Cut(line, " ")
	overall, err := strconv.ParseFloat(number, 64)
	if err != nil {
		t.Fatalf("%s: no overall exposure in what systemd-analyze printed: %v", file, err)
	}
	var rows []struct {
		Set      bool
		Name     string
		Exposure *string
	}
	if err := json.Unmarshal(run("--json=short", file), &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if !r.Set && r.Exposure != nil {
			open = append(open, r.Name+" "+*r.Exposure)
		}
	}
	return overall, open
}

func TestUnitsAreSandboxed(t *testing.T) {
	dir := t.TempDir()
	if err := fs.WalkDir(own, "units", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Dir(p) != "units" || filepath.Ext(p) != ".service" {
			return err
		}
		b, err := own.ReadFile(p)
		if err != nil {
			return err
		}
		// A template is judged as one of its instances.
		return os.WriteFile(filepath.Join(dir, strings.Replace(filepath.Base(p), "@.", "@relay.", 1)), b, 0o644)
	}); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.service"))
	if err != nil || len(files) < len(exposure) {
		t.Fatalf("%d units, %d rows: %v", len(files), len(exposure), err)
	}
	for _, f := range files {
		limit, ok := exposure[filepath.Base(f)]
		if !ok {
			t.Errorf("%s has no row in exposure: give it a sandbox, and say what is left open and why", filepath.Base(f))
			continue
		}
		if got, open := systemdAnalyze(t, f); got > limit.most {
			t.Errorf("%s: exposure %.1f, and %.1f is the most; open: %s", filepath.Base(f), got, limit.most, strings.Join(open, ", "))
		}
	}
}

// The test above can fail.
func TestAnUnprotectedUnitIsNoticed(t *testing.T) {
	f := filepath.Join(t.TempDir(), "bare.service")
	if err := os.WriteFile(f, []byte("[Service]\nExecStart=/usr/bin/sbcd run\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, open := systemdAnalyze(t, f); got < 9 || len(open) < 40 {
		t.Errorf("exposure %.1f, %d things open", got, len(open))
	}
}
