package boot

import (
	"os"
	"path/filepath"
	"testing"
)

// What is there moves, readable by all; what is not is no error.
func TestMoveSignatures(t *testing.T) {
	root := t.TempDir()
	from, store := filepath.Join(root, "signature.json"), filepath.Join(root, "run", "systemd")
	files := []string{from, filepath.Join(root, "key.pem")}
	if err := moveSignatures(store, files); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(store); !os.IsNotExist(err) {
		t.Errorf("an image without signatures: %v", err)
	}
	if err := os.WriteFile(from, []byte("{}"), 0o400); err != nil {
		t.Fatal(err)
	}
	if err := moveSignatures(store, files); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(store, "signature.json"))
	if err != nil || string(b) != "{}" {
		t.Errorf("%q, %v", b, err)
	}
	if info, err := os.Stat(filepath.Join(store, "signature.json")); err != nil || info.Mode().Perm() != 0o444 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(from); !os.IsNotExist(err) {
		t.Errorf("the initrd still has it: %v", err)
	}
}
