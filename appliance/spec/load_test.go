package spec

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs.\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

func render(t *testing.T, files map[string]*hcl.File, diags hcl.Diagnostics) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteDiagnostics(&b, files, diags, 100, false); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func specDirs(t *testing.T, pattern string) []string {
	t.Helper()
	dirs, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// The example is what newcomers copy: it must not even warn.
func TestExample(t *testing.T) {
	s, diags, files := Load("../examples/edge-fra1", Options{})
	if len(diags) > 0 {
		t.Fatalf("%s", render(t, files, diags))
	}
	if s.Appliance.Name != "edge-fra1" || len(s.Listeners) != 2 || len(s.Dispatchers) != 2 {
		t.Errorf("name %q, %d listeners, %d dispatchers", s.Appliance.Name, len(s.Listeners), len(s.Dispatchers))
	}
	if c := s.Caches[0]; !c.Baked || c.Rows == 0 {
		t.Errorf("cache %q: baked %v, %d rows", c.Name, c.Baked, c.Rows)
	}
}

// loadCase loads the spec of a test with what its file "options" says, a line
// each: `var NAME=VALUE`, `file NAME`, `env NAME=VALUE`, `appliance NAME`, `fleet`.
func loadCase(t *testing.T, dir string) ([]*Spec, hcl.Diagnostics, map[string]*hcl.File) {
	t.Helper()
	var o Options
	fleet := false
	env := map[string]string{}
	o.Getenv = func(key string) string { return env[key] }
	b, err := os.ReadFile(filepath.Join(dir, "options"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		what, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		name, value, _ := strings.Cut(rest, "=")
		switch what {
		case "var":
			o.Variables = append(o.Variables, Input{Variable: name, Value: value})
		case "file":
			text, err := os.ReadFile(filepath.Join(dir, rest))
			if err != nil {
				t.Fatal(err)
			}
			o.Variables = append(o.Variables, Input{File: rest, Value: string(text)})
		case "env":
			env[name] = value
		case "appliance":
			o.Appliance = rest
		case "fleet":
			fleet = true
		default:
			t.Fatalf("option %q", line)
		}
	}
	if fleet {
		return LoadFleetFS(os.DirFS(dir), "", o)
	}
	s, diags, files := LoadFS(os.DirFS(dir), "", o)
	if s == nil {
		return nil, diags, files
	}
	return []*Spec{s}, diags, files
}

func TestWrong(t *testing.T) {
	dirs := specDirs(t, "testdata/wrong/*")
	if len(dirs) < 100 {
		t.Fatalf("only %d wrong specs", len(dirs))
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			specs, diags, files := loadCase(t, dir)
			if !diags.HasErrors() {
				t.Errorf("accepted")
			}
			if len(specs) > 0 {
				t.Errorf("a Spec beside errors")
			}
			for _, d := range diags {
				if d.Summary == "" || d.Detail == "" {
					t.Errorf("diagnostic without summary or detail: %+v", d)
				}
			}
			golden(t, filepath.Join(dir, "want.txt"), render(t, files, diags))
		})
	}
}

func TestOrderIsStable(t *testing.T) {
	for _, dir := range specDirs(t, "testdata/wrong/*") {
		if strings.Contains(dir, "expression-") {
			continue // a second each, and one diagnostic
		}
		var first []byte
		for range 5 {
			_, diags, files := LoadFS(os.DirFS(dir), "", Options{})
			got := render(t, files, diags)
			if first == nil {
				first = got
			}
			if !bytes.Equal(first, got) {
				t.Errorf("%s: two loads, two outputs", dir)
			}
		}
	}
}

// Specs shipped with Trunkline are in the form `terraform fmt` users know.
func TestShippedSpecsAreFormatted(t *testing.T) {
	for _, pattern := range []string{"../examples/*/*.hcl", "testdata/good/*/*.hcl"} {
		for _, name := range specDirs(t, pattern) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(hclwrite.Format(b), b) {
				t.Errorf("%s is not formatted as hclwrite formats", name)
			}
		}
	}
}
