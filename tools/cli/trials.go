package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// condition is what must not decide a byte of a build.
type condition struct {
	dir   string // below the work directory; the two differ in length and depth
	umask int
	env   []string
	aged  bool // the inputs' times of modification are of long ago
}

func (c condition) String() string {
	return fmt.Sprintf("umask %04o, %s", c.umask, strings.Join(c.env, " "))
}

// conditions are those of the two builds of verify.
func conditions() [2]condition {
	return [2]condition{
		{dir: "a", umask: 0o022, env: []string{
			"TZ=UTC", "LC_ALL=C", "LANG=C", fmt.Sprintf("GOMAXPROCS=%d", max(2, runtime.NumCPU())),
		}},
		{dir: "second/in another place", umask: 0o077, aged: true, env: []string{
			"TZ=Pacific/Auckland", "LC_ALL=tr_TR.UTF-8", "LANG=tr_TR.UTF-8", "GOMAXPROCS=1",
		}},
	}
}

// trials builds one spec under several conditions, each time with a process of its
// own.
type trials struct {
	program    string // trunkline
	spec       string
	packages   string // directory of the package store
	sbcd, init string
	flags      []string
	stderr     io.Writer
}

// run builds below dir and returns the output directory.
func (t trials) run(ctx context.Context, dir string, c condition) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("verify: %w", err) }
	for _, d := range []string{"bin", "cache", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fail(err)
		}
	}
	spec, out := filepath.Join(dir, "spec"), filepath.Join(dir, "out")
	if err := copySpec(spec, t.spec); err != nil {
		return fail(fmt.Errorf("copying the spec: %w: name the directory of a spec", err))
	}
	for from, name := range map[string]string{t.sbcd: "sbcd", t.init: "init"} {
		if err := copyFile(from, filepath.Join(dir, "bin", name), 0o755); err != nil {
			return fail(err)
		}
	}
	if c.aged {
		if err := age(dir); err != nil {
			return fail(err)
		}
	}
	// The packages are the cache's, checked by their digests; the base layer is not.
	packages, err := filepath.Abs(t.packages)
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(packages, 0o755); err != nil {
		return fail(err)
	}
	if err := os.Symlink(packages, filepath.Join(dir, "cache", "packages")); err != nil {
		return fail(err)
	}

	args := append([]string{"build", spec, "-o", out, "--cache", filepath.Join(dir, "cache"), "--programs", filepath.Join(dir, "bin")}, t.flags...)
	cmd := exec.CommandContext(ctx, t.program, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+filepath.Join(dir, "tmp"))
	cmd.Env = append(cmd.Env, c.env...)
	cmd.Stderr = t.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	if err := start(cmd, c.umask); err != nil {
		return fail(err)
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case errors.As(err, &exit):
		return "", errShown // it has said what is wrong
	case err != nil:
		return fail(err)
	}
	return out, nil
}

// start starts a program with a umask. Nothing else in this process makes files
// meanwhile: the umask is the process's own, and only passed on.
func start(cmd *exec.Cmd, umask int) error {
	before := syscall.Umask(umask)
	defer syscall.Umask(before)
	return cmd.Start()
}

// copySpec copies a spec with the files it may name, and nothing that only lies in
// the same directory: images, hidden directories.
func copySpec(to, from string) error {
	return filepath.WalkDir(from, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, p)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && rel != "." && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case slices.Contains([]string{".efi", ".raw", ".qcow2", ".iso"}, filepath.Ext(p)):
			return nil
		}
		if info, err := os.Stat(p); err != nil || !info.Mode().IsRegular() {
			return err
		}
		return copyFile(p, filepath.Join(to, rel), 0o644)
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	g, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(g, f)
	return errors.Join(err, g.Close())
}

// age gives everything below dir a time of modification of long ago.
func age(dir string) error {
	then := time.Date(2001, 9, 9, 1, 46, 41, 123456789, time.UTC)
	return filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(p, then, then)
	})
}
