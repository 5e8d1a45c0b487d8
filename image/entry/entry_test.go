package entry

import (
	"errors"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// versions in ascending order.
var versions = []string{
	"0", "0.1", "1", "1-1", "1.0", "1.4.2", "1.4.10", "2.1", "2a", "10", "20260131.090000", "20260131.235959", "20260201.000000",
}

func TestVersionsAreOrdered(t *testing.T) {
	for i, a := range versions {
		if err := CheckVersion(a); err != nil {
			t.Error(err)
		}
		for j, b := range versions {
			if got, want := CompareVersions(a, b), sign(i-j); got != want {
				t.Errorf("CompareVersions(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
	for _, same := range [][2]string{{"1.04", "1.4"}, {"1_2", "1 2"}, {"", ""}} {
		if got := CompareVersions(same[0], same[1]); got != 0 {
			t.Errorf("%q and %q: %d", same[0], same[1], got)
		}
	}
}

// The order is that of systemd itself.
func TestOrderIsSystemds(t *testing.T) {
	tool, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is not installed: ci/setup test installs it")
	}
	list := []string{"1.4", "20260131.090000", "1~rc1", "1^2", "1.a", "1.04", "1a1", "a", "b-2", "1..1", "1-.1", "abc", "ab"}
	for i, a := range list {
		for _, b := range list[i+1:] {
			out, err := exec.Command(tool, "compare-versions", a, b).Output()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				t.Fatal(err)
			}
			want := map[string]int{a + " < " + b: -1, a + " == " + b: 0, a + " > " + b: 1}
			w, ok := want[strings.TrimSpace(string(out))]
			if !ok {
				t.Fatalf("systemd-analyze compare-versions %s %s: %q", a, b, out)
			}
			if got := CompareVersions(a, b); got != w {
				t.Errorf("CompareVersions(%q, %q) = %d, systemd says %q", a, b, got, strings.TrimSpace(string(out)))
			}
		}
	}
}

func TestCheckVersion(t *testing.T) {
	for _, bad := range []string{"", "1_2", "1+2", "V1", ".1", "1.", "-1", "1-", "1 2", "1/2", "ä", strings.Repeat("1", 65)} {
		if err := CheckVersion(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestNames(t *testing.T) {
	for file, want := range map[string]Entry{
		"edge-fra1_1.4.2.efi":       {"edge-fra1", "1.4.2", -1, 0},
		"edge-fra1_1.4.2+3.efi":     {"edge-fra1", "1.4.2", 3, 0},
		"edge-fra1_1.4.2+2-1.efi":   {"edge-fra1", "1.4.2", 2, 1},
		"edge-fra1_1.4.2-1+0-3.efi": {"edge-fra1", "1.4.2-1", 0, 3},
	} {
		got, ok := Parse(file)
		if !ok {
			t.Errorf("%s is not understood", file)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", file, d)
		}
		if got.File() != file {
			t.Errorf("%s is written as %s", file, got.File())
		}
	}
	if got, ok := Parse("EDGE_1+3-0.EFI"); !ok || got != (Entry{"edge", "1", 3, 0}) {
		t.Errorf("capital letters: %+v, %v", got, ok)
	}
	for _, file := range []string{"edge-fra1.efi", "edge_.efi", "edge_1.part", "edge_1+.efi", "edge_1+x.efi", "a_b_1.efi", "edge_1+1-.efi", "edge_1+9999999999.efi"} {
		if e, ok := Parse(file); ok {
			t.Errorf("%s is taken for %+v", file, e)
		}
	}
}

func TestOrderOfEntries(t *testing.T) {
	want := []string{"edge_3+2-1.efi", "edge_2.efi", "edge_1.efi", "edge_5+0-3.efi", "edge_4+0-3.efi"}
	var list []Entry
	for _, f := range []string{"edge_1.efi", "edge_4+0-3.efi", "edge_2.efi", "edge_5+0-3.efi", "edge_3+2-1.efi"} {
		e, _ := Parse(f)
		list = append(list, e)
	}
	slices.SortFunc(list, Compare)
	var got []string
	for _, e := range list {
		got = append(got, e.File())
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func sign(n int) int {
	switch {
	case n < 0:
		return -1
	case n > 0:
		return 1
	}
	return 0
}
