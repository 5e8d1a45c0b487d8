package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"trunkline/appliance/sizing"
	"trunkline/image/compare"
	"trunkline/image/debian"
)

type verifyOptions struct {
	keep   string // directory that holds both builds afterwards; empty: none does
	asJSON bool
}

func (a *app) verify() *cobra.Command {
	var o verifyOptions
	c := &cobra.Command{
		Use:   "verify SPEC",
		Short: "Build a spec twice under different conditions and compare every byte",
		Long: `Build the image of a spec twice and compare all files of both builds. The two differ
in the directories of spec, programs, cache, output and temporary files, in time of
day and times of files, umask, time zone, locale and number of processors. Neither uses a base layer of the cache, only its packages, each checked
against the lock.

When a file differs, verify names the first one and its first byte that does and,
inside of an image, the partition, section, archive and file that byte belongs to,
and ends with exit status 1. --keep DIR keeps both builds for a closer look.

The flags are those of build and are given to both builds.` + inputsHelp + calibrationHelp,
		Args: oneArg("the spec directory"),
	}
	c.Flags().StringVar(&o.keep, "keep", "", "`DIR` to keep both builds in; it must be new or empty")
	c.Flags().BoolVar(&o.asJSON, "json", false, "print the result as JSON")
	// Whatever decides what is built, and nothing about where it goes.
	flags := a.build().Flags()
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "out" && f.Name != "plan" {
			c.Flags().AddFlag(f)
		}
	})
	c.RunE = a.does(func(ctx context.Context, args []string) error { return a.runVerify(ctx, args[0], c.Flags(), o) })
	return c
}

// verdict is what verify -json prints.
type verdict struct {
	FormatVersion int                 `json:"format_version"`
	Same          bool                `json:"same"`
	Difference    *compare.Difference `json:"difference,omitempty"` // when not the same
	Files         []compare.File      `json:"files"`                // of the first build
}

func (a *app) runVerify(ctx context.Context, dir string, flags *pflag.FlagSet, o verifyOptions) error {
	cache, err := debian.CacheDir(flags.Lookup("cache").Value.String(), a.Getenv(debian.CacheVariable))
	if err != nil {
		return err
	}
	sbcd, boot, err := a.programs(flags.Lookup("programs").Value.String())
	if err != nil {
		return err
	}
	if a.Executable == "" {
		return errors.New("cannot find out where this program lies, and verify runs it twice: call it by its path")
	}
	work, done, err := workDirectory(o.keep)
	if err != nil {
		return err
	}
	defer done()
	t := trials{
		program: a.Executable, spec: dir, packages: filepath.Join(cache, "packages"),
		sbcd: sbcd, init: boot, flags: a.forwarded(flags), stderr: a.Stderr,
	}
	var outs [2]string
	begin := time.Now()
	for i, c := range conditions() {
		fmt.Fprintf(a.Stderr, "%s build: %s\n", []string{"first", "second"}[i], c)
		if outs[i], err = t.run(ctx, filepath.Join(work, c.dir), c); err != nil {
			return err
		}
	}
	d, err := compare.Dirs(outs[0], outs[1])
	if err != nil {
		return err
	}
	files, err := compare.List(outs[0])
	if err != nil {
		return err
	}
	switch {
	case o.asJSON:
		enc := json.NewEncoder(a.Stdout)
		enc.SetIndent("", "  ")
		if err := enc.Encode(verdict{FormatVersion: 1, Same: d == nil, Difference: d, Files: files}); err != nil {
			return err
		}
	case d == nil:
		fmt.Fprintf(a.Stdout, "%s: two builds are the same, byte for byte (%.0f s)\n", dir, time.Since(begin).Seconds())
		for _, f := range files {
			fmt.Fprintf(a.Stdout, "  %s  %s  sha256:%s\n", f.Path, sizing.Bytes(float64(f.Size)), f.SHA256)
		}
	}
	if d == nil {
		return nil
	}
	a.showDifference(dir, d)
	if o.keep != "" {
		fmt.Fprintf(a.Stderr, "Both builds are kept: %s and %s.\n", outs[0], outs[1])
	} else {
		fmt.Fprintln(a.Stderr, "--keep DIR keeps both builds for a closer look.")
	}
	return errShown
}

// showDifference tells where two builds differ, each part below the one it lies in.
func (a *app) showDifference(dir string, d *compare.Difference) {
	place := func(name string, offset int64, detail string) string {
		if offset >= 0 {
			name += fmt.Sprintf(", byte %d", offset)
		}
		if detail != "" {
			name += ": " + detail
		}
		return name
	}
	detail := d.Detail
	if len(d.Inside) > 0 {
		detail = "" // the innermost part says what its byte is
	}
	fmt.Fprintf(a.Stderr, "%s %s: two builds differ, first in\n  %s\n", a.paint(a.Stderr, "Error:", "1;31"), dir, place(d.File, d.Offset, detail))
	for i, p := range d.Inside {
		fmt.Fprintf(a.Stderr, "  %s%s\n", strings.Repeat("  ", i+1), place(p.Name, p.Offset, p.Detail))
	}
	if len(d.Others) > 0 {
		fmt.Fprintf(a.Stderr, "Other files that differ: %s.\n", strings.Join(d.Others, ", "))
	}
}

// forwarded are the flags given that decide what is built, as arguments of build.
// Their files are relative to the working directory, which the builds share.
func (a *app) forwarded(flags *pflag.FlagSet) []string {
	own := map[string]bool{"keep": true, "json": true, "cache": true, "programs": true, "var": true, "var-file": true}
	var out []string
	flags.Visit(func(f *pflag.Flag) {
		if own[f.Name] {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			for _, v := range list.GetSlice() {
				out = append(out, "--"+f.Name+"="+v)
			}
			return
		}
		out = append(out, "--"+f.Name+"="+f.Value.String())
	})
	for _, in := range a.inputs.variables { // the order of both flags decides
		if in.Variable == "" {
			out = append(out, "--var-file="+in.File)
		} else {
			out = append(out, "--var="+in.Variable+"="+in.Value)
		}
	}
	return out
}

// workDirectory is where both builds go: keep, or one that done removes.
func workDirectory(keep string) (dir string, done func(), err error) {
	if keep == "" {
		dir, err := os.MkdirTemp("", "trunkline-verify-")
		if err != nil {
			return "", nil, fmt.Errorf("verify: %w: set TMPDIR to a directory with room for two builds, or name one with --keep", err)
		}
		return dir, func() { os.RemoveAll(dir) }, nil
	}
	dir, err = filepath.Abs(keep)
	if err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", nil, fmt.Errorf("--keep: %w: name another directory", err)
		}
	case err != nil:
		return "", nil, fmt.Errorf("--keep: %w: name another directory", err)
	case len(entries) > 0:
		return "", nil, fmt.Errorf("--keep: %s is not empty: name a new directory", keep)
	}
	return dir, func() {}, nil
}
