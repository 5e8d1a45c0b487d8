package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"trunkline/appliance/durable"
)

// abandoned is the age of a temporary file nobody writes any more: an attempt that
// gets no byte ends long before (stallBound).
const abandoned = time.Hour

// sweep removes the temporary files of downloads that were killed.
func (s *Store) sweep() error {
	if err := durable.Sweep(filepath.Join(s.dir, "??", "*.deb"), abandoned); err != nil {
		return fmt.Errorf("package cache: %w", err)
	}
	return nil
}

// download fetches one package into the store.
func (s *Store) download(ctx context.Context, mirror *url.URL, p Package, progress Progress) error {
	dir := filepath.Dir(s.Path(p))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("package cache: %w (choose another with --cache or %s)", err, CacheVariable)
	}
	err := s.client.retry(ctx, func() error { return s.attempt(ctx, mirror, p, progress) })
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
func (s *Store) attempt(ctx context.Context, mirror *url.URL, p Package, progress Progress) (err error) {
	f, err := durable.Create(s.Path(p), 0o644)
	if err != nil {
		return permanent{fmt.Errorf("package cache: %w (choose another with --cache or %s)", err, CacheVariable)}
	}
	sink := &sink{f: f, hash: sha256.New(), p: p, progress: progress}
	defer func() {
		if err != nil {
			_ = f.Cleanup() // the error before it counts
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
	if err = f.Commit(); err != nil {
		return permanent{fmt.Errorf("package cache: %w", err)}
	}
	return nil
}

// sink counts, hashes and stores; its own error is told apart from the network's.
type sink struct {
	f        io.Writer
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
