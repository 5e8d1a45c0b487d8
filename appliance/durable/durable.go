// Package durable writes files that are whole or not there.
//
// It promises: a name holds the old bytes or all of the new ones, for whoever reads it and after a
// crash or a power cut at any moment; once Write or Commit has returned, the new ones are on the
// disk under their name. The temporary file, the order of its sync and rename, and permissions are
// renameio's; what it leaves out is here: the directory is synced after the rename, without which a
// power cut can bring back the old file, and files that a killed process left are found again.
//
// File systems that can sync no directory (some over a network) are used without.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// File is written beside the file that it takes the place of. Cleanup, which may always be called,
// removes it unless it was committed.
type File struct {
	*renameio.PendingFile
	path string
}

// Create begins a file with these permissions, whatever the umask. Nobody sees it at path before
// Commit.
func Create(path string, mode fs.FileMode) (*File, error) {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(mode), renameio.IgnoreUmask())
	if err != nil {
		return nil, err
	}
	return &File{f, path}, nil
}

// Commit syncs the file, closes it, gives it its name in place of what was there, and syncs the
// directory.
func (f *File) Commit() error {
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(f.path))
}

// Write writes a whole file.
func Write(path string, mode fs.FileMode, data []byte) error {
	f, err := Create(path, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Commit()
	}
	return errors.Join(err, f.Cleanup())
}

// SyncDir makes what was created, renamed and removed in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // fsync(2): the file system cannot
	}
	if err != nil {
		err = fmt.Errorf("syncing %s: %w", dir, err)
	}
	return errors.Join(err, d.Close())
}

// Sweep removes what processes that were killed left of files they wrote. final is a pattern of
// the paths that the files were to have (filepath.Glob). Nobody else may be writing them, but for
// files younger than an age.
func Sweep(final string, age time.Duration) error {
	dir, name := filepath.Split(final)
	left, err := filepath.Glob(filepath.Join(dir, "."+name+"[0-9]*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		if !leftOf(name, filepath.Base(path)) {
			continue
		}
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && (!info.Mode().IsRegular() || time.Since(info.ModTime()) < age) {
			continue
		}
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing what was left half written: %w", err)
		}
	}
	return nil
}

// leftOf reports whether a file is one of renameio's for a file with such a name: a dot before it,
// a number behind it.
func leftOf(pattern, name string) bool {
	for i := len(name) - 1; i > 0 && name[i] >= '0' && name[i] <= '9'; i-- {
		if ok, err := filepath.Match(pattern, name[1:i]); ok && err == nil {
			return true
		}
	}
	return false
}
