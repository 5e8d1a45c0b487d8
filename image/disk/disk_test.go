package disk

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func testLayout() Layout {
	r := rand.New(rand.NewPCG(1, 2))
	uki := make([]byte, 3<<20+17)
	for i := range uki {
		uki[i] = byte(r.Uint32())
	}
	return Layout{Name: "edge-fra1", Version: "1.2", UKI: uki, BootLoader: bytes.Repeat([]byte("sd-boot "), 9000)}
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		t.Skipf("%s is not installed (Debian: gdisk, dosfstools, mtools)", name)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestToolsReadTheDisk(t *testing.T) {
	for name, esp := range map[string]int64{"smallest clusters": ESPSize(0), "clusters of 4 KiB": 300 * mib} {
		t.Run(name, func(t *testing.T) { toolsReadTheDisk(t, esp) })
	}
}

func toolsReadTheDisk(t *testing.T, size int64) {
	dir := t.TempDir()
	path := filepath.Join(dir, "edge.raw")
	l := testLayout()
	l.ESPBytes = size
	l.Keys = map[string][]byte{"PK.auth": []byte("owner"), "db.auth": []byte("images")}
	if err := Write(path, l); err != nil {
		t.Fatal(err)
	}
	if out := tool(t, "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk -v:\n%s", out)
	}
	if out := tool(t, "sgdisk", "-i", "1", path); !strings.Contains(out, "EFI system partition") {
		t.Errorf("partition 1:\n%s", out)
	}
	esp := filepath.Join(dir, "esp.img")
	extract(t, path, esp, size)
	if out := tool(t, "fsck.vfat", "-n", "-v", esp); strings.Contains(out, "differences") {
		t.Errorf("fsck.vfat:\n%s", out)
	}
	for name, want := range map[string][]byte{
		"::/EFI/BOOT/BOOTX64.EFI":        l.BootLoader,
		"::/EFI/Linux/edge-fra1_1.2.efi": l.UKI,
		"::/loader/loader.conf":          []byte(loaderConf + enrolConf),
		"::/loader/keys/auto/PK.auth":    l.Keys["PK.auth"],
		"::/loader/keys/auto/db.auth":    l.Keys["db.auth"],
	} {
		out := filepath.Join(dir, "out")
		tool(t, "mcopy", "-n", "-o", "-i", esp, name, out)
		got, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s reads back as %d bytes, not the %d written", name, len(got), len(want))
		}
	}
}

// extract copies the ESP out of the disk.
func extract(t *testing.T, disk, to string, size int64) {
	t.Helper()
	in, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, io.NewSectionReader(in, partitionStart, size)); err != nil {
		t.Fatal(err)
	}
}

func TestSameBytesAnywhere(t *testing.T) {
	sum := func(path string) string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%x", sha256.Sum256(b))
	}
	l := testLayout()
	first, second := filepath.Join(t.TempDir(), "a.raw"), filepath.Join(t.TempDir(), "other")
	if err := Write(first, l); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TZ", "Asia/Kathmandu")
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	old := syscall.Umask(0o077)
	err := Write(second, l)
	syscall.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := sum(first), sum(second); a != b {
		t.Errorf("two writes differ: %s, %s", a, b)
	}
	if got := os.Getenv("SOURCE_DATE_EPOCH"); got != "1700000000" {
		t.Errorf("writing a disk left SOURCE_DATE_EPOCH=%s in the process", got)
	}
	for _, p := range []string{first, second} {
		st, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o644 {
			t.Errorf("mode %v", st.Mode())
		}
		if used := st.Sys().(*syscall.Stat_t).Blocks * 512; used > 8*mib {
			t.Errorf("the file takes %d MiB: not sparse", used/mib)
		}
	}
	l.UKI = append(bytes.Clone(l.UKI), 1)
	if err := Write(second, l); err != nil {
		t.Fatal(err)
	}
	if sum(first) == sum(second) {
		t.Error("another image gave the same disk")
	}
	l.Keys = map[string][]byte{"PK.auth": nil}
	before, after := l.identity(), (Layout{Name: l.Name, Version: l.Version, UKI: l.UKI, BootLoader: l.BootLoader}).identity()
	if before == after {
		t.Error("keys to enrol do not change the identity of the disk")
	}
}

func TestESPSize(t *testing.T) {
	for _, tt := range []struct{ uki, want int64 }{
		{0, soundSize(minESP, 4*mib)}, {34 * mib, 144 * mib}, {58 * mib, 236 * mib}, {100 * mib, 392 * mib},
	} {
		if got := ESPSize(tt.uki); got != tt.want {
			t.Errorf("ESPSize(%d MiB) = %d MiB, want %d MiB", tt.uki/mib, got/mib, tt.want/mib)
		}
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	l := testLayout()
	for name, edit := range map[string]func(*Layout){
		"no name":        func(l *Layout) { l.Name = "" },
		"a path as name": func(l *Layout) { l.Name = "a/b" },
		"no version":     func(l *Layout) { l.Version = "" },
		"no UKI":         func(l *Layout) { l.UKI = nil },
		"no loader":      func(l *Layout) { l.BootLoader = nil },
		"ESP too small":  func(l *Layout) { l.ESPBytes = mib },
		"bad file name":  func(l *Layout) { l.Name = "edge?" },
	} {
		dir, c := t.TempDir(), l
		edit(&c)
		if err := Write(filepath.Join(dir, "x.raw"), c); err == nil {
			t.Errorf("%s: no error", name)
		}
		if left, _ := os.ReadDir(dir); len(left) > 0 {
			t.Errorf("%s: left %v behind", name, left)
		}
	}
}

// fsck.vfat finds nothing to mend in volumes of any size that ESPSize may choose.
func TestSoundSizes(t *testing.T) {
	l := testLayout()
	for _, uki := range []int64{0, 35 * mib, 45 * mib, 64 * mib, 66 * mib} {
		size := ESPSize(uki)
		dir := t.TempDir()
		path, esp := filepath.Join(dir, "edge.raw"), filepath.Join(dir, "esp.img")
		l.ESPBytes = size
		if err := Write(path, l); err != nil {
			t.Fatal(err)
		}
		extract(t, path, esp, size)
		if out := tool(t, "fsck.vfat", "-n", "-v", esp); strings.Contains(out, "differences") {
			t.Errorf("%d MiB:\n%s", size/mib, out)
		}
		os.RemoveAll(dir)
	}
}
