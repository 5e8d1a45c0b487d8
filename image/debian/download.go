package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// temporary is how a download is named until it is whole.
const temporary = ".fetch-*"

// abandoned is the age of a temporary file nobody writes any more: an attempt that
// gets no byte ends long before (stallBound).
const abandoned = time.Hour

// sweep removes the temporary files of downloads that were killed.
func (s *Store) sweep() error {
	left, err := filepath.Glob(filepath.Join(s.dir, "??", temporary))
	if err != nil {
		return fmt.Errorf("package cache: %w", err)
	}
	for _, name := range left {
		if info, err := os.Stat(name); err != nil || time.Since(info.ModTime()) < abandoned {
			continue // gone meanwhile, or under way
		}
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("package cache: removing what an interrupted download left: %w", err)
		}
	}
	return nil
}

// download fetches one package into the store.
func (s *Store) download(ctx context.Context, mirror *url.URL, p Package, progress Progress) error {
	dir := filepath.Dir(s.Path(p))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("package cache: %w (choose another with --cache or %s)", err, CacheVariable)
	}
	err := s.client.retry(ctx, func() error { return s.attempt(ctx, mirror, p, dir, progress) })
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case errors.Is(err, errNotFound):
		return &MissingError{Package: p, Mirror: mirror.Redacted()}
	}
	return fmt.Errorf("package %s %s: %w", p.Name, p.Version, err)
}

// attempt writes to a temporary file beside the final one and renames it when the
// digest is right. Whatever goes wrong, the temporary file is removed.
func (s *Store) attempt(ctx context.Context, mirror *url.URL, p Package, dir string, progress Progress) (err error) {
	f, err := os.CreateTemp(dir, temporary)
	if err != nil {
		return permanent{fmt.Errorf("package cache: %w (choose another with --cache or %s)", err, CacheVariable)}
	}
	sink := &sink{f: f, hash: sha256.New(), p: p, progress: progress}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			progress.Advance(p, -sink.n)
		}
	}()
	err = s.client.get(ctx, mirror, p.Path, func(r io.Reader) error {
		// One byte more than locked shows a file that is too long.
		_, err := io.Copy(sink, io.LimitReader(r, p.Size+1))
		if sink.err != nil {
			return permanent{fmt.Errorf("package cache: %w", sink.err)}
		}
		return err
	})
	if err != nil {
		return err
	}
	if sum := hex.EncodeToString(sink.hash.Sum(nil)); sink.n != p.Size || sum != p.SHA256 {
		return &CorruptError{p, mirror.Redacted(), sum}
	}
	if err = s.place(f, s.Path(p)); err != nil {
		return permanent{err}
	}
	return nil
}

// sink counts, hashes and stores; its own error is told apart from the network's.
type sink struct {
	f        *os.File
	hash     hash.Hash
	p        Package
	progress Progress
	n        int64
	err      error
}

func (s *sink) Write(b []byte) (int, error) {
	s.hash.Write(b)
	n, err := s.f.Write(b)
	s.n += int64(n)
	s.progress.Advance(s.p, int64(n))
	s.err = err
	return n, err
}

// syncDir makes a rename durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
