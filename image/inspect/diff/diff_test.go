package diff

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/image/inspect"
	"trunkline/image/inventory"
	"trunkline/image/uki"
)

func file(path, content string) inspect.File {
	return inspect.File{Path: path, Mode: "0644", Size: int64(len(content)), SHA256: content}
}

func image() *inspect.Image {
	return &inspect.Image{
		Path: "a.efi", Kernel: "6.1", Cmdline: "console=tty0 console=ttyS0 panic=10 trunkline.image=sha256:1", Digest: "sha256:1", DigestNamed: "sha256:1",
		OS:  inspect.OS{Name: "Trunkline", Version: "1"},
		UKI: inspect.UKI{SHA256: "1", Sections: []uki.Section{{Name: ".text", SHA256: "t"}, {Name: ".initrd", SHA256: "i"}, {Name: ".linux", SHA256: "k"}}},
		Inventory: &inventory.Inventory{
			Profile: "vm", Lock: "sha256:l", Packages: []inventory.Package{{Name: "libc6", Version: "1"}, {Name: "old", Version: "1"}},
			Programs: []inventory.Program{{Path: "usr/bin/sbcd", Go: "go1.26", Modules: []inventory.Module{{Path: "x/sys", Version: "v1"}}}},
		},
		Units:  []inspect.Unit{{Name: "sbcd.service", By: []string{"multi-user.target"}, From: inspect.FromImage}},
		Config: []inspect.File{file("etc/hostname", "a"), file("etc/old", "o")},
		Root:   []inspect.File{file("usr/bin/sbcd", "1"), {Path: "usr/lib/x", Mode: "0777", Link: "y"}},
		Initrd: []inspect.File{file("init", "1")},
	}
}

func TestSame(t *testing.T) {
	d := Compare(image(), image())
	if d.Changed {
		t.Errorf("%+v", d)
	}
	b, err := json.Marshal(d)
	if err != nil || strings.Contains(string(b), "null") {
		t.Errorf("%s, %v", b, err)
	}
}

func TestCompare(t *testing.T) {
	a, b := image(), image()
	b.Path, b.Digest, b.DigestNamed, b.UKI.SHA256 = "b.raw", "sha256:2", "sha256:2", "2"
	b.Kernel, b.UKI.Signatures = "6.2", []inspect.Signature{{Subject: "CN=a", Certificate: strings.Repeat("0", 64)}, {Subject: "CN=b"}}
	b.Cmdline = "console=tty0 panic=10 quiet trunkline.image=sha256:2"
	b.UKI.Sections = []uki.Section{{Name: ".text", SHA256: "t"}, {Name: ".initrd", SHA256: "other"}, {Name: ".linux", SHA256: "k2"}, {Name: ".sbat", SHA256: "s"}}
	b.Inventory = &inventory.Inventory{
		Profile: "vm", Lock: "sha256:m", Packages: []inventory.Package{{Name: "libc6", Version: "2"}, {Name: "new", Version: "1"}},
		Programs: []inventory.Program{{Path: "usr/bin/sbcd", Go: "go1.27", Modules: []inventory.Module{{Path: "x/sys", Version: "v2"}}}},
	}
	b.Units = append(b.Units, inspect.Unit{Name: "sbcd.service", By: []string{"rescue.target"}, From: inspect.FromConfig})
	b.Config = []inspect.File{file("etc/hostname", "b"), file("etc/new", "n")}
	b.Root = []inspect.File{file("usr/bin/sbcd", "1"), {Path: "usr/lib/x", Mode: "0777", Link: "z"}}
	b.Initrd[0].Mode = "0755"
	was := func(f inspect.File) *inspect.File { return &f }
	want := &Diff{
		FormatVersion: FormatVersion, Changed: true,
		Before: Side{"a.efi", "sha256:1", "1"}, After: Side{"b.raw", "sha256:2", "2"},
		Facts: []Change{
			{"Go of usr/bin/sbcd", "go1.26", "go1.27"}, {"kernel", "6.1", "6.2"}, {"lock", "sha256:l", "sha256:m"}, {"signature", "none", "CN=a (certificate 0000000000000000), CN=b (certificate )"},
		},
		Cmdline:  []Change{{"console", "console=tty0 console=ttyS0", "console=tty0"}, {"quiet", "", "quiet"}},
		Packages: []Change{{"libc6", "1", "2"}, {"new", "", "1"}, {"old", "1", ""}},
		Modules:  []Change{{"usr/bin/sbcd x/sys", "v1", "v2"}},
		Units:    []Change{{"sbcd.service", "multi-user.target (image)", "multi-user.target (image); rescue.target (config)"}},
		Config: []FileChange{
			{"etc/hostname", was(file("etc/hostname", "a")), was(file("etc/hostname", "b"))},
			{Path: "etc/new", After: was(file("etc/new", "n"))}, {Path: "etc/old", Before: was(file("etc/old", "o"))},
		},
		Root:     []FileChange{{"usr/lib/x", &a.Root[1], &b.Root[1]}},
		Initrd:   []FileChange{{"init", &a.Initrd[0], &b.Initrd[0]}},
		ESP:      []FileChange{},
		Sections: []string{".linux", ".sbat"},
	}
	if d := cmp.Diff(want, Compare(a, b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// Disks are compared by what lies on them, and an image of an older version, which
// has no inventory, with anything.
func TestDisksAndOlderImages(t *testing.T) {
	a, b := image(), image()
	a.Disk = &inspect.Disk{Files: []inspect.File{file("loader/loader.conf", "1")}}
	if d := Compare(a, b); d.Changed {
		t.Errorf("a disk and its image: %+v", d)
	}
	b.Disk = &inspect.Disk{Files: []inspect.File{file("loader/loader.conf", "2")}}
	if d := Compare(a, b); !d.Changed || len(d.ESP) != 1 {
		t.Errorf("two disks: %+v", d)
	}
	b.Inventory = nil
	if d := Compare(a, b); len(d.Packages) != 2 || d.Packages[0].After != "" {
		t.Errorf("without an inventory: %+v", d.Packages)
	}
}
