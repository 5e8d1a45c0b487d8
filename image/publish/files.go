package publish

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"trunkline/appliance/durable"
)

// writeWhole writes a file so that its name holds the old bytes or all the new ones, also
// after a crash. It is for the web server to read, whatever the umask says; until it is whole
// its name begins with a dot, which nobody asks for.
func writeWhole(name string, data []byte) error { return durable.Write(name, 0o644, data) }

// sweep removes what a killed run left. The caller holds the lock.
func sweep(dir string) error { return durable.Sweep(filepath.Join(dir, "*"), 0) }

// lock takes the directory for this process, waiting for who has it. A file system that
// locks no directories (some of NFS) is used without.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return func() { _ = d.Close() }, nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return func() { _ = d.Close() }, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("waiting for who else publishes to %s: %w", dir, ctx.Err()), d.Close())
		case <-time.After(100 * time.Millisecond): // flock cannot wait for a context
		}
	}
}
