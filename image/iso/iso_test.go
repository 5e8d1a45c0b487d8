package iso

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const about = "What this is.\n"

// medium writes one with a boot image of a size.
func medium(t *testing.T, size int64) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "medium.iso"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	l := Lay([]byte(about), size)
	if err := f.Truncate(l.Total); err != nil {
		t.Fatal(err)
	}
	if err := Write(f, "EDGE_FRA1", []byte(about), size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte("fat "), 256), l.Start); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func tool(t *testing.T, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Fatalf("%s is not installed: ci/setup test installs it", args[0])
	}
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	return string(out)
}

// xorriso finds the boot image and both files, small or too large for the catalog to say.
func TestOthersReadIt(t *testing.T) {
	for _, size := range []int64{1 << 20, 40 << 20} {
		t.Run(fmt.Sprintf("%d MiB", size>>20), func(t *testing.T) {
			path := medium(t, size)
			l := Lay([]byte(about), size)
			out := tool(t, "xorriso", "-report_about", "WARNING", "-indev", path, "-report_el_torito", "plain", "-report_system_area", "plain", "-pvd_info", "-lsl", "/")
			for _, want := range []string{
				fmt.Sprintf("El Torito boot img :   1  UEFI  y   none  0x0000  0x00 %6d%12d\n", min(size/512, 65536)%65536, l.Start/Block),
				"El Torito img path :   1  /EFI.IMG\n",
				"MBR partition      :   1   0x00  0xef", fmt.Sprintf(" %12d %12d\n", l.Start/512, size/512),
				"Volume Id    : EDGE_FRA1\n", "'ABOUT.TXT'", "'EFI.IMG'",
			} {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
			dir := t.TempDir()
			tool(t, "xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", filepath.Join(dir, "all"))
			if b, err := os.ReadFile(filepath.Join(dir, "all", "ABOUT.TXT")); err != nil || string(b) != about {
				t.Errorf("ABOUT.TXT is %q, %v", b, err)
			}
			if b, err := os.ReadFile(filepath.Join(dir, "all", "EFI.IMG")); err != nil || int64(len(b)) != size || !strings.HasPrefix(string(b), "fat fat ") {
				t.Errorf("EFI.IMG has %d bytes, %v", len(b), err)
			}
		})
	}
}

func TestBootImage(t *testing.T) {
	size := int64(40 << 20)
	b, err := os.ReadFile(medium(t, size))
	if err != nil {
		t.Fatal(err)
	}
	start, n, err := BootImage(bytes.NewReader(b))
	if err != nil || start != Lay([]byte(about), size).Start || n != size || !Is(bytes.NewReader(b)) {
		t.Errorf("from byte %d, %d bytes, %v", start, n, err)
	}
	for name, c := range map[string]struct {
		at   int
		to   byte
		want string
	}{
		"no boot record":      {bootBlock * Block, 2, "no El Torito boot record"},
		"catalog far away":    {bootBlock*Block + 74, 0x7f, "boot catalog"},
		"of another platform": {catalogBlock*Block + 1, 0, "no entry for EFI"},
		"image far away":      {catalogBlock*Block + 32 + 11, 0x7f, "a boot image from byte"},
	} {
		bad := bytes.Clone(b)
		bad[c.at] = c.to
		if _, _, err := BootImage(bytes.NewReader(bad)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v", name, err)
		}
	}
	if Is(strings.NewReader("CD001")) {
		t.Error("a short file is a medium")
	}
}

// Media that begin with an image for the BIOS, as distributions make them, have theirs
// for EFI in a section.
func TestBootImageInASection(t *testing.T) {
	dir := t.TempDir()
	for name, size := range map[string]int{"bios.img": 4 << 10, "efi.img": 1 << 20} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte{1}, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "both.iso")
	tool(t, "xorriso", "-as", "mkisofs", "-quiet", "-o", path, "-b", "bios.img", "-no-emul-boot", "-boot-load-size", "4",
		"-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot", dir)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	start, size, err := BootImage(f)
	if err != nil || size != 1<<20 {
		t.Fatalf("from byte %d, %d bytes, %v", start, size, err)
	}
	got := make([]byte, size)
	if _, err := f.ReadAt(got, start); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{1}, int(size))) {
		t.Errorf("another image is there (%v)", err)
	}
}

func TestSameBytes(t *testing.T) {
	sum := func() [32]byte {
		b, err := os.ReadFile(medium(t, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		return sha256.Sum256(b)
	}
	first := sum()
	t.Setenv("TZ", "Asia/Kathmandu")
	if sum() != first {
		t.Error("two media differ")
	}
}

func TestWriteRefuses(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, label := range []string{"", "edge", strings.Repeat("A", 33)} {
		if err := Write(f, label, nil, Block); err == nil {
			t.Errorf("label %q is taken", label)
		}
	}
	if err := Write(f, "A", nil, 0); err == nil {
		t.Error("no boot image is taken")
	}
}

func FuzzBootImage(f *testing.F) {
	b := make([]byte, 64*Block)
	copy(b[pvdBlock*Block:], "\x01CD001\x01")
	f.Add(b)
	f.Fuzz(func(_ *testing.T, b []byte) { _, _, _ = BootImage(bytes.NewReader(b)) })
}
