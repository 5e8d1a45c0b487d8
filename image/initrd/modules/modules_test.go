package modules

import (
	"bytes"
	"compress/gzip"
	"flag"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

var update = flag.Bool("update", false, "rewrite the golden files with what depmod of this machine writes")

func library(t *testing.T) *Library {
	t.Helper()
	l, err := NewLibrary(testKernel())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func names(ms []*Module) []string {
	var out []string
	for _, m := range ms {
		out = append(out, m.Name)
	}
	return out
}

// runDepmod writes the test kernel to a directory and runs kmod's depmod on it.
func runDepmod(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "lib/modules/6.0.0")
	for p, b := range testKernel() {
		name := filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("depmod", "-b", base, "6.0.0")
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if path, err := exec.LookPath("/usr/sbin/depmod"); err == nil {
		cmd.Path, cmd.Err = path, nil
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("depmod (Debian package kmod): %v\n%s", err, out)
	}
	return dir
}

// The indexes are those depmod writes, byte for byte. Goldens are depmod's.
func TestIndexesAreDepmods(t *testing.T) {
	l := library(t)
	sel, err := l.Select([]string{"kernel/"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Indexes(sel)
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	if *update {
		dir = runDepmod(t)
	}
	for _, name := range []string{
		"modules.dep.bin", "modules.alias.bin", "modules.symbols.bin", "modules.builtin.bin", "modules.builtin.alias.bin",
		"modules.devname", "modules.softdep",
	} {
		golden := filepath.Join("testdata", name)
		if *update {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(uncommented(want), uncommented(got[name])); d != "" {
			t.Errorf("%s is not depmod's (-depmod +ours):\n%s", name, d)
		}
	}
}

// uncommented drops comment lines, which text indexes begin with.
func uncommented(b []byte) string {
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			out.WriteString(line)
		}
	}
	return out.String()
}

func TestSelectIsClosed(t *testing.T) {
	l := library(t)
	for pattern, want := range map[string][]string{
		"kernel/lib/base":      {"base"},
		"kernel/net/left-side": {"base", "left_side"},
		"kernel/net/top":       {"base", "left_side", "right_side", "top"},
		"kernel/fs/":           {"base", "left_side", "right_side", "top", "fuse"}, // by a soft dependency
		"kernel/fs/ext4/ext4":  nil,                                                // built in
	} {
		got, err := l.Select([]string{pattern})
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		if d := cmp.Diff(want, names(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, d)
		}
	}
	if _, err := l.Select([]string{"kernel/net/gone"}); err == nil || !strings.Contains(err.Error(), "kernel/net/gone") {
		t.Errorf("a pattern that matches nothing: %v", err)
	}
}

func TestLoadOrder(t *testing.T) {
	l := library(t)
	got, err := l.LoadOrder([]string{"top", "ext4", "fuse"})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"base", "left_side", "right_side", "top", "fuse"}, names(got)); d != "" {
		t.Error(d)
	}
	if _, err := l.LoadOrder([]string{"gone"}); err == nil {
		t.Error("a module that is nowhere must be an error")
	}
}

func TestMissingDependency(t *testing.T) {
	files := testKernel()
	delete(files, "kernel/lib/base.ko")
	l, err := NewLibrary(files)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Select([]string{"kernel/net/top"}); err == nil || !strings.Contains(err.Error(), "base is needed") {
		t.Errorf("error is %v", err)
	}
}

func TestPackedModules(t *testing.T) {
	raw := testModule{info: []string{"depends=a,b"}, exports: []string{"x"}}.elf()
	pack := map[string]func(*bytes.Buffer){
		"m.ko": func(b *bytes.Buffer) { b.Write(raw) },
		"m.ko.gz": func(b *bytes.Buffer) {
			w := gzip.NewWriter(b)
			_, _ = w.Write(raw)
			_ = w.Close()
		},
		"m.ko.xz": func(b *bytes.Buffer) {
			w, err := xz.NewWriter(b)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(raw)
			_ = w.Close()
		},
		"m.ko.zst": func(b *bytes.Buffer) {
			w, err := zstd.NewWriter(b)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = w.Write(raw)
			_ = w.Close()
		},
	}
	for _, name := range slices.Sorted(maps.Keys(pack)) {
		var b bytes.Buffer
		pack[name](&b)
		m, err := parse("m", name, b.Bytes())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff([]string{"a", "b"}, m.Depends); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if _, err := parse("m", "m.ko.xz", raw); err == nil {
		t.Error("a module that is not packed as its name says must be an error")
	}
}

func TestIndexRefusesWhatItCannotHold(t *testing.T) {
	if err := newIndex().add("caf\u00e9", "", 0); err == nil {
		t.Error("an eight-bit key was taken")
	}
}

// FuzzModule: no module file, however damaged, does more than give an error.
func FuzzModule(f *testing.F) {
	f.Add(testModule{info: []string{"alias=x"}, exports: []string{"y"}}.elf())
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = parse("m", "m.ko", b)
	})
}
