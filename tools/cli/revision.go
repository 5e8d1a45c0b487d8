package cli

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// maxArchive bounds what is read of a revision, bytes: beyond it the path is
// not the directory of a spec.
const maxArchive = 512 << 20

// revision is a directory as Git has it.
type revision struct {
	name   string // as the user wrote it, without the scheme
	commit string
	dir    string // slash separated, below the root of the repository; empty: the root
}

// gitTree reads dir of a revision as a file system in memory. Nothing is checked
// out, and nothing in the repository changes.
func gitTree(ctx context.Context, r revision) (fs.FS, error) {
	tree := r.commit + ":" + r.dir
	// A zip, because the standard library reads one as a file system. From the top
	// of the repository: below it, git archive would take the working directory
	// for a filter.
	top, err := topOf(ctx)
	if err != nil {
		return nil, err
	}
	if r.dir != "" {
		if kind, err := git(ctx, top, "cat-file", "-t", tree); err != nil || kind != "tree" {
			return nil, fmt.Errorf("git:%s has no directory %q: name the directory of the spec as the repository has it, git:REV:DIR", r.name, r.dir)
		}
	}
	b, err := gitBytes(ctx, top, "archive", "--format=zip", "-0", tree)
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, fmt.Errorf("archive of git:%s: %w", r.name, err)
	}
	return z, nil
}

// resolve turns REV[:DIR] into a revision. Without DIR it is beside's directory:
// the same spec at another time. DIR is as Git has it: below the root of the
// repository or, when it begins with a dot, below the working directory.
func resolve(ctx context.Context, name, beside string) (revision, error) {
	rev, dir, hasDir := strings.Cut(name, ":")
	r := revision{name: name}
	if rev == "" {
		return r, fmt.Errorf("git:%s names no revision: write git:REV or git:REV:DIR", name)
	}
	if _, err := exec.LookPath("git"); err != nil {
		return r, errors.New("git: a revision is read with the git program, which is not installed")
	}
	top, err := topOf(ctx)
	if err != nil {
		return r, err
	}
	if r.commit, err = git(ctx, top, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}"); err != nil {
		return r, fmt.Errorf("git: there is no revision %q in the repository of the working directory: `git log` and `git branch -a` list what there is", rev)
	}
	switch {
	case !hasDir:
		r.dir, err = below(top, beside)
	case strings.HasPrefix(dir, "."):
		r.dir, err = below(top, filepath.FromSlash(dir))
	default:
		r.dir = path.Clean("/" + dir)[1:]
	}
	return r, err
}

// topOf is the root of the repository of the working directory; in a bare one
// the working directory itself.
func topOf(ctx context.Context) (string, error) {
	top, err := git(ctx, "", "rev-parse", "--show-toplevel")
	if err == nil {
		return top, nil
	}
	if bare, bareErr := git(ctx, "", "rev-parse", "--is-bare-repository"); bareErr == nil && bare == "true" {
		return os.Getwd()
	}
	return "", fmt.Errorf("the working directory is in no Git repository that can be read (%w): run the command inside the repository of the specs", err)
}

// below is dir relative to top, slash separated.
func below(top, dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real // Git gives its top without links
	}
	rel, err := filepath.Rel(top, abs)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s is not in the Git repository of the working directory: name the directory of the revision, git:REV:DIR", dir)
	}
	if rel == "." {
		return "", nil
	}
	return filepath.ToSlash(rel), nil
}

// git runs git and returns its first line of output.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	b, err := gitBytes(ctx, dir, args...)
	return strings.TrimRight(string(b), "\n"), err
}

// gitBytes runs git and returns its output; an error is what git says.
func gitBytes(ctx context.Context, dir string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "git", args...)
	c.Dir = dir
	// Messages in one language; no network, no questions, no lock on the index.
	c.Env = append(os.Environ(), "LC_ALL=C", "GIT_NO_LAZY_FETCH=1", "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0")
	var complaint bytes.Buffer
	c.Stderr = &complaint
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	b, readErr := io.ReadAll(io.LimitReader(out, maxArchive+1))
	if len(b) > maxArchive {
		_ = c.Process.Kill() // it would wait for a reader for ever
		_ = c.Wait()
		return nil, fmt.Errorf("git %s: more than %d MiB: name the directory of the spec, git:REV:DIR", args[0], maxArchive>>20)
	}
	if err := c.Wait(); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if s := strings.TrimSpace(complaint.String()); s != "" {
			return nil, fmt.Errorf("git %s: %s", args[0], s)
		}
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return b, readErr
}
