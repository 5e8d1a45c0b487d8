package credential

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

func TestNew(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("a.value", "first")
	put("empty", "")
	secrets := []runtime.Secret{{Name: "a", Credential: "a.value"}, {Name: "b", Credential: "empty"}, {Name: "c", Credential: "none"}}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	read := New(secrets)
	if b, err := read("a"); err != nil || string(b) != "first" {
		t.Errorf("%q, %v", b, err)
	}
	put("a.value", "second")
	if b, err := read("a"); err != nil || string(b) != "first" {
		t.Errorf("read again, %q, %v", b, err)
	}
	if b, err := New(secrets)("a"); err != nil || string(b) != "second" {
		t.Errorf("by a new reader: %q, %v", b, err)
	}
	for name, want := range map[string]string{"b": "credential empty is empty", "c": "was not handed credential none", "d": "no secret of this name"} {
		if _, err := read(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := New(secrets)("a"); err == nil || !strings.Contains(err.Error(), "was handed no credentials: pass credential a.value") {
		t.Errorf("without a directory: %v", err)
	}
}
