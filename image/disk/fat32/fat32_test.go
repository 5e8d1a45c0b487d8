package fat32

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestNamesAndContents writes every kind of name and reads all back with mtools.
func TestNamesAndContents(t *testing.T) {
	for _, name := range []string{"mcopy", "mdir"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed (Debian: mtools)", name)
		}
	}
	files := []File{
		{"/README.TXT", []byte("exact short name")},
		{"/lower.txt", []byte("case kept by a long name")},
		{"/a rather long name with spaces.config", bytes.Repeat([]byte("x"), ClusterSize)},
		{"/thirteenchars", []byte("13")},
		{"/empty", nil},
		{"/two.dots.efi", bytes.Repeat([]byte("y"), ClusterSize+1)},
		{"/.hidden", []byte("h")},
	}
	for i := range 150 { // a directory of several clusters, short names collide
		files = append(files, File{fmt.Sprintf("/many/sub/collision number %d.efi", i), []byte{byte(i)}})
	}
	img := filepath.Join(t.TempDir(), "fat")
	f, err := os.Create(img)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(MinSize); err != nil {
		t.Fatal(err)
	}
	if err := Write(f, Volume{Size: MinSize, Label: "TEST", Serial: 0x1234abcd, Files: files}); err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, file := range files[:20] {
		got, err := exec.Command("mcopy", "-i", img, "::"+file.Path, "-").CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", file.Path, err, got)
		}
		if !bytes.Equal(got, file.Data) {
			t.Errorf("%s: %d bytes back, %d written", file.Path, len(got), len(file.Data))
		}
	}
	out, err := exec.Command("mdir", "-/", "-b", "-i", img, "::/").CombinedOutput()
	if err != nil {
		t.Fatalf("mdir: %v\n%s", err, out)
	}
	for _, file := range files {
		if !strings.Contains(string(out), "::"+file.Path+"\n") {
			t.Errorf("%s is not listed by that very name", file.Path)
		}
	}
	fsck, err := exec.LookPath("/usr/sbin/fsck.vfat")
	if err != nil {
		t.Skip("fsck.vfat is not installed (Debian: dosfstools)")
	}
	if out, err := exec.Command(fsck, "-n", img).CombinedOutput(); err != nil {
		t.Errorf("fsck.vfat: %v\n%s", err, out)
	}
}

func TestShortName(t *testing.T) {
	for _, tt := range []struct {
		name, short string
		exact       bool
	}{
		{"BOOTX64.EFI", "BOOTX64 EFI", true},
		{"edge-fra1.efi", "EDGE-FRAEFI", false},
		{"loader.conf", "LOADER  CON", false},
		{"EFI", "EFI        ", true},
		{"a+b.c", "A_B     C  ", false},
		{".profile", "PROFILE    ", false},
	} {
		short, exact := shortName(tt.name)
		if string(short[:]) != tt.short || exact != tt.exact {
			t.Errorf("shortName(%q) = %q, %v; want %q, %v", tt.name, short, exact, tt.short, tt.exact)
		}
	}
}

func TestRefusals(t *testing.T) {
	big := bytes.Repeat([]byte{1}, 1<<20)
	var tooMuch []File
	for i := range 280 {
		tooMuch = append(tooMuch, File{fmt.Sprintf("/%d", i), big})
	}
	for _, tt := range []struct {
		name string
		v    Volume
		want string
	}{
		{"small", Volume{Size: 1 << 20}, "below the smallest"},
		{"odd", Volume{Size: MinSize + 1}, "multiples of 512"},
		{"label", Volume{Size: MinSize, Label: "lower"}, "upper-case"},
		{"relative", Volume{Size: MinSize, Files: []File{{Path: "a"}}}, "not absolute"},
		{"dots", Volume{Size: MinSize, Files: []File{{Path: "/a/../b"}}}, "not usable"},
		{"character", Volume{Size: MinSize, Files: []File{{Path: "/a?b"}}}, "does not take"},
		{"twice", Volume{Size: MinSize, Files: []File{{Path: "/a"}, {Path: "/A"}}}, "taken"},
		{"file as directory", Volume{Size: MinSize, Files: []File{{Path: "/a"}, {Path: "/a/b"}}}, "taken"},
		{"too much", Volume{Size: MinSize, Files: tooMuch}, "too small"},
	} {
		err := Write(discard{}, tt.v)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.name, err, tt.want)
		}
	}
}

type discard struct{}

func (discard) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }
