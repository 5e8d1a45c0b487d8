package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/diff"
)

// rewrite is one file in its old and its new form.
type rewrite struct {
	name     string // as the user knows it
	target   string // the file itself, where name is a link
	mode     fs.FileMode
	old, new []byte
}

// readRewrite reads the old form.
func readRewrite(name string) (rewrite, error) {
	r := rewrite{name: name}
	fail := func(err error) (rewrite, error) { return r, fmt.Errorf("%s: %w", name, cause(err)) }
	var err error
	if r.target, err = filepath.EvalSymlinks(name); err != nil {
		return fail(err)
	}
	f, err := os.Open(r.target)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	r.mode = info.Mode().Perm()
	if r.old, err = io.ReadAll(io.LimitReader(f, maxSource)); err != nil {
		return fail(err)
	}
	if len(r.old) == maxSource {
		return fail(errors.New("is too large for a spec file"))
	}
	return r, nil
}

// applyRewrites names the files whose form changes, shows how where that is
// asked for, and writes each whole or not at all: unless it is only to check.
func (a *app) applyRewrites(files []rewrite, o rewriteOptions) error {
	changed := false
	for _, r := range files {
		if bytes.Equal(r.old, r.new) {
			continue
		}
		changed = true
		if !o.check {
			if err := writeFileMode(r.target, r.new, r.mode); err != nil {
				return fmt.Errorf("%s: %w", r.name, err)
			}
		}
		var err error
		if o.diff {
			_, err = a.Stdout.Write(unified(r.name, r.old, r.new))
		} else {
			_, err = fmt.Fprintln(a.Stdout, r.name)
		}
		if err != nil {
			return err
		}
	}
	if changed && o.check {
		return exitStatus(exitUnformatted)
	}
	return nil
}

// unified shows what changes in a file, as patch and review tools read it.
func unified(name string, old, new []byte) []byte {
	b := diff.Diff("a/"+filepath.ToSlash(name), old, "b/"+filepath.ToSlash(name), new)
	if len(b) == 0 {
		return nil
	}
	// The first line is the command of another program.
	_, rest, _ := bytes.Cut(b, []byte("\n"))
	return rest
}
