package disk

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"trunkline/image/fat"
)

// Each format holds the files of the ESP; tools of others read it, and it is the same
// bytes wherever it is written.
func TestMedia(t *testing.T) {
	dir := t.TempDir()
	l := testLayout()
	l.Keys = map[string][]byte{"PK.auth": []byte("owner"), "db.auth": []byte("images")}
	write := func(name string) (string, [sha256.Size]byte) {
		t.Helper()
		raw, path := filepath.Join(dir, "disk.raw"), filepath.Join(dir, name)
		err := Write(raw, l)
		switch {
		case err != nil:
		case strings.HasSuffix(name, ".iso"):
			err = WriteISO(path, l)
		default:
			err = WriteQCOW2(path, raw)
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return path, sha256.Sum256(b)
	}
	files := func(path string) []fat.File {
		t.Helper()
		esp, err := Read(path)
		if err != nil {
			t.Fatal(err)
		}
		return esp.Files
	}
	for _, format := range []Format{QCOW2, ISO} {
		t.Run(string(format), func(t *testing.T) {
			path, sum := write("edge." + string(format))
			t.Setenv("TZ", "Asia/Kathmandu")
			old := syscall.Umask(0o077)
			other, again := write("another." + string(format))
			syscall.Umask(old)
			if sum != again {
				t.Error("two writes differ")
			}
			if st, err := os.Stat(other); err != nil || st.Mode().Perm() != 0o644 {
				t.Errorf("mode %v, %v", st.Mode(), err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if got := FormatOf(f); got != format {
				t.Errorf("the format is told as %q", got)
			}
			want := files(filepath.Join(dir, "disk.raw"))
			if got := files(path); len(want) != 5 || !slices.EqualFunc(got, want, func(a, b fat.File) bool { return a.Path == b.Path && bytes.Equal(a.Data, b.Data) }) {
				t.Errorf("%d files, the raw disk has %d", len(got), len(want))
			}
			if names, err := Credentials(path); err != nil || names != nil {
				t.Errorf("credentials %v, %v", names, err)
			}
		})
	}
	e, err := openESP(filepath.Join(dir, "edge.iso"))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	volume := filepath.Join(dir, "efi.img")
	b := make([]byte, e.size)
	if _, err := e.ReadAt(b, e.start); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(volume, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "fsck.vfat", "-n", "-v", volume); strings.Contains(out, "differences") || !strings.Contains(out, "FATs, 32 bit entries") {
		t.Errorf("fsck.vfat:\n%s", out)
	}
}

// The boot image of an ISO has room for its files, and not for many more.
func TestVolumeSize(t *testing.T) {
	for _, uki := range []int64{1, 33 * mib, 64 * mib, 200 * mib} {
		l := testLayout()
		l.UKI = make([]byte, uki)
		got := l.volumeSize()
		if got < minFAT32 || got < uki || got > max(minFAT32, uki+uki/50+4*mib) {
			t.Errorf("%d MiB for a UKI of %d", got/mib, uki/mib)
		}
		if err := WriteISO(filepath.Join(t.TempDir(), "x.iso"), l); err != nil {
			t.Error(err)
		}
	}
}

func TestMediaRefuse(t *testing.T) {
	dir := t.TempDir()
	for name, write := range map[string]func(path string) error{
		"no raw disk": func(path string) error { return WriteQCOW2(path, filepath.Join(dir, "gone")) },
		"no UKI":      func(path string) error { return WriteISO(path, Layout{Name: "a", BootLoader: []byte("b")}) },
	} {
		if err := write(filepath.Join(dir, "out")); err == nil || !strings.HasPrefix(err.Error(), "disk: ") {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left %v behind", left)
	}
}
