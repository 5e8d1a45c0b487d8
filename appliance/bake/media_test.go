package bake

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A spec without a relay of its own has no file of one.
func TestNoRelays(t *testing.T) {
	p, s := load(t)
	files, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Contains(f.Path, "rtpengine") || strings.HasPrefix(f.Path, relayFiles) {
			t.Errorf("%s", f.Path)
		}
	}
}

// systemd itself must take the unit of the base layer, the drop-ins and the links without a word
// about what it knows: the versions before 254 do not know the pauses between restarts.
func TestRelayUnits(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("this machine has no systemd-analyze: %v", err)
	}
	p, s := loadFrom(t, "../spec/testdata/good/services")
	files, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	base, err := os.ReadFile("../../image/rootfs/units/rtpengine@.service")
	if err != nil {
		t.Fatal(err)
	}
	dir, units := t.TempDir(), []string(nil)
	// Programs and the units around it must exist for the check.
	write(t, filepath.Join(dir, "rtpengine@.service"), strings.Replace(string(base), "ExecStart=/usr/bin/rtpengine ", "ExecStart=/bin/true ", 1))
	for _, name := range []string{"sbcd", "trunkline-firewall", "trunkline-preflight"} {
		write(t, filepath.Join(dir, name+".service"), "[Unit]\nDescription=test\n[Service]\nExecStart=/bin/true\n")
	}
	for _, f := range files {
		rel, ok := strings.CutPrefix(f.Path, "etc/systemd/system/")
		switch {
		case !ok || !strings.Contains(rel, "rtpengine@"):
		case f.Link != "":
			units = append(units, filepath.Base(rel))
			if filepath.Base(f.Link) != "rtpengine@.service" {
				t.Errorf("%s leads to %s", f.Path, f.Link)
			}
		default:
			write(t, filepath.Join(dir, rel), string(f.Data))
		}
	}
	if len(units) != 2 {
		t.Fatalf("sbcd wants %q, and the spec has two relays", units)
	}
	for _, u := range units {
		cmd := exec.Command(analyze, "verify", "--man=no", u)
		cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":/usr/lib/systemd/system", "SYSTEMD_LOG_LEVEL=warning")
		out, err := cmd.CombinedOutput()
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, "rtpengine@") && !strings.Contains(line, "Unknown key 'RestartSteps'") && !strings.Contains(line, "Unknown key 'RestartMaxDelaySec'") {
				t.Error(line)
			}
		}
		if err != nil {
			t.Errorf("systemd-analyze verify %s: %v\n%s", u, err, out)
		}
	}
}
