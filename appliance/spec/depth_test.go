package spec

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A file whose bytes look harmless has harmless tokens.
func FuzzShallow(f *testing.F) {
	for _, src := range specFiles(f) {
		f.Add(src)
	}
	for _, src := range []string{
		`a = 1e99999`, `a = "1e99999"`, `a = 1.5E+12345`, `a = "${[1]}"`, `a = "\"["`, "a = <<E\n[[[[\nE\n", `/* " */ a = ["}"]`, `a = "x]" // "`,
		"a = \"open\n[[[\n", strings.Repeat("[", 101), strings.Repeat(`["`, 60), strings.Repeat("[", 100) + `"x"`, "a = " + strings.Repeat("!", 10_001),
		strings.Repeat("[}", 200), "a = 1 # [[[", "\xef\xbb\xbfa = 1",
	} {
		f.Add([]byte(src))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		if !shallow(src) {
			return
		}
		if d := deepTokens(src, "x.hcl"); d != nil {
			t.Errorf("taken for shallow, and yet: %v\n%q", d, src)
		}
	})
}

// The shorter way is that of nearly all specs.
func TestSpecsAreShallow(t *testing.T) {
	files := specFiles(t)
	n := 0
	for _, src := range files {
		if shallow(src) {
			n++
		}
	}
	if n*4 < len(files)*3 {
		t.Errorf("%d of %d specs are", n, len(files))
	}
}

func specFiles(tb testing.TB) (out [][]byte) {
	tb.Helper()
	for _, dir := range []string{"testdata", "../examples"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".hcl" {
				return err
			}
			b, err := os.ReadFile(path)
			out = append(out, b)
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return out
}
