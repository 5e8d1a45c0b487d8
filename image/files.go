package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// writeSynced writes a file of a directory that is not in its place yet.
func writeSynced(name string, data []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// writeWhole writes a file so that its name holds the old bytes or all the new
// ones, whatever the umask says.
func writeWhole(name string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(name), temporary(filepath.Base(name)))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Chmod(0o644); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Sync(); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	if err := d.Sync(); err != nil {
		return errors.Join(fmt.Errorf("syncing %s: %w", name, err), d.Close())
	}
	return d.Close()
}

// lockDir takes the exclusive lock of a cache directory, waiting for who holds it.
// The kernel lets go of it when the process ends, however it ends.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return lockFile(ctx, f)
}

// lockFile takes the exclusive lock of an open file, which it closes when that
// fails.
func lockFile(ctx context.Context, f *os.File) (unlock func(), err error) {
	const poll = 100 * time.Millisecond // flock cannot wait for a context
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for another build that uses %s: %w", f.Name(), ctx.Err()), f.Close())
		case <-time.After(poll):
		}
	}
}

// ownOutput makes this build the only one that writes to an output directory, so
// that the files there are one build's, and removes what a killed one left of the
// named outputs. The directory itself is locked: a lock file has no place among
// artefacts. A file system that locks no directories (NFS) gets neither.
func ownOutput(ctx context.Context, dir string, outputs ...string) (release func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	release, err = lockFile(ctx, d)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err != nil:
		return func() {}, nil
	}
	for _, name := range outputs {
		left, err := filepath.Glob(filepath.Join(dir, temporary(name)))
		if err != nil {
			release()
			return nil, err
		}
		for _, l := range left {
			if err := os.Remove(l); err != nil {
				release()
				return nil, fmt.Errorf("removing what an interrupted build left: %w", err)
			}
		}
	}
	return release, nil
}

// temporary is the pattern of names an output has until it is whole; package disk
// uses the same.
func temporary(name string) string { return "." + name + ".*" }

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
