package disk

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What mtools puts on the ESP is found by name.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edge.raw")
	if err := Write(path, testLayout()); err != nil {
		t.Fatal(err)
	}
	if names, err := Credentials(path); err != nil || len(names) != 0 {
		t.Fatalf("a new disk has %q, %v", names, err)
	}
	tool(t, "mmd", "-i", path+"@@1M", "::/loader/credentials")
	if names, err := Credentials(path); err != nil || len(names) != 0 {
		t.Fatalf("an empty directory has %q, %v", names, err)
	}
	for _, name := range []string{"edge-tls.key.cred", "edge-tls.certificate.cred", "notes.txt", ".cred"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		tool(t, "mcopy", "-i", path+"@@1M", file, "::/loader/credentials/"+name)
	}
	names, err := Credentials(path)
	slices.Sort(names)
	if err != nil || strings.Join(names, " ") != "edge-tls.certificate edge-tls.key" {
		t.Errorf("%q, %v", names, err)
	}
	none := filepath.Join(dir, "none.raw")
	if err := os.WriteFile(none, make([]byte, 4*mib), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Credentials(none); err == nil || !strings.Contains(err.Error(), "none.raw is no disk with a GUID partition table") {
		t.Errorf("what is no disk of ours: %v", err)
	}
}
