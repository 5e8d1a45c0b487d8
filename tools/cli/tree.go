package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"trunkline/appliance/bake"
	"trunkline/appliance/runtime"
)

// writeTree writes files below dir, which appears whole: the tree is made beside
// it and put in its place by one rename.
func writeTree(dir string, files []bake.File) (err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return err
	}
	old, err := replaceable(dir)
	if err != nil {
		return err
	}
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return fmt.Errorf("output directory: %w", err)
	}
	temp, err := os.MkdirTemp(parent, "."+filepath.Base(dir)+".new-")
	if err != nil {
		return fmt.Errorf("output directory: %w", err)
	}
	// After an exchange, what lies at temp is the old tree.
	defer func() {
		if e := os.RemoveAll(temp); err == nil && e != nil {
			err = fmt.Errorf("output directory: what was replaced could not be removed: %w", e)
		}
	}()
	if err := fill(temp, files); err != nil {
		return err
	}
	if old {
		err = exchange(temp, dir)
	} else {
		err = os.Rename(temp, dir)
	}
	if err != nil {
		return fmt.Errorf("output directory: %w", err)
	}
	return syncDir(parent)
}

// replaceable reports whether dir holds a tree of ours. Anything else but an
// empty or missing directory is not ours to replace.
func replaceable(dir string) (bool, error) {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("output directory: %w", err)
	case !info.IsDir():
		return false, fmt.Errorf("%s is not a directory: name one that is missing or empty", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, fmt.Errorf("output directory: %w", err)
	}
	if len(entries) == 0 {
		return false, nil
	}
	if len(entries) == 1 && entries[0].Name() == "etc" {
		if b, err := os.ReadFile(filepath.Join(dir, runtime.DefaultPath)); err == nil {
			if _, err := runtime.Decode(b); err == nil {
				return true, nil
			}
		}
	}
	return false, fmt.Errorf("%s holds files that `trunkline bake` did not write: name a directory that is missing or empty", dir)
}

// fill writes files below root, with their modes whatever the umask.
func fill(root string, files []bake.File) error {
	dirs := map[string]bool{root: true}
	for _, f := range files {
		name := filepath.Join(root, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		for d := filepath.Dir(name); !dirs[d] && strings.HasPrefix(d, root); d = filepath.Dir(d) {
			dirs[d] = true
		}
		if f.Link != "" {
			if err := os.Symlink(f.Link, name); err != nil {
				return err
			}
			continue
		}
		mode := f.Mode.Perm()
		if mode == 0 {
			mode = 0o644
		}
		if err := writeSynced(name, f.Data, mode); err != nil {
			return err
		}
	}
	for d := range dirs {
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
		if err := syncDir(d); err != nil {
			return err
		}
	}
	return nil
}

// exchange swaps two directories in one step where the file system can, else in
// two.
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

// replaceFile puts data at name by rename, so that a reader sees all of it or
// what was there before.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".new-")
	if err != nil {
		return err
	}
	temp := f.Name()
	if err := f.Close(); err != nil {
		return err
	}
	if err := writeSynced(temp, data, 0o644); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, name); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(filepath.Dir(name))
}

func writeSynced(name string, data []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
