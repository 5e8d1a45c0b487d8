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

	"trunkline/appliance/durable"
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
func writeWhole(name string, data []byte) error { return durable.Write(name, 0o644, data) }

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
		for _, name := range []string{name, temporary(name)} {
			if err := durable.Sweep(filepath.Join(dir, name), 0); err != nil {
				release()
				return nil, err
			}
		}
	}
	return release, nil
}

// temporary is the name of a file that is not an output but is made like one. The next build
// removes it as one half written (durable.Sweep), for it has a dot before the name and a digit
// behind it.
func temporary(name string) string { return "." + name + "0" }

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
