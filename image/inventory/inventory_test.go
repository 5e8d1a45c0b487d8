package inventory

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const machineReadable = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: thing\n\n"

func TestLicenses(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want []string
	}{
		"sorted, each once": {machineReadable +
			"Files: *\nCopyright: A\nLicense: LGPL-2.1+\n\nFiles: src/x\nCopyright: B\nLicense: Expat\n Permission is granted ...\n\nFiles: y\nLicense: LGPL-2.1+\n",
			[]string{"Expat", "LGPL-2.1+"}},
		"a text alone covers no file":  {machineReadable + "Files: *\nLicense: GPL-2\n\nLicense: Artistic\n The text.\n", []string{"GPL-2"}},
		"an expression is one":         {machineReadable + "Files: *\nLicense: GPL-2+  or Artistic-1.0\n", []string{"GPL-2+ or Artistic-1.0"}},
		"http and an older version":    {"Format: http://www.debian.org/doc/packaging-manuals/copyright-format/0.9\n\nFiles: *\nLicense: X\n", []string{"X"}},
		"no licence in the paragraph":  {machineReadable + "Files: *\nCopyright: A\n", nil},
		"another format":               {"This package was debianized by somebody.\n\nIt may be used under the GPL.\n", nil},
		"an index of another document": {"Format: something else\n\nFiles: *\nLicense: GPL-2\n", nil},
		"broken later on":              {machineReadable + "Files: *\nLicense: GPL-2\n\nnot a field\n", nil},
		"empty":                        {"", nil},
	} {
		if d := cmp.Diff(c.want, Licenses([]byte(c.file))); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// A program that goes into images, with the modules go.mod names.
func TestProgramOf(t *testing.T) {
	exe := filepath.Join(t.TempDir(), "init")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", exe, "../../tools/init")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	p := ProgramOf("init", b)
	if p.Path != "init" || p.Go != runtime.Version() || len(p.SHA256) != 64 {
		t.Errorf("%+v", p)
	}
	mod, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range p.Modules {
		if i > 0 && p.Modules[i-1].Path >= m.Path {
			t.Errorf("%s after %s", m.Path, p.Modules[i-1].Path)
		}
		if !strings.Contains(string(mod), m.Path+" "+m.Version) || !strings.HasPrefix(m.Sum, "h1:") {
			t.Errorf("go.mod does not name %+v", m)
		}
	}
	if len(p.Modules) == 0 {
		t.Error("no module, but init uses golang.org/x/sys")
	}
	if p := ProgramOf("init", []byte("#!/bin/sh\n")); p.Go != "" || len(p.Modules) != 0 || p.SHA256 == "" {
		t.Errorf("a script: %+v", p)
	}
}

func TestDecode(t *testing.T) {
	v := &Inventory{
		FormatVersion: FormatVersion, Profile: "vm", Suite: "trixie", Architecture: "amd64", Lock: "sha256:0",
		Packages: []Package{{Name: "a", Version: "1", Licenses: []string{}}}, Programs: []Program{{Path: "init", Modules: []Module{}}},
	}
	b, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(v, got); d != "" {
		t.Error(d)
	}
	for name, c := range map[string][2]string{
		"another version":  {`{"format_version": 2}`, "use the version that built the image"},
		"an unknown field": {`{"format_version": 1, "colour": "red"}`, "colour"},
		"no document":      {`[`, "not an inventory"},
	} {
		if _, err := Decode([]byte(c[0])); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: error is %v, want one with %q", name, err, c[1])
		}
	}
}
