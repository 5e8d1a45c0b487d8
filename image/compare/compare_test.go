package compare

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/image"
	"trunkline/image/debian"
	"trunkline/image/imagetest"
	"trunkline/image/uki"
)

// build builds a small image with its own base layer, after change, and returns its
// output directory.
func build(t *testing.T, change func(*image.Request)) string {
	t.Helper()
	dir := t.TempDir()
	store := debian.NewStore(filepath.Join(dir, "cache"))
	lock, err := imagetest.Fill(store)
	if err != nil {
		t.Fatal(err)
	}
	r := image.Request{
		Name: "edge-test", Profile: imagetest.Profile, Lock: lock, Store: store, Offline: true,
		Config: []image.File{{Path: "etc/hostname", Data: []byte("edge-test\n")}, {Path: "etc/motd", Data: []byte("hello\n")}},
		OutDir: filepath.Join(dir, "out"), BaseCacheDir: filepath.Join(dir, "base"),
	}
	if r.SbcdPath, err = imagetest.Program(dir, "sbcd", "sbcd"); err != nil {
		t.Fatal(err)
	}
	if r.InitPath, err = imagetest.Program(dir, "init", "init"); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&r)
	}
	if _, err := image.Build(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return r.OutDir
}

// program writes another program beside the request's.
func program(t *testing.T, r *image.Request, name, text string) string {
	t.Helper()
	p, err := imagetest.Program(filepath.Dir(r.SbcdPath), name, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// poke changes one byte of a file.
func poke(t *testing.T, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0xff
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// chain renders the parts a difference lies in, the bytes of the innermost included.
func chain(parts []Part) string {
	var out []string
	for i, p := range parts {
		s := p.Name
		if i == len(parts)-1 {
			s += fmt.Sprintf(" @%d", p.Offset)
			if p.Detail != "" {
				s += ": " + p.Detail
			}
		}
		out = append(out, s)
	}
	return strings.Join(out, " > ")
}

func TestTheSame(t *testing.T) {
	d, err := Dirs(build(t, nil), build(t, nil))
	if err != nil || d != nil {
		t.Fatalf("%+v, %v", d, err)
	}
}

// What differs in an image is found where it differs, whatever checksum or identity
// differs before it.
func TestInsideAnImage(t *testing.T) {
	const archive = "section .initrd > archive 1 (zstd), unpacked > "
	whole := build(t, nil)
	for _, c := range []struct {
		name   string
		change func(*testing.T, *image.Request)
		want   string
	}{
		{"root image", func(t *testing.T, r *image.Request) { r.SbcdPath = program(t, r, "sbcd", "sbxd") },
			archive + "root.erofs > /usr/bin/sbcd @66: 0x63 and 0x78"},
		{"a longer file of the root image", func(t *testing.T, r *image.Request) { r.SbcdPath = program(t, r, "sbcd", "sbcd!") },
			archive + "root.erofs > /usr/bin/sbcd @68: the first ends there"},
		{"initrd", func(t *testing.T, r *image.Request) { r.InitPath = program(t, r, "init", "inix") },
			archive + "init @67: 0x74 and 0x78"},
		{"config layer", func(_ *testing.T, r *image.Request) { r.Config[0].Data = []byte("edge-west\n") },
			`section .initrd > archive 2 > config/etc/hostname @5: "edge-test" and "edge-west"`},
		{"mode in the config layer", func(_ *testing.T, r *image.Request) { r.Config[0].Mode = 0o600 },
			"section .initrd > archive 2 > config/etc/hostname @-1: mode 100644, owner 0:0, time 0, inode 3, 1 links and mode 100600, owner 0:0, time 0, inode 3, 1 links"},
		{"one file more", func(_ *testing.T, r *image.Request) { r.Config = append(r.Config, image.File{Path: "etc/issue"}) },
			"section .initrd > archive 2 > config/etc/issue @-1: only in the second"},
		{"one file less", func(_ *testing.T, r *image.Request) { r.Config = r.Config[1:] },
			"section .initrd > archive 2 > config/etc/hostname @-1: only in the first"},
		{"command line", func(_ *testing.T, r *image.Request) { r.Cmdline = "quiet" },
			"section .cmdline @" + fmt.Sprint(len("console=tty0 console=ttyS0,115200 "+image.DefaultCmdline)+1) + ": 0x74 and 0x71"}, // "trunkline.image=" and "quiet"
	} {
		t.Run(c.name, func(t *testing.T) {
			b := build(t, func(r *image.Request) { c.change(t, r) })
			d, err := Dirs(whole, b)
			if err != nil || d == nil {
				t.Fatalf("%+v, %v", d, err)
			}
			if d.File != "edge-test.efi" || d.Offset < 0 || !cmp.Equal(d.Others, []string{"edge-test.cdx.json", "edge-test.provenance.json", "edge-test.raw", "edge-test.spdx.json"}) {
				t.Errorf("%+v", d)
			}
			if got := chain(d.Inside); got != c.want {
				t.Errorf("inside the UKI\n%s\nwant\n%s", got, c.want)
			}
			// The same within the disk.
			disk := inside(filepath.Join(whole, "edge-test.raw"), filepath.Join(b, "edge-test.raw"), 0)
			if got, want := chain(disk), "ESP file EFI/Linux/edge-test_0.efi > "+c.want; got != want {
				t.Errorf("inside the disk\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Bytes that belong to no member are told by where they lie.
func TestOutsideOfMembers(t *testing.T) {
	a := build(t, nil)
	efi, err := os.Open(filepath.Join(a, "edge-test.efi"))
	if err != nil {
		t.Fatal(err)
	}
	defer efi.Close()
	sections, err := uki.Inspect(efi)
	if err != nil {
		t.Fatal(err)
	}
	osrel := sections[1]
	raw, err := os.Stat(filepath.Join(a, "edge-test.raw"))
	if err != nil {
		t.Fatal(err)
	}
	const mib = 1 << 20
	for _, c := range []struct {
		file string
		at   int64
		want string
	}{
		{"edge-test.efi", 400, "PE headers"},
		{"edge-test.efi", int64(osrel.Offset + osrel.Size), "padding between the sections"},
		{"edge-test.raw", 440, "protective MBR"},
		{"edge-test.raw", 512 + 56, "GPT header"},
		{"edge-test.raw", 1024 + 56, "GPT partition entries"},
		{"edge-test.raw", mib + 67, "ESP, outside of its files (byte 67 of the partition)"},
		{"edge-test.raw", raw.Size() - 512 + 56, "backup GPT"},
	} {
		b := t.TempDir()
		if err := os.CopyFS(b, os.DirFS(a)); err != nil {
			t.Fatal(err)
		}
		poke(t, filepath.Join(b, c.file), c.at)
		d, err := Dirs(a, b)
		if err != nil || d == nil {
			t.Fatalf("%+v, %v", d, err)
		}
		if want := fmt.Sprintf("%s @%d", c.want, c.at); d.File != c.file || d.Offset != c.at || chain(d.Inside) != want {
			t.Errorf("byte %d of %s: found %s, byte %d, %s; want %s", c.at, c.file, d.File, d.Offset, chain(d.Inside), want)
		}
	}
}

func TestFiles(t *testing.T) {
	long := strings.Repeat("x", 3<<20)
	for _, c := range []struct {
		name string
		a, b map[string]string
		want *Difference
	}{
		{"nothing", nil, nil, nil},
		{"beyond the first block", map[string]string{"f": long + "a"}, map[string]string{"f": long + "b"},
			&Difference{File: "f", Offset: 3 << 20, Detail: "0x61 and 0x62"}},
		{"a line", map[string]string{"f": "one\ntwo 1\nthree\n"}, map[string]string{"f": "one\ntwo 2\nthree\n"},
			&Difference{File: "f", Offset: 8, Detail: `"two 1" and "two 2"`}},
		{"the end", map[string]string{"f": "abc"}, map[string]string{"f": "ab"}, &Difference{File: "f", Offset: 2, Detail: "the second ends there"}},
		{"only first", map[string]string{"d/f": "x", "g": "1"}, map[string]string{"g": "2"},
			&Difference{File: "d/f", Offset: -1, Detail: "only the first build wrote it", Others: []string{"g"}}},
		{"only second", nil, map[string]string{"f": "x"}, &Difference{File: "f", Offset: -1, Detail: "only the second build wrote it"}},
		{"damaged image", map[string]string{"f": "MZ 1"}, map[string]string{"f": "MZ 2"}, &Difference{File: "f", Offset: 3, Detail: "0x31 and 0x32"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var dirs [2]string
			for i, files := range []map[string]string{c.a, c.b} {
				dirs[i] = t.TempDir()
				for name, text := range files {
					p := filepath.Join(dirs[i], name)
					if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
			got, err := Dirs(dirs[0], dirs[1])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestModesCount(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for dir, mode := range map[string]os.FileMode{a: 0o644, b: 0o600} {
		p := filepath.Join(dir, "f")
		if err := os.WriteFile(p, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Dirs(a, b)
	if err != nil || d == nil || d.Detail != "permission bits 0644 and 0600" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestWhatNoBuildMakes(t *testing.T) {
	a := t.TempDir()
	if err := os.Symlink("x", filepath.Join(a, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := Dirs(a, t.TempDir()); err == nil || !strings.Contains(err.Error(), "neither a file nor a directory") {
		t.Errorf("error is %v", err)
	}
	if _, err := Dirs(filepath.Join(a, "none"), a); err == nil {
		t.Error("a directory that is not there is no error")
	}
}
