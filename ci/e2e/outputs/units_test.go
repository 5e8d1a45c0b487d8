package outputs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trunkline/image/inspect"
)

// newer are complaints about words that the image's systemd (257) knows and the one of
// the build host (Debian 12: 252) does not, each with the version that brought it.
var newer = map[string]string{
	"Unknown key 'ImportCredential' in section [Service], ignoring.":            "254",
	"Unknown key 'DelegateSubgroup' in section [Service], ignoring.":            "254",
	"Unknown key 'FileDescriptorStorePreserve' in section [Service], ignoring.": "254",
	"Unknown key 'RestartSteps' in section [Service], ignoring.":                "254",
	"Unknown key 'RestartMaxDelaySec' in section [Service], ignoring.":          "254",
	"Unknown key 'MemoryZSwapWriteback' in section [Service], ignoring.":        "256",
	"Failed to parse service type, ignoring: notify-reload":                     "253",
	"Failed to parse SuccessAction=, ignoring: soft-reboot-force":               "254",
	"Failed to parse JobTimeoutAction=, ignoring: soft-reboot-force":            "254",
	// Follows from the one before it: nothing else is in that unit.
	"systemd-soft-reboot.service: Service has no ExecStart=, ExecStop=, or SuccessAction=. Refusing.": "254",
}

// place is where a complaint is of: the file and the line.
var place = regexp.MustCompile(`^/\S+:\d+: `)

// unitsVerify has systemd-analyze verify our units as they are in the image: its root,
// with the files of the config layer over it.
func unitsVerify(t *testing.T, img *inspect.Image) {
	tree := filepath.Join(t.TempDir(), "tree")
	must(t, "fsck.erofs", "--extract="+tree, "--no-preserve", rootImage(t, img))
	for _, f := range img.Config {
		path := filepath.Join(tree, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if f.Link != "" {
			err = os.Symlink(f.Link, path)
		} else {
			err = os.WriteFile(path, f.Data, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	units := ourUnits(t, tree)
	for _, want := range []string{"sbcd.service", "trunkline-firewall.service", "trunkline-nics.service", "trunkline-credentials.service"} {
		if !slices.Contains(units, want) {
			t.Errorf("%s is not among the units %v", want, units)
		}
	}
	verify := func() []string {
		out, _ := says(t, "systemd-analyze", append([]string{"--root=" + tree, "--man=no", "verify"}, units...)...)
		var left []string
		for line := range strings.Lines(out) {
			line = strings.TrimSpace(line)
			if newer[place.ReplaceAllString(line, "")] == "" && line != "" {
				left = append(left, line)
			}
		}
		return left
	}
	if left := verify(); len(left) > 0 {
		t.Errorf("systemd-analyze verify:\n%s", strings.Join(left, "\n"))
	}
	t.Logf("%d units verified: %s", len(units), strings.Join(units, " "))
	// A unit with a mistake is found.
	f, err := os.OpenFile(filepath.Join(tree, "usr/lib/systemd/system/sbcd.service"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("\n[Service]\nRestrat=always\n"); err != nil {
		t.Fatal(err)
	}
	if left := verify(); len(left) != 1 || !strings.Contains(left[0], "Unknown key 'Restrat'") {
		t.Errorf("of a unit with a mistake: %q", left)
	}
}

// ourUnits are the units of a tree that no package brings.
func ourUnits(t *testing.T, tree string) []string {
	t.Helper()
	var out []string
	for _, pattern := range []string{"usr/lib/systemd/system/sbcd*", "usr/lib/systemd/system/trunkline*", "etc/systemd/system/*"} {
		found, err := filepath.Glob(filepath.Join(tree, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			name := filepath.Base(f)
			if info, err := os.Lstat(f); err != nil || !info.Mode().IsRegular() || slices.Contains(out, name) {
				continue // directories of drop-ins and of links; links to units of packages
			}
			out = append(out, name)
		}
	}
	return out
}
