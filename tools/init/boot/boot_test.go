package boot

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"trunkline/image/initrd"
)

func TestModuleFiles(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "list")
	if _, err := moduleFiles(list); err == nil {
		t.Error("a missing list must be an error")
	}
	write := func(s string) {
		if err := os.WriteFile(list, []byte(s), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("00-loop.ko.xz\n01-erofs.ko.xz\n")
	got, err := moduleFiles(list)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{filepath.Join(dir, "00-loop.ko.xz"), filepath.Join(dir, "01-erofs.ko.xz")}, got); d != "" {
		t.Error(d)
	}
	write("../../etc/passwd\n")
	if _, err := moduleFiles(list); err == nil || !strings.Contains(err.Error(), "is not a file name") {
		t.Errorf("error is %v", err)
	}
}

// What can be written cannot be executed, holds no devices, and has a bound.
func TestWritables(t *testing.T) {
	const want = unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC
	var dirs []string
	for _, w := range writables() {
		dirs = append(dirs, w.dir)
		if w.flags != want || !strings.Contains(w.options, "size=") {
			t.Errorf("%s: flags %#x, options %q", w.dir, w.flags, w.options)
		}
	}
	if d := cmp.Diff([]string{"/dev/shm", "/sysroot/run", "/sysroot/var"}, dirs); d != "" {
		t.Error(d)
	}
}

// init and the archive's writer share no code at run time; they must agree on names.
func TestNamesAreTheArchives(t *testing.T) {
	for got, want := range map[string]string{
		modulesList: "/" + initrd.ModulesList, rootImage: "/" + initrd.RootName,
		configEtc: "/" + initrd.ConfigDir + "/etc", sysroot: "/" + initrd.SysrootDir,
	} {
		if got != want {
			t.Errorf("init looks for %s, the archive has %s", got, want)
		}
	}
}
