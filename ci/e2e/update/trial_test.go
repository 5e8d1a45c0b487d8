package update

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An image that cannot take calls undoes itself, and says why; one that can is kept.
func TestTrial(t *testing.T) {
	t.Parallel()
	bin, out := environment(t)
	r := newRig(t, filepath.Join(out, appliance, appliance+".raw"))

	// Version 2 wants a table that is not there: its proxy is never ready.
	broken := build(t, bin, "2", func(name, text string) string {
		if name != "core.hcl" {
			return text
		}
		changed := regexp.MustCompile(`file( *)= "carriers\.csv"`).ReplaceAllString(text, "file$1= \"/var/lib/trunkline/carriers.csv\"\n  rows    = 10")
		if changed == text {
			t.Fatal("core.hcl has no cache file to take away")
		}
		return changed
	})
	r.install(filepath.Join(broken, appliance+".efi"), appliance+"_2+2.efi")
	r.enlarge(64)
	m := r.boot()
	line := r.says(m, `trunkline: fell back from .*`)
	for _, want := range []string{"fell back from 2 to 0: sbcd.service: refused: ", "carriers", "/var/lib/trunkline/carriers.csv"} {
		if !strings.Contains(line, want) {
			t.Errorf("%q does not say %q", line, want)
		}
	}
	// The console goes on over restarts: this line is of the boot that fell back.
	r.says(m, `trunkline: self-check passed: 2 listeners answer`)
	console := m.ConsoleTail(20000)
	if n := strings.Count(console, "trunkline: version 2 failed its trial"); n != 2 {
		t.Errorf("version 2 was tried %d times, want 2", n)
	}
	r.call("after falling back")
	small := r.stateSize(m)
	r.stop(m)
	if d := cmp.Diff([]string{appliance + "_0.efi", appliance + "_2+0-2.efi"}, r.images()); d != "" {
		t.Error(d)
	}

	// The state partition grows with the disk, and keeps what is on it.
	r.keep("calls.txt", "what must not be lost")
	r.enlarge(64)
	good := build(t, bin, "3", func(_, text string) string { return text })
	r.install(filepath.Join(good, appliance+".efi"), appliance+"_3+2.efi")
	m = r.boot()
	r.says(m, `trunkline: version 3 is on trial, with 1 more starts`)
	r.says(m, `trunkline: version 3 is found good`)
	r.call("of the new image")
	if large := r.stateSize(m); large < small+56 {
		t.Errorf("the state partition had %d MiB, and has %d MiB after the disk grew by 64", small, large)
	}
	r.stop(m)
	if got := r.kept("calls.txt"); got != "what must not be lost" {
		t.Errorf("the state partition holds %q", got)
	}
	if d := cmp.Diff([]string{appliance + "_0.efi", appliance + "_2+0-2.efi", appliance + "_3.efi"}, r.images()); d != "" {
		t.Error(d)
	}
}
