package slots

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/image/imagetest"
)

const (
	long    = "an-appliance-whose-name-needs-more-than-one-sector-for-each-one" // 63 characters, as many as there may be
	version = "20260131.120000"
)

// A partition on which the name of an image was being changed when the power went has the old
// sectors of its directory and the new ones, in any mixture. Once mended it has the image under
// one name, or not at all, and the other image as it was.
func TestTornRename(t *testing.T) {
	old, next := image("1"), image(version)
	for _, c := range []struct{ name, from, to string }{
		{"the boot loader counts a start", long + "_" + version + "+3.efi", long + "_" + version + "+2-1.efi"},
		{"found good", long + "_" + version + "+2-1.efi", long + "_" + version + ".efi"},
		{"installed", long + "_" + version + ".efi.part", long + "_" + version + "+3.efi"},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := newFAT(t, file{long + "_1.efi", old}, file{c.from, next})
			after := filepath.Join(t.TempDir(), "after.fat")
			a := read(t, before)
			if err := os.WriteFile(after, a, 0o600); err != nil {
				t.Fatal(err)
			}
			tool(t, "mren", "-i", after, "::/EFI/Linux/"+c.from, c.to)
			b := read(t, after)
			var sectors []int
			for at := 0; at < len(a); at += 512 {
				if !bytes.Equal(a[at:at+512], b[at:at+512]) {
					sectors = append(sectors, at)
				}
			}
			if len(sectors) < 2 || len(sectors) > 6 {
				t.Fatalf("a rename changes %d sectors", len(sectors))
			}
			for arrived := range 1 << len(sectors) {
				torn := bytes.Clone(a)
				for i, at := range sectors {
					if arrived>>i&1 == 1 {
						copy(torn[at:at+512], b[at:at+512])
					}
				}
				what := fmt.Sprintf("of the sectors %v those of the bits %b have arrived", sectors, arrived)
				e, mended := mend(t, torn, long)
				images, err := e.Images()
				if err != nil {
					t.Fatal(err)
				}
				// What is no image is told from one, and goes with the next installation.
				parts, _, err := e.leftovers()
				if err != nil || len(parts)+len(images) != len(e.files(t)) {
					t.Errorf("%s: of %q, %q are left over (%v)", what, e.files(t), parts, err)
				}
				t.Logf("%s: mended: %q; there is then %q", what, mended, e.files(t))
				for name, want := range map[string][]byte{"1": old, version: next} {
					var found []Image
					for _, i := range images {
						if i.Version == name {
							found = append(found, i)
						}
					}
					switch {
					case len(found) > 1, len(found) == 0 && name == "1":
						t.Errorf("%s: version %s is there as %+v", what, name, found)
					case len(found) == 1 && !bytes.Equal(read(t, filepath.Join(e.dir, found[0].File)), want):
						t.Errorf("%s: version %s is damaged: %+v", what, name, found)
					}
				}
			}
		})
	}
}

// Both names of an image, of which one would be, or was, taken away: the image stays under one.
func TestTwoNames(t *testing.T) {
	counted, good := long+"_"+version+"+2-1.efi", long+"_"+version+".efi"
	next := image(version)
	for _, order := range [][]file{{{counted, next}, {good, nil}}, {{good, nil}, {counted, next}}} {
		fat := read(t, newFAT(t, order...))
		// Short entries (Microsoft FAT specification, 6): 11 bytes of name; the first cluster at
		// 20 and 26, the size at 28. The one of the empty file gets what the other has.
		var entries [][]byte
		for at := 0; at < len(fat); at += 32 {
			if bytes.HasPrefix(fat[at:], []byte("AN-APP~")) {
				entries = append(entries, fat[at:at+32])
			}
		}
		if len(entries) != 2 {
			t.Fatalf("%d entries", len(entries))
		}
		full, empty := entries[0], entries[1]
		if order[0].content == nil {
			full, empty = empty, full
		}
		copy(empty[20:22], full[20:22])
		copy(empty[26:32], full[26:32])
		e, mended := mend(t, fat, long)
		images, err := e.Images()
		if err != nil || len(images) != 1 || len(e.files(t)) != 1 || images[0].Version != version || !bytes.Equal(read(t, filepath.Join(e.dir, images[0].File)), next) {
			t.Errorf("%+v of %q, %v; mended: %s", images, e.files(t), err, mended)
		}
		if !strings.Contains(mended, "share clusters") {
			t.Errorf("mended: %q", mended)
		}
	}
}

type file struct {
	name    string
	content []byte
}

// newFAT makes a file system with images, written in this order.
func newFAT(t *testing.T, files ...file) string {
	t.Helper()
	dir := t.TempDir()
	fat, one := filepath.Join(dir, "esp.fat"), filepath.Join(dir, "image")
	tool(t, "mkfs.vfat", "-C", "-F", "32", "-s", "1", "-S", "512", fat, "40960")
	tool(t, "mmd", "-i", fat, "::/EFI", "::/EFI/Linux")
	for _, f := range files {
		if err := os.WriteFile(one, f.content, 0o600); err != nil {
			t.Fatal(err)
		}
		tool(t, "mcopy", "-i", fat, one, "::/EFI/Linux/"+f.name)
	}
	return fat
}

// mend checks a file system and opens what is on it then, in a directory.
func mend(t *testing.T, fat []byte, name string) (*ESP, string) {
	t.Helper()
	dir := t.TempDir()
	esp := filepath.Join(dir, "torn.fat")
	if err := os.WriteFile(esp, fat, 0o600); err != nil {
		t.Fatal(err)
	}
	mended, err := check(context.Background(), esp)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := check(context.Background(), esp); err != nil || again != "" {
		t.Errorf("checked once more, it is mended again: %s, %v", again, err)
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, f := range strings.Fields(tool(t, "mdir", "-b", "-i", esp, "::/")) {
		if f = strings.TrimSuffix(f, "/"); f != "" {
			tool(t, "mcopy", "-s", "-i", esp, f, root)
		}
	}
	e, err := Open(root, name, "1")
	if err != nil {
		t.Fatal(err)
	}
	e.identify = func(path string) (string, string, error) {
		version, _, _ := strings.Cut(string(read(t, path)), "|")
		return name, version, nil
	}
	if err := e.tidy(root); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(root, "FSCK*")); len(left) > 0 {
		t.Errorf("%v stay", left)
	}
	return e, mended
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin", "MTOOLS_SKIP_CHECK=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	return string(out)
}

// An image that has lost its name is not started without being counted, and one of somebody
// else's keeps the name it has.
func TestNameAgain(t *testing.T) {
	for _, c := range []struct {
		name        string
		files, want []string
	}{
		{"it has to show itself", []string{"edge_1.efi", "EDGE_2~1.EFI"}, []string{"edge_1.efi", "edge_2+1-1.efi"}},
		{"it is the only one", []string{"EDGE_2~1.EFI"}, []string{"edge_2.efi"}},
		{"it is there by its name", []string{"edge_1.efi", "EDGE_2~1.EFI", "edge_2.efi"}, []string{"edge_1.efi", "edge_2.efi"}},
		{"somebody else's", []string{"edge_1.efi", "OTHER_~1.EFI", "BROKEN~1.EFI", "NOVERS~1.EFI"}, []string{"BROKEN~1.EFI", "NOVERS~1.EFI", "OTHER_~1.EFI", "edge_1.efi"}},
		{"no alias", []string{"edge_1.efi", "TOOLS.EFI"}, []string{"TOOLS.EFI", "edge_1.efi"}},
	} {
		e := newESP(t, "1", c.files...)
		e.identify = func(path string) (string, string, error) {
			switch filepath.Base(path) {
			case "EDGE_2~1.EFI":
				return "edge", "2", nil
			case "OTHER_~1.EFI":
				return "other", "2", nil
			case "NOVERS~1.EFI":
				return "edge", "../2", nil
			}
			return "", "", errors.New("no image")
		}
		if err := e.tidy(t.TempDir()); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := e.files(t); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// What an image is, it says itself.
func TestIdentify(t *testing.T) {
	raw, err := imagetest.Signed("edge", "1.4.2", 5000, nil)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "EDGE_1~1.EFI")
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if name, version, err := identify(path); err != nil || name != "edge" || version != "1.4.2" {
		t.Errorf("%q, %q, %v", name, version, err)
	}
	if err := os.WriteFile(path, raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if name, version, err := identify(path); err == nil {
		t.Errorf("half an image is %q, %q", name, version)
	}
}

// An empty file under the name of an image is none, and never the good one that others make
// room for.
func TestTidy(t *testing.T) {
	e := newESP(t, "2", "edge_1.efi", "edge_2+2-1.efi")
	for _, f := range []string{"edge_2.efi", "other_1.efi", "edge_3.efi.part"} {
		if err := os.WriteFile(filepath.Join(e.dir, f), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.tidy(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	want := []string{"edge_1.efi", "edge_2+2-1.efi", "edge_3.efi.part", "other_1.efi"}
	if got := e.files(t); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestFindings(t *testing.T) {
	const out = "fsck.fat 4.2 (2021-01-31)\nThere are differences between boot sector and its backup.\nThis is mostly harmless. Differences: (offset:original/backup)\n  65:01/00\n  Not automatically fixing this.\nDirty bit is set. Fs was not properly unmounted and some data may be corrupt.\n Automatically removing dirty bit.\n\n*** Filesystem was changed ***\n/dev/vda1: 7 files, 72636/306432 clusters\n"
	const want = "Dirty bit is set. Fs was not properly unmounted and some data may be corrupt. Automatically removing dirty bit. *** Filesystem was changed ***"
	if got := findings(out, "/dev/vda1"); got != want {
		t.Errorf("%q", got)
	}
	if got := findings(strings.Repeat("ä ", 1000), "/dev/vda1"); len(got) > maxMended {
		t.Errorf("%d bytes", len(got))
	}
}
