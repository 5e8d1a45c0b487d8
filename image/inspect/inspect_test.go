package inspect

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"trunkline/image/initrd"
	"trunkline/image/inventory"
)

// archive is a cpio archive of regular files, in the order given: "path", "content", ...
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := cpio.NewWriter(&b)
	if err := w.WriteHeader(&cpio.Header{Name: "dir", Mode: cpio.TypeDir | 0o755, Links: 2}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(files); i += 2 {
		if err := w.WriteHeader(&cpio.Header{Name: files[i], Mode: cpio.TypeReg | 0o640, Links: 1, Size: int64(len(files[i+1]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(files[i+1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func compress(t testing.TB, b []byte, o ...zstd.EOption) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, o...)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

func contents(files []File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		out[f.Path] = string(f.Data)
	}
	return out
}

func TestUnpack(t *testing.T) {
	zeros := make([]byte, 8)
	first, second := archive(t, "init", "one", "etc/x", "old"), archive(t, "etc/x", "new", "etc/y", "two")
	want := map[string]string{"init": "one", "etc/x": "new", "etc/y": "two"}
	for name, section := range map[string][]byte{
		"plain":                     bytes.Join([][]byte{first, second}, nil),
		"compressed, then plain":    bytes.Join([][]byte{compress(t, first), zeros[:3], second, zeros}, nil),
		"compressed twice":          bytes.Join([][]byte{compress(t, first), compress(t, second)}, nil),
		"without a checksum":        bytes.Join([][]byte{compress(t, first, zstd.WithEncoderCRC(false)), second}, nil),
		"with zero bytes in front":  bytes.Join([][]byte{zeros, first, zeros, second}, nil),
		"blocks that are one byte":  bytes.Join([][]byte{compress(t, archive(t, "init", "one", "etc/x", "old")), second}, nil),
		"a frame of raw blocks too": bytes.Join([][]byte{compress(t, first, zstd.WithEncoderLevel(zstd.SpeedFastest)), second}, nil),
	} {
		files, err := unpack(section)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(want, contents(files)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		for _, f := range files {
			if f.Mode != "0640" || len(f.SHA256) != 64 || f.Size != int64(len(f.Data)) {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// The length of a frame is found without its end being known: frames of every kind
// of block, with other bytes behind them.
func TestFrameLength(t *testing.T) {
	noise := make([]byte, 300_000)
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, b := range map[string][]byte{
		"nothing": {}, "text": []byte(strings.Repeat("a line of text\n", 30_000)),
		"one byte many times": bytes.Repeat([]byte{7}, 1<<20), "noise": noise,
	} {
		frame := compress(t, b, zstd.WithZeroFrames(true))
		got, err := initrd.FrameLength(append(bytes.Clone(frame), "070701 and more"...))
		if err != nil || got != len(frame) {
			t.Errorf("%s: %d, %v, want %d", name, got, err, len(frame))
		}
		for _, n := range []int{3, len(frame) / 2, len(frame) - 1} {
			if n > 0 && n < len(frame) {
				if got, err := initrd.FrameLength(frame[:n]); err == nil {
					t.Errorf("%s cut to %d bytes has a frame of %d", name, n, got)
				}
			}
		}
	}
}

func TestUnpackRefuses(t *testing.T) {
	whole := archive(t, "init", "one")
	huge := bytes.Clone(whole)
	// The size field of the second entry: more than the archive has.
	at := bytes.Index(huge[6:], []byte("070701")) + 6
	copy(huge[at+54:], "FFFFFFF0")
	for name, c := range map[string]struct {
		section []byte
		want    string
	}{
		"another compression":    {[]byte("\x1f\x8b\x08 gzip"), "only cpio and zstd"},
		"cut within an archive":  {whole[:len(whole)-130], "archive: "},
		"cut within a frame":     {compress(t, whole)[:20], "compressed archive: "},
		"a file larger than all": {huge, "unexpected EOF"},
		"no archive in a frame":  {compress(t, []byte("hello")), "archive: "},
	} {
		if _, err := unpack(c.section); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, want one with %q", name, err, c.want)
		}
	}
}

func TestEnabledUnits(t *testing.T) {
	link := func(path, target string) File { return linkOf(path, target) }
	root := []File{
		link("etc/systemd/system/dbus.service", "/usr/lib/systemd/system/dbus-broker.service"),
		link("etc/systemd/system/multi-user.target.wants/sbcd.service", "/usr/lib/systemd/system/sbcd.service"),
		link("etc/systemd/system/systemd-x.service", "/dev/null"),
		link("usr/lib/systemd/system/sysinit.target.wants/kmod.service", "../kmod.service"),
		link("usr/lib/systemd/system/dbus-y.service", "dbus-y.service"),
		fileOf("usr/lib/systemd/system/sbcd.service", 0o644, []byte("[Unit]")),
		link("etc/localtime", "../usr/share/zoneinfo/UTC"),
	}
	config := []File{
		link("etc/systemd/system/sysinit.target.wants/systemd-timesyncd.service", "/usr/lib/systemd/system/systemd-timesyncd.service"),
		link("etc/systemd/system/basic.target.requires/systemd-timesyncd.service", "/usr/lib/systemd/system/systemd-timesyncd.service"),
		fileOf("etc/systemd/system/sbcd.service.d/10.conf", 0o644, nil),
	}
	want := []Unit{
		{"dbus-broker.service", []string{"alias dbus.service"}, FromImage},
		{"kmod.service", []string{"sysinit.target"}, FromPackage},
		{"sbcd.service", []string{"multi-user.target"}, FromImage},
		{"systemd-timesyncd.service", []string{"basic.target", "sysinit.target"}, FromConfig},
	}
	if d := cmp.Diff(want, enabledUnits(root, config)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// A program that is not the one of the image's record is found out.
func TestCheckPrograms(t *testing.T) {
	sbcd, first := fileOf("usr/bin/sbcd", 0o755, []byte("sbcd")), fileOf("init", 0o755, []byte("init"))
	whole := Image{
		Root: []File{sbcd}, Initrd: []File{first},
		Inventory: &inventory.Inventory{Programs: []inventory.Program{{Path: "init", SHA256: first.SHA256}, {Path: "usr/bin/sbcd", SHA256: sbcd.SHA256}}},
	}
	if err := whole.checkPrograms(); err != nil {
		t.Error(err)
	}
	changed, without := whole, whole
	changed.Root = []File{fileOf("usr/bin/sbcd", 0o755, []byte("another"))}
	if err := changed.checkPrograms(); err == nil || !strings.Contains(err.Error(), "usr/bin/sbcd has the digest") {
		t.Errorf("another sbcd: error is %v", err)
	}
	without.Initrd = nil
	if err := without.checkPrograms(); err == nil || !strings.Contains(err.Error(), "names init, which is not there") {
		t.Errorf("no init: error is %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return p
	}
	write("two/a.efi", "MZ")
	write("two/b.efi", "MZ")
	write("none/plan.json", "{}")
	for name, c := range map[string][2]string{
		"nothing there":        {filepath.Join(dir, "gone"), "no such file"},
		"a text":               {write("x.txt", "hello"), "neither a unified kernel image nor a disk"},
		"an empty file":        {write("empty", ""), "neither a unified kernel image nor a disk"},
		"a damaged image":      {write("bad.efi", "MZ and nothing"), "not a PE image"},
		"a damaged disk":       {write("bad.raw", strings.Repeat("\x00", 512)+"EFI PART"+strings.Repeat("\x00", 4096)), "no disk with a GUID partition table"},
		"two images":           {filepath.Join(dir, "two"), "name one of them"},
		"a directory of other": {filepath.Join(dir, "none"), "`trunkline build` makes one"},
	} {
		if _, err := Open(c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: error is %v, want one with %q", name, err, c[1])
		}
	}
}

// Whatever an archive holds, unpacking ends, with files or an error.
func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, "init", "one"))
	f.Add(compress(f, archive(f, "init", "one", "etc/x", "two")))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := unpack(b)
		if err != nil && files != nil {
			t.Error("files and an error")
		}
	})
}

// Of several images on a disk the one that systemd-boot starts is read.
func TestPreference(t *testing.T) {
	want := []string{
		"EFI/Linux/edge_3+2-1.efi", "EFI/Linux/edge_2.efi", "EFI/Linux/edge_1.efi", "EFI/Linux/edge_4+0-3.efi",
		"EFI/Linux/another.efi",
	}
	got := slices.Clone(want)
	slices.Sort(got)
	slices.SortFunc(got, preference)
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
