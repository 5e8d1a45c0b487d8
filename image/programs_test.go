package image

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The programs of the image are inputs of its base layer: built as `make build`
// does, they must be the same bytes in every checkout, or no two people share a
// base layer.
func TestProgramsAreTheSameInEveryCheckout(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^GOFLAGS_STATIC := (.*)$`).FindSubmatch(makefile)
	if m == nil {
		t.Fatal("the Makefile has no GOFLAGS_STATIC")
	}
	var flags []string // as a shell splits them
	for _, f := range regexp.MustCompile(`(?:[^\s"]|"[^"]*")+`).FindAllString(string(m[1]), -1) {
		flags = append(flags, strings.ReplaceAll(f, `"`, ""))
	}

	elsewhere := filepath.Join(t.TempDir(), "another checkout")
	for _, dir := range []string{"appliance", "image", "policies", "proxy", "tools"} {
		copySources(t, filepath.Join("..", dir), filepath.Join(elsewhere, dir))
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(elsewhere, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, program := range []string{"init", "sbcd"} {
		here := buildProgram(t, "..", program, flags)
		if there := buildProgram(t, elsewhere, program, flags); !bytes.Equal(here, there) {
			t.Errorf("%s built in two places differs", program)
		}
	}
}

// copySources copies a tree without its tests.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !d.Type().IsRegular() || strings.HasSuffix(p, "_test.go"):
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func buildProgram(t *testing.T, root, name string, flags []string) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), name)
	cmd := exec.Command("go", append(append([]string{"build"}, flags...), "-o", out, "./tools/"+name)...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building %s in %s: %v\n%s", name, root, err, msg)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
