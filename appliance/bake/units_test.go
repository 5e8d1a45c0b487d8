package bake

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// systemd itself must take the drop-in without a word.
func TestServiceDropIn(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skipf("this machine has no systemd-analyze: %v", err)
	}
	p, s := load(t)
	files, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	// The unit belongs to the base layer; what the drop-in needs of it is that it
	// is a service. Its program must exist for the check.
	unit := "[Unit]\nDescription=test\n[Service]\nExecStart=/bin/true\n"
	write(t, filepath.Join(dir, "sbcd.service"), unit)
	for _, f := range files {
		if rel, ok := strings.CutPrefix(f.Path, "etc/systemd/system/"); ok {
			write(t, filepath.Join(dir, rel), string(f.Data))
		}
	}
	cmd := exec.Command(analyze, "verify", "--man=no", filepath.Join(dir, "sbcd.service"))
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":/usr/lib/systemd/system", "SYSTEMD_LOG_LEVEL=warning")
	out, err := cmd.CombinedOutput()
	for _, line := range strings.Split(string(out), "\n") {
		if strings.Contains(line, dir) {
			t.Error(line)
		}
	}
	if err != nil {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// The text for review must be what nft would load.
func TestRulesetParses(t *testing.T) {
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Skipf("this machine has no nft: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("nft --check asks the kernel, which needs root")
	}
	p, s := load(t)
	files, err := Files(p, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path != "etc/nftables/trunkline.nft" {
			continue
		}
		file := filepath.Join(t.TempDir(), "trunkline.nft")
		write(t, file, string(f.Data))
		if out, err := exec.Command(nft, "--check", "--file", file).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	t.Error("no ruleset among the files")
}

// Every ini file must be sections and assignments only: a stray line is ignored
// by systemd with a warning nobody reads. One value is empty on purpose.
func TestIniFiles(t *testing.T) {
	for _, c := range trees {
		p, s := loadFrom(t, c.spec)
		files, err := Files(p, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if !strings.HasPrefix(f.Path, "etc/systemd/") {
				continue
			}
			section := ""
			for sc := bufio.NewScanner(strings.NewReader(string(f.Data))); sc.Scan(); {
				switch line := sc.Text(); {
				case line == "" || strings.HasPrefix(line, "#") || line == "FallbackNTP=":
				case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
					section = line
				case section == "" || !strings.Contains(line, "=") || strings.HasSuffix(line, "="):
					t.Errorf("%s: %q", f.Path, line)
				}
			}
		}
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A key the kernel does not know is skipped at boot with a warning: each must exist.
func TestSysctlKeysExist(t *testing.T) {
	if _, err := os.Stat("/proc/sys/net/core/rmem_max"); err != nil {
		t.Skipf("this machine hides the kernel's settings: %v", err)
	}
	p, _ := load(t)
	for _, s := range p.Budget.Sysctls {
		if strings.HasPrefix(s.Key, "net.ipv6.") {
			if _, err := os.Stat("/proc/sys/net/ipv6"); err != nil {
				continue // this machine has no IPv6, the appliance's kernel does
			}
		}
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(s.Key, ".", "/")); err != nil {
			t.Error(err)
		}
	}
}
