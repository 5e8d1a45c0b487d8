package outputs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"trunkline/image/inspect"
)

const example = "../../../appliance/examples/edge-fra1"

// build is a signed image of the example in every format.
type build struct {
	cert string // whose key signed
	file func(ending string) string
	img  *inspect.Image
}

func newBuild(t *testing.T) build {
	t.Helper()
	bin := os.Getenv("TRUNKLINE_BIN")
	if bin == "" {
		t.Skip("TRUNKLINE_BIN is not set: run `make e2e`, which builds the programs and sets it")
	}
	dir := t.TempDir()
	keys, trunkline := filepath.Join(dir, "keys"), filepath.Join(bin, "trunkline")
	must(t, trunkline, "keys", keys)
	must(t, trunkline, "build", example, "-o", dir, "--format", "raw,qcow2,iso", "--secure-boot-key", filepath.Join(keys, "db.key"),
		"--secure-boot-cert", filepath.Join(keys, "db.crt"), "--secure-boot-enroll", keys)
	b := build{
		cert: filepath.Join(keys, "db.crt"),
		file: func(ending string) string { return filepath.Join(dir, "edge-fra1", "edge-fra1."+ending) },
	}
	var err error
	if b.img, err = inspect.Open(b.file("efi")); err != nil {
		t.Fatal(err)
	}
	return b
}

// says runs a tool and returns all it prints; ok is whether it found nothing wrong.
func says(t *testing.T, tool string, args ...string) (out string, ok bool) {
	t.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		if path, err = exec.LookPath("/usr/sbin/" + tool); err != nil {
			t.Fatalf("%v (ci/setup test installs it)", err)
		}
	}
	b, err := exec.Command(path, args...).CombinedOutput()
	return string(b), err == nil
}

func must(t *testing.T, tool string, args ...string) string {
	t.Helper()
	out, ok := says(t, tool, args...)
	if !ok {
		t.Fatalf("%s %s:\n%s", tool, strings.Join(args, " "), out)
	}
	return out
}

// broken copies a file and changes it.
func broken(t *testing.T, path string, change func(b []byte)) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	change(b)
	out := filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(out, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return out
}

// flip changes one byte.
func flip(at int) func([]byte) { return func(b []byte) { b[at] ^= 0xff } }

