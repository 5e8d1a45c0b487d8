package slots

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFailure(t *testing.T) {
	e := newESP(t, "1", "edge_1.efi", "edge_2+1-1.efi")
	if err := os.Mkdir(filepath.Dir(e.failurePath()), 0o755); err != nil {
		t.Fatal(err)
	}
	want := func(when, version, reason string) {
		t.Helper()
		f, ok, err := e.Failure()
		if err != nil || ok != (version != "") || f.Version != version || f.Reason != reason {
			t.Errorf("%s: %+v, %v, %v, want version %q, reason %q", when, f, ok, err, version, reason)
		}
	}
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(e.dir, from), filepath.Join(e.dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	want("nothing has failed", "", "")
	rename("edge_2+1-1.efi", "edge_2+0-2.efi")
	want("it left no reason", "2", usedUp)
	if err := e.Fail(Failure{"2", "  sbcd:\n no table\t"}); err != nil {
		t.Fatal(err)
	}
	want("it left one", "2", "sbcd: no table")
	if err := os.Remove(filepath.Join(e.dir, "edge_2+0-2.efi")); err != nil {
		t.Fatal(err)
	}
	want("it is not there any more", "2", "sbcd: no table")
	if err := e.Fail(Failure{"2", strings.Repeat("ä", maxReason)}); err != nil {
		t.Fatal(err)
	}
	if f, _, _ := e.Failure(); len(f.Reason) != maxReason {
		t.Errorf("a reason of %d bytes is kept", len(f.Reason))
	}
	for _, junk := range []string{"{", `{"version":"../x","reason":"y"}`, strings.Repeat(" ", maxFailureFile) + `{"version":"2"}`} {
		if err := os.WriteFile(e.failurePath(), []byte(junk), 0o600); err != nil {
			t.Fatal(err)
		}
		want("what somebody wrote there", "", "")
	}
	// A newer one that is good ends the matter.
	if err := e.Fail(Failure{"2", "no table"}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(e.dir, "edge_3+1-1.efi"), image("3"), 0o600); err != nil {
		t.Fatal(err)
	}
	e.version = "3"
	images, err := e.Images()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Bless(images[0]); err != nil {
		t.Fatal(err)
	}
	want("a newer one is good", "", "")
	if _, err := os.Stat(e.failurePath()); !os.IsNotExist(err) {
		t.Errorf("the record stays: %v", err)
	}
}

func TestVariable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v")
	for content, want := range map[string]string{
		"\x06\x00\x00\x00A\x00b\x00-\x001\x00\x00\x00": "Ab-1",
		"\x06\x00\x00\x00A\x00":                        "A",
		"\x06\x00\x00\x00":                             "",
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := variable(path); err != nil || got != want {
			t.Errorf("%q: %q, %v", content, got, err)
		}
	}
	if err := os.WriteFile(path, []byte("ab"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := variable(path); err == nil {
		t.Error("a variable without attributes is read")
	}
}
