package initrd

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"trunkline/image/initrd/modules"
)

// entries reads an archive: "mode name [size or -> target]" per entry.
func entries(t *testing.T, b []byte) []string {
	t.Helper()
	var out []string
	r := cpio.NewReader(bytes.NewReader(b))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Guid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d:%d, time %v", h.Name, h.Uid, h.Guid, h.ModTime)
		}
		line := fmt.Sprintf("%06o %s", int(h.Mode), h.Name)
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		} else if h.Mode.IsRegular() {
			body, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			line += fmt.Sprintf(" %q", body)
		}
		out = append(out, line)
	}
}

func TestConfigArchive(t *testing.T) {
	files := []File{
		{Path: "etc/trunkline/appliance.json", Mode: 0o600, Data: []byte("{}\n")},
		{Path: "etc/hostname", Data: []byte("edge-fra1\n")},
		{Path: "etc/localtime", Link: "../usr/share/zoneinfo/UTC"},
	}
	b, err := ConfigArchive(files)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"040755 config", "040755 config/etc",
		`100644 config/etc/hostname "edge-fra1\n"`,
		"120777 config/etc/localtime -> ../usr/share/zoneinfo/UTC",
		"040755 config/etc/trunkline",
		`100600 config/etc/trunkline/appliance.json "{}\n"`,
	}
	if d := cmp.Diff(want, entries(t, b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if len(b)%Align != 0 {
		t.Errorf("length %d is not a multiple of %d", len(b), Align)
	}
	files[0], files[2] = files[2], files[0]
	if again, _ := ConfigArchive(files); !bytes.Equal(b, again) {
		t.Error("the archive depends on the order of files")
	}
}

func TestConfigArchiveRefuses(t *testing.T) {
	for _, c := range []struct {
		paths []string
		want  string
	}{
		{[]string{"usr/bin/sbcd"}, "not a clean path below etc/"},
		{[]string{"/etc/passwd"}, "not a clean path below etc/"},
		{[]string{"etc/../usr/x"}, "not a clean path below etc/"},
		{[]string{"etc/x", "etc/x"}, "two files at etc/x"},
		{[]string{"etc/x", "etc/x-y", "etc/x/y"}, "etc/x/y lies below the file etc/x"},
	} {
		var files []File
		for _, p := range c.paths {
			files = append(files, File{Path: p})
		}
		if _, err := ConfigArchive(files); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error is %v, want one with %q", c.paths, err, c.want)
		}
	}
}

func parts(root string) Parts {
	return Parts{
		Init: []byte("init"),
		Modules: []*modules.Module{
			{Name: "loop", Path: "kernel/drivers/block/loop.ko.xz", Data: []byte("loop")},
			{Name: "erofs", Path: "kernel/fs/erofs/erofs.ko.xz", Data: []byte("erofs")},
		},
		Root: strings.NewReader(root), RootSize: int64(len(root)),
	}
}

func base(t *testing.T, root string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteBase(&b, parts(root)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestWriteBase(t *testing.T) {
	b := base(t, "root")
	if len(b)%Align != 0 {
		t.Errorf("length %d is not a multiple of %d", len(b), Align)
	}
	// The kernel's unpacker takes one frame and then skips zero bytes.
	z, err := zstd.NewReader(bytes.NewReader(bytes.TrimRight(b, "\x00")))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	raw, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"040755 dev", "040755 modules", "040755 proc", "040755 sys", "040755 sysroot",
		`100755 init "init"`,
		`100644 modules/00-loop.ko.xz "loop"`, `100644 modules/01-erofs.ko.xz "erofs"`,
		`100644 modules/list "00-loop.ko.xz\n01-erofs.ko.xz\n"`,
		`100644 root.erofs "root"`,
	}
	if d := cmp.Diff(want, entries(t, raw)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestBaseDoesNotDependOnCPUs(t *testing.T) {
	root := strings.Repeat("a root image of several megabytes, compressed in blocks; ", 100_000)
	one := base(t, root)
	old := runtime.GOMAXPROCS(1)
	two := base(t, root)
	runtime.GOMAXPROCS(old)
	if !bytes.Equal(one, two) {
		t.Error("two archives of one input differ")
	}
}

func TestShortRootIsAnError(t *testing.T) {
	p := parts("root")
	p.RootSize = 5
	if err := WriteBase(io.Discard, p); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error is %v", err)
	}
}

func TestProfiles(t *testing.T) {
	if _, err := RootModules("vm"); err != nil {
		t.Error(err)
	}
	if _, err := RootModules("toaster"); err == nil {
		t.Error("an unknown profile must be an error")
	}
}