func write(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// check wants a tool to find nothing wrong with good, and to say that bad is broken.
func check(t *testing.T, good, bad func() (string, bool), wantGood, wantBad string) {
	t.Helper()
	if out, ok := good(); !ok || !strings.Contains(out, wantGood) {
		t.Errorf("of the image, without %q:\n%s", wantGood, out)
	}
	if out, ok := bad(); ok && wantBad == "" || !strings.Contains(out, wantBad) {
		t.Errorf("of the broken one, without %q:\n%s", wantBad, out)
	}
}

func TestToolsOfOthers(t *testing.T) {
	b := newBuild(t)
	raw, iso := b.file("raw"), b.file("iso")

	t.Run("sgdisk", func(t *testing.T) {
		verify := func(path string) func() (string, bool) {
			return func() (string, bool) { return says(t, "sgdisk", "-v", path) }
		}
		const entries = 2 * 512
		check(t, verify(raw), verify(broken(t, raw, flip(entries+56))), "No problems found", "CRC")
	})
	esp := partition(t, raw)
	t.Run("fsck.vfat", func(t *testing.T) {
		verify := func(path string) func() (string, bool) {
			return func() (string, bool) { return says(t, "fsck.vfat", "-n", path) }
		}
		const secondEntry = 32*512 + 3*4 + 1 // of the first table
		check(t, verify(esp), verify(broken(t, esp, flip(secondEntry))), "", "FATs differ")
		medium := filepath.Join(t.TempDir(), "efi.img")
		must(t, "xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/EFI.IMG", medium)
		check(t, verify(medium), verify(broken(t, medium, flip(secondEntry))), "", "FATs differ")
		// The medium has the files of the disk.
		if a, b := listing(t, esp), listing(t, medium); a != b || !strings.Contains(a, "::/EFI/BOOT/BOOTX64.EFI") || !strings.Contains(a, "::/EFI/Linux/edge-fra1") {
			t.Errorf("on the disk\n%son the medium\n%s", a, b)
		}
	})
	t.Run("sbverify", func(t *testing.T) {
		loader := filepath.Join(t.TempDir(), "loader.efi")
		must(t, "mcopy", "-i", esp, "::/EFI/BOOT/BOOTX64.EFI", loader)
		for _, path := range []string{b.file("efi"), loader} {
			verify := func(path string) func() (string, bool) {
				return func() (string, bool) { return says(t, "sbverify", "--cert", b.cert, path) }
			}
			check(t, verify(path), verify(broken(t, path, flip(0x5000))), "Signature verification OK", "Signature verification failed")
		}
	})
	t.Run("qemu-img", func(t *testing.T) {
		path := b.file("qcow2")
		verify := func(path string) func() (string, bool) {
			return func() (string, bool) { return says(t, "qemu-img", "check", "-f", "qcow2", path) }
		}
		const cluster = 64 << 10 // the second refcount of the block, which is the third cluster
		check(t, verify(path), verify(broken(t, path, flip(2*cluster+2*7))), "No errors were found on the image", "errors were found")
		compare := func(path string) func() (string, bool) {
			return func() (string, bool) { return says(t, "qemu-img", "compare", "-f", "raw", "-F", "qcow2", raw, path) }
		}
		check(t, compare(path), compare(broken(t, path, func(b []byte) { flip(len(b) - cluster)(b) })), "Images are identical.", "Content mismatch")
		if out := must(t, "qemu-img", "info", "-f", "qcow2", path); !strings.Contains(out, "compat: 1.1") {
			t.Errorf("not version 3:\n%s", out)
		}
	})
	t.Run("xorriso", func(t *testing.T) {
		report := func(path string) func() (string, bool) {
			return func() (string, bool) {
				return says(t, "xorriso", "-report_about", "WARNING", "-indev", path, "-report_el_torito", "plain", "-report_system_area", "plain")
			}
		}
		const catalog = 19 * 2048
		check(t, report(iso), report(broken(t, iso, flip(catalog+1))), "El Torito boot img :   1  UEFI  y", "El Torito boot img :   1  0x10")
		if out, _ := report(iso)(); !regexp.MustCompile(`MBR partition +: +1 +0x00 +0xef`).MatchString(out) {
			t.Errorf("no partition for a USB stick:\n%s", out)
		}
	})
	t.Run("fsck.erofs", func(t *testing.T) {
		root := rootImage(t, b.img)
		verify := func(path string) func() (string, bool) {
			return func() (string, bool) { return says(t, "fsck.erofs", "--extract", path) }
		}
		const superblock = 1024
		check(t, verify(root), verify(broken(t, root, func(b []byte) { // the root inode lies elsewhere
			flip(superblock + 14)(b)
			flip(superblock + 15)(b)
		})), "", "")
	})
	t.Run("systemd-analyze", func(t *testing.T) { unitsVerify(t, b.img) })
}

// partition cuts the EFI system partition out of a raw disk, where sgdisk says it is.
func partition(t *testing.T, raw string) string {
	t.Helper()
	out := must(t, "sgdisk", "-i", "1", raw)
	var first, last int64
	for _, line := range strings.Split(out, "\n") {
		_, _ = fmt.Sscanf(line, "First sector: %d", &first)
		_, _ = fmt.Sscanf(line, "Last sector: %d", &last)
	}
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if first == 0 || last <= first || last*512 > int64(len(b)) {
		t.Fatalf("sectors %d to %d:\n%s", first, last, out)
	}
	return write(t, "esp.img", b[first*512:(last+1)*512])
}

// listing is the files of a FAT volume.
func listing(t *testing.T, volume string) string {
	t.Helper()
	return must(t, "mdir", "-i", volume, "-/", "-b", "::/")
}

// rootImage is the root file system out of the unified kernel image.
func rootImage(t *testing.T, img *inspect.Image) string {
	t.Helper()
	i := slices.IndexFunc(img.Initrd, func(f inspect.File) bool { return f.Path == "root.erofs" })
	if i < 0 {
		t.Fatal("no root image in the initrd")
	}
	return write(t, "root.erofs", bytes.Clone(img.Initrd[i].Data))
}
