package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"trunkline/appliance/bake"
	"trunkline/appliance/durable"
	"trunkline/appliance/runtime"
)

// writeTree replaces dir by a tree of files. Readers see the old tree or the new
// one, and whatever goes wrong leaves the old.
func writeTree(dir string, files []bake.File) (err error) {
	fail := func(err error) error { return fmt.Errorf("output %s: %w", dir, err) }
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fail(err)
	}
	if real, err := filepath.EvalSymlinks(abs); err == nil {
		abs = real // replace what a link points at, not the link
	}
	exists, err := replaceable(abs)
	if err != nil {
		return fail(err)
	}
	if err := os.MkdirAll(filepath.Dir(abs), 0o755); err != nil {
		return fail(err)
	}
	// Beside the target: rename does not cross file systems.
	tmp, err := os.MkdirTemp(filepath.Dir(abs), "."+filepath.Base(abs)+".new-*")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return fail(err)
	}
	for _, f := range files {
		if err := writeBaked(tmp, f); err != nil {
			return fail(err)
		}
	}
	if err := syncTree(tmp); err != nil {
		return fail(err)
	}
	if exists {
		err = exchange(tmp, abs) // the old tree is then at tmp, and goes with it
	} else {
		err = os.Rename(tmp, abs)
	}
	if err != nil {
		return fail(err)
	}
	return durable.SyncDir(filepath.Dir(abs))
}

// exchange swaps two directories: in one step where the file system can, else in
// two renames.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return err
	}
	aside := a + ".old"
	if err := os.Rename(b, aside); err != nil {
		return err
	}
	if err := os.Rename(a, b); err != nil {
		return errors.Join(err, os.Rename(aside, b))
	}
	return os.Rename(aside, a)
}

// replaceable reports whether dir exists, and refuses one that is neither empty
// nor an earlier bake.
func replaceable(dir string) (exists bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case len(entries) == 0:
		return true, nil
	}
	refused := errors.New("is not empty and not an earlier bake: name a new directory, or remove it first")
	if len(entries) != 1 || entries[0].Name() != "etc" || !entries[0].IsDir() {
		return true, refused
	}
	b, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(runtime.DefaultPath, "/")))
	if err != nil {
		return true, refused
	}
	if _, err := runtime.Decode(b); err != nil {
		return true, refused
	}
	return true, nil
}

func writeBaked(root string, f bake.File) error {
	name := filepath.Join(root, filepath.FromSlash(f.Path))
	for dir, made := filepath.Dir(name), []string(nil); ; {
		if err := os.Mkdir(dir, 0o755); err == nil || errors.Is(err, fs.ErrExist) {
			if err == nil {
				if err := os.Chmod(dir, 0o755); err != nil { // whatever the umask
					return err
				}
			}
			if len(made) == 0 {
				break
			}
			dir, made = made[len(made)-1], made[:len(made)-1]
		} else if errors.Is(err, fs.ErrNotExist) {
			made = append(made, dir)
			dir = filepath.Dir(dir)
		} else {
			return err
		}
	}
	if f.Link != "" {
		return os.Symlink(f.Link, name)
	}
	if err := os.WriteFile(name, f.Data, f.Mode.Perm()); err != nil {
		return err
	}
	return os.Chmod(name, f.Mode.Perm())
}

// syncTree makes everything below root durable.
func syncTree(root string) error {
	return filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !(e.IsDir() || e.Type().IsRegular()) {
			return err
		}
		return durable.SyncDir(p) // of a file too: fsync(2) is the same
	})
}

// writeFile writes a whole file or none: temporary file, sync, rename.
func writeFile(name string, b []byte) error { return writeFileMode(name, b, 0o644) }

func writeFileMode(name string, b []byte, mode fs.FileMode) error {
	_, err := writeTo(name, mode, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
	return err
}

// writeStream is writeFile for what does not fit into memory. It returns the size.
func writeStream(name string, write func(io.Writer) error) (int64, error) {
	return writeTo(name, 0o644, write)
}

func writeTo(name string, mode fs.FileMode, write func(io.Writer) error) (size int64, err error) {
	f, err := durable.Create(name, mode)
	if err != nil {
		return 0, err
	}
	err = write(f)
	if err == nil {
		size, err = f.Seek(0, io.SeekCurrent)
	}
	if err == nil {
		err = f.Commit()
	}
	return size, errors.Join(err, f.Cleanup())
}
