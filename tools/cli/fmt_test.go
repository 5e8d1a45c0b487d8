package cli

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Formatting twice is formatting once, and changes white space alone, whatever
// the file.
func TestFormatIsStable(t *testing.T) {
	var names []string
	for _, pattern := range []string{
		"starter/*.hcl", "../../appliance/examples/*/*.hcl", "../../appliance/spec/testdata/*/*/*.hcl",
		"../../appliance/spec/upgrade/testdata/*/*/*.hcl",
	} {
		more, err := filepath.Glob(pattern)
		if err != nil || len(more) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		names = append(names, more...)
	}
	a := &app{Env: Env{Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }}}
	formatted := 0
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, src := range [][]byte{
			b,
			bytes.ReplaceAll(b, []byte(" = "), []byte("=")),
			bytes.ReplaceAll(b, []byte("\n  "), []byte("\n\t   ")),
			bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n")),
		} {
			once, err := a.format(name, src)
			if err == errShown {
				continue // a mistake in its syntax
			}
			if err != nil {
				t.Error(err)
				continue
			}
			formatted++
			if twice, err := a.format(name, once); err != nil || !bytes.Equal(once, twice) {
				t.Errorf("%s: formatted again, it changes again: %v", name, err)
			}
		}
	}
	if formatted < 100 {
		t.Errorf("only %d files were formatted", formatted)
	}
}

func TestOnlyWhiteSpaceMayChange(t *testing.T) {
	const text = "a = 1 # one\nb = <<E\n  x\nE\n"
	for other, want := range map[string]bool{
		"a   =   1   # one\n  b = <<E\n  x\nE\n": true,
		"a = 2 # one\nb = <<E\n  x\nE\n":         false,
		"a = 1 # two\nb = <<E\n  x\nE\n":         false,
		"a = 1 # one\nb = <<E\n x\nE\n":          false,
		"a = 1 # one\nb = <<E\n  x\nE\nc = 1\n":  false,
	} {
		if got := sameTokens([]byte(text), []byte(other)); got != want {
			t.Errorf("%q: %v, want %v", other, got, want)
		}
	}
}
