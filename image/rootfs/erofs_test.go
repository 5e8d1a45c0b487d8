package rootfs

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func erofsBytes(t *testing.T, tree *Tree) []byte {
	t.Helper()
	b, err := os.ReadFile(erofsFile(t, tree))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func erofsFile(t *testing.T, tree *Tree) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "root.erofs"))
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.WriteErofs(f, t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// erofs-utils is a second implementation: it must find the image whole, and
// extract from it what went in.
func TestErofsByFsck(t *testing.T) {
	fsck, err := exec.LookPath("fsck.erofs")
	if err != nil {
		t.Fatal("fsck.erofs is missing: install the Debian package erofs-utils")
	}
	tree, _ := collect(t)
	big := strings.Repeat("0123456789abcdef", 100_000)
	for p, body := range map[string]string{"usr/lib/big": big, "usr/lib/block": big[:4096], "usr/lib/empty": ""} {
		if err := tree.File(p, 0o640, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "out")
	if b, err := exec.Command(fsck, "--extract="+out, erofsFile(t, tree)).CombinedOutput(); err != nil {
		t.Fatalf("fsck.erofs: %v\n%s", err, b)
	}
	compare(t, tree, out)
}

// compare checks a directory against a tree, both ways.
func compare(t *testing.T, tree *Tree, root string) {
	t.Helper()
	seen := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == root {
			return err
		}
		rel, _ := filepath.Rel(root, p)
		n := tree.Get(rel)
		if n == nil {
			t.Errorf("/%s is in the image, but not in the tree", rel)
			return nil
		}
		seen++
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st := info.Sys().(*syscall.Stat_t); os.Geteuid() == 0 && (st.Uid != 0 || st.Gid != 0) {
			t.Errorf("/%s belongs to %d:%d", rel, st.Uid, st.Gid)
		}
		switch n.Kind {
		case Symlink:
			if l, _ := os.Readlink(p); l != n.Link {
				t.Errorf("/%s -> %s, want %s", rel, l, n.Link)
			}
		case Regular:
			if b, err := os.ReadFile(p); err != nil || string(b) != string(n.Data) {
				t.Errorf("/%s: %d bytes (%v), want %d", rel, len(b), err, len(n.Data))
			}
			fallthrough
		default:
			if info.Mode().Perm() != n.Mode.Perm() {
				t.Errorf("/%s has mode %v, want %v", rel, info.Mode().Perm(), n.Mode.Perm())
			}
		}
		if info.ModTime().Unix() != Epoch && n.Kind != Directory { // extraction touches directories
			t.Errorf("/%s has time %v", rel, info.ModTime())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := len(tree.Paths()); seen != want {
		t.Errorf("%d paths in the image, %d in the tree", seen, want)
	}
}

// What counts in the end is what the kernel reads.
func TestErofsByKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	if known, err := os.ReadFile("/proc/filesystems"); err != nil || !strings.Contains(string(known), "erofs") {
		t.Skip("this kernel has no erofs")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skipf("this machine has no loop devices: %v", err)
	}
	tree, _ := collect(t)
	at := t.TempDir()
	if b, err := exec.Command("mount", "-t", "erofs", "-o", "loop,ro", erofsFile(t, tree), at).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v\n%s", err, b)
	}
	defer func() {
		if b, err := exec.Command("umount", at).CombinedOutput(); err != nil {
			t.Errorf("umount: %v\n%s", err, b)
		}
	}()
	compare(t, tree, at)
}
