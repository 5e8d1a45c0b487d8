package boot

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Credentials move to where systemd looks, under their names; the image's own come first,
// and what is none stays.
func TestMoveCredentials(t *testing.T) {
	root := t.TempDir()
	own, all, store := filepath.Join(root, "own"), filepath.Join(root, "all"), filepath.Join(root, "run", "store")
	for path, content := range map[string]string{
		filepath.Join(own, "edge.key.cred"):  "own",
		filepath.Join(all, "edge.key.cred"):  "of all",
		filepath.Join(all, "edge.cert.cred"): "certificate",
		filepath.Join(all, "notes.txt"):      "no credential",
		filepath.Join(all, ".cred"):          "without a name",
		filepath.Join(all, "a key.cred"):     "a name that no spec has",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o400); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(all, "dir.cred"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := moveCredentials(store, []string{own, filepath.Join(root, "missing"), all}); err != nil {
		t.Fatal(err)
	}
	read := func(dir string) map[string]string {
		out := map[string]string{}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.IsDir() {
				out[e.Name()] = "directory"
				continue
			}
			b, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[e.Name()] = string(b)
		}
		return out
	}
	if d := cmp.Diff(map[string]string{"edge.key": "own", "edge.cert": "certificate"}, read(store)); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]string{"notes.txt": "no credential", ".cred": "without a name", "a key.cred": "a name that no spec has", "dir.cred": "directory"}, read(all)); d != "" {
		t.Error(d)
	}
	for path, want := range map[string]os.FileMode{store: 0o700, filepath.Join(store, "edge.key"): 0o400} {
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, st.Mode(), err, want)
		}
	}
	if err := moveCredentials(filepath.Join(root, "again"), []string{filepath.Join(root, "missing")}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(root, "again")); err == nil {
		t.Error("a store was made for no credential")
	}
}
