package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/spf13/cobra"

	"trunkline/appliance/spec"
)

// maxSource bounds what is read as a spec file; the spec package refuses it
// anyway beyond 1 MiB.
const maxSource = 2 << 20

func (a *app) fmt() *cobra.Command {
	var o rewriteOptions
	var recursive bool
	c := &cobra.Command{
		Use:   "fmt [PATH...|-]",
		Short: "Bring spec files into the one layout",
		Long: `Rewrite spec files in the one layout every Trunkline spec has: two spaces of
indentation, equals signs aligned. Nothing else changes: no comment, no value.

PATH is a file, or a directory whose *.hcl files are meant; without one, the current
directory. "-" formats standard input to standard output. The names of the files that
were rewritten are printed.

With --check nothing is written, and the exit status is 3 when a file would be. A file
with a mistake in its syntax is left alone; the exit status is then 1.`,
		RunE: a.does(func(_ context.Context, args []string) error { return a.runFmt(args, recursive, o) }),
	}
	c.Flags().BoolVar(&o.check, "check", false, "write nothing; exit with status 3 if a file is not formatted")
	c.Flags().BoolVar(&o.diff, "diff", false, "show what changes")
	c.Flags().BoolVar(&recursive, "recursive", false, "format the directories below as well")
	return c
}

// rewriteOptions say what becomes of files in a new form.
type rewriteOptions struct{ check, diff bool }

func (a *app) runFmt(paths []string, recursive bool, o rewriteOptions) error {
	if len(paths) == 0 {
		paths = []string{"."}
	}
	var names []string
	for _, p := range paths {
		if p == "-" {
			if len(paths) > 1 {
				return errors.New(`"-" (standard input) stands alone: format files with a command of their own`)
			}
			return a.fmtStdin(o)
		}
		more, err := specFiles(p, recursive)
		if err != nil {
			return err
		}
		names = append(names, more...)
	}
	refused := false
	var out []rewrite
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			continue
		}
		seen[name] = true
		r, err := readRewrite(name)
		if err != nil {
			return err
		}
		switch r.new, err = a.format(name, r.old); {
		case errors.Is(err, errShown):
			refused = true
			continue
		case err != nil:
			return err
		}
		out = append(out, r)
	}
	err := a.applyRewrites(out, o)
	if status := exitStatus(0); refused && (err == nil || errors.As(err, &status)) {
		return errShown
	}
	return err
}

func (a *app) fmtStdin(o rewriteOptions) error {
	var src []byte
	if a.Stdin != nil {
		var err error
		if src, err = io.ReadAll(io.LimitReader(a.Stdin, maxSource)); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
	}
	const name = "standard input"
	out, err := a.format(name, src)
	switch {
	case err != nil:
		return err
	case o.diff:
		_, err = a.Stdout.Write(unified(name, src, out))
	case !o.check:
		_, err = a.Stdout.Write(out)
	}
	if err == nil && o.check && !bytes.Equal(src, out) {
		return exitStatus(exitUnformatted)
	}
	return err
}

// format gives the one layout of a file, or shows why there is none.
func (a *app) format(name string, src []byte) ([]byte, error) {
	f, diags := spec.Parse(src, name)
	if !diags.HasErrors() {
		out := hclwrite.Format(src)
		if !sameTokens(src, out) {
			return nil, fmt.Errorf("%s: its layout cannot be changed without changing what it says; left alone", name)
		}
		return out, nil
	}
	if err := a.show(diags, map[string]*hcl.File{name: f}); err != nil {
		return nil, err
	}
	return nil, errShown
}

// sameTokens reports whether two texts differ in white space alone.
func sameTokens(a, b []byte) bool {
	x, _ := hclsyntax.LexConfig(a, "", hcl.InitialPos)
	y, _ := hclsyntax.LexConfig(b, "", hcl.InitialPos)
	return slices.EqualFunc(x, y, func(x, y hclsyntax.Token) bool {
		return x.Type == y.Type && bytes.Equal(bytes.TrimRight(x.Bytes, " \t\r\n"), bytes.TrimRight(y.Bytes, " \t\r\n"))
	})
}

// specFiles lists the files a path means: itself, or the *.hcl files of a
// directory in order of name. What begins with a dot is no part of a spec.
func specFiles(p string, recursive bool) ([]string, error) {
	info, err := os.Stat(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, cause(err))
	}
	if !info.IsDir() {
		if !info.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is neither a file nor a directory", p)
		}
		if filepath.Ext(p) != ".hcl" {
			return nil, fmt.Errorf("%s is not a spec file: their names end in .hcl", p)
		}
		return []string{p}, nil
	}
	entries, err := os.ReadDir(p)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p, cause(err))
	}
	var out []string
	for _, e := range entries {
		name := filepath.Join(p, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
		case e.IsDir() && recursive:
			more, err := specFiles(name, true)
			if err != nil {
				return nil, err
			}
			out = append(out, more...)
		case !e.IsDir() && filepath.Ext(name) == ".hcl":
			if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
				return nil, fmt.Errorf("%s is not a regular file", name)
			}
			out = append(out, name)
		}
	}
	return out, nil
}

// mustBeDir refuses what is no directory.
func mustBeDir(p string) error {
	info, err := os.Stat(p)
	if err != nil {
		return fmt.Errorf("%s: %w", p, cause(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is a file, and a spec is a directory: name the directory (%s)", p, filepath.Dir(p))
	}
	return nil
}

// cause is a file error without the operation and the path.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
