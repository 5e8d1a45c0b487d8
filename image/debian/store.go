package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// CacheVariable is the environment variable that names the cache directory.
const CacheVariable = "TRUNKLINE_CACHE"

// parallel downloads: enough to hide latency, few enough to be a polite guest.
const parallel = 4

// CacheDir returns the cache directory: the flag's value, else the variable's,
// else "trunkline" in the user's cache directory.
func CacheDir(flag, env string) (string, error) {
	for _, v := range []string{flag, env} {
		if v != "" {
			return filepath.Abs(v)
		}
	}
	d, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory (%w): give --cache DIR or set %s", err, CacheVariable)
	}
	return filepath.Join(d, "trunkline"), nil
}

// Store keeps packages by content in <cache>/packages. Several processes may use
// one store at once: files appear whole, by rename.
type Store struct {
	dir    string
	client client
}

// NewStore returns the store of a cache directory. Nothing is created until
// something is fetched.
func NewStore(cache string) *Store {
	return &Store{dir: filepath.Join(cache, "packages"), client: newClient(stallBound)}
}

// Path is where a package lies, or would lie.
func (s *Store) Path(p Package) string {
	return filepath.Join(s.dir, p.SHA256[:2], p.SHA256+".deb")
}

// MissingError: the mirror does not have a locked package any more.
type MissingError struct {
	Package Package
	Mirror  string
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("package %s %s is not on the mirror (%s at %s): the archive moves on after a point release. "+
		"Run `trunkline lock` to lock current versions, or build with --mirror and the address of a snapshot mirror that still has it",
		e.Package.Name, e.Package.Version, e.Package.Path, e.Mirror)
}

// NotCachedError: an offline build lacks packages.
type NotCachedError struct {
	Packages []Package
	Dir      string
}

func (e *NotCachedError) Error() string {
	names := make([]string, 0, 5)
	for _, p := range e.Packages[:min(4, len(e.Packages))] {
		names = append(names, p.Name+" "+p.Version)
	}
	if n := len(e.Packages) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("%d more", n))
	}
	return fmt.Sprintf("%d of the locked packages not in the cache %s (%s): build once without --offline to fill it",
		len(e.Packages), e.Dir, strings.Join(names, ", "))
}

// CorruptError: a file does not have the locked digest.
type CorruptError struct {
	Package Package
	Where   string
	Found   string // digest, or the size that was wrong
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("package %s %s from %s is damaged: locked sha256 is %s, found %s", e.Package.Name, e.Package.Version, e.Where, e.Package.SHA256, e.Found)
}

// Progress is told how a fetch goes, from several goroutines at once.
type Progress interface {
	Plan(packages int, bytes int64) // what is to be downloaded; not called when nothing is
	Begin(p Package)
	Advance(p Package, n int64) // n bytes more; negative when an attempt starts over
	End(p Package, err error)
}

// FetchOptions tune a fetch.
type FetchOptions struct {
	Offline  bool
	Progress Progress // may be nil
}

// Fetched says what a fetch did.
type Fetched struct {
	Cached, Downloaded int
	Bytes              int64 // downloaded
}

// Fetch makes sure that every package is in the store, verified, downloading what
// is not. Damaged files are replaced. The mirror may be nil when nothing needs to
// be downloaded: then, and offline, what is missing gives a NotCachedError. The
// first error ends the fetch; what was complete by then stays.
func (s *Store) Fetch(ctx context.Context, mirror *url.URL, pkgs []Package, o FetchOptions) (Fetched, error) {
	need, err := s.missing(ctx, pkgs)
	if err != nil {
		return Fetched{}, err
	}
	done := Fetched{Cached: len(pkgs) - len(need)}
	if len(need) == 0 {
		return done, nil
	}
	if o.Offline || mirror == nil {
		return done, &NotCachedError{Packages: need, Dir: s.dir}
	}
	if o.Progress == nil {
		o.Progress = silent{}
	}
	var total int64
	for _, p := range need {
		total += p.Size
	}
	if err := s.sweep(); err != nil {
		return done, err
	}
	o.Progress.Plan(len(need), total)
	var mu sync.Mutex
	err = each(ctx, need, func(ctx context.Context, p Package) error {
		o.Progress.Begin(p)
		err := s.download(ctx, mirror, p, o.Progress)
		o.Progress.End(p, err)
		if err == nil {
			mu.Lock()
			done.Downloaded++
			done.Bytes += p.Size
			mu.Unlock()
		}
		return err
	})
	return done, err
}

// missing lists, in order, the packages that are not in the store as locked.
func (s *Store) missing(ctx context.Context, pkgs []Package) ([]Package, error) {
	absent := make(map[string]bool)
	var mu sync.Mutex
	err := each(ctx, pkgs, func(_ context.Context, p Package) error {
		if err := p.check(); err != nil {
			return err
		}
		f, err := s.verified(p)
		var bad *CorruptError
		switch {
		case err == nil:
			return f.Close()
		case errors.Is(err, fs.ErrNotExist), errors.As(err, &bad):
			mu.Lock()
			absent[p.SHA256] = true
			mu.Unlock()
			return nil
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []Package
	for _, p := range pkgs {
		if absent[p.SHA256] {
			out = append(out, p)
			delete(absent, p.SHA256) // two names for one content: once
		}
	}
	return out, nil
}

// each runs f for every package, some at a time, and returns the first error
// after all have ended.
func each(ctx context.Context, pkgs []Package, f func(context.Context, Package) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work := make(chan Package)
	var wg sync.WaitGroup
	for range min(parallel, len(pkgs)) {
		wg.Go(func() {
			for p := range work {
				if err := f(ctx, p); err != nil {
					cancel(err)
				}
			}
		})
	}
feed:
	for _, p := range pkgs {
		select {
		case work <- p:
		case <-ctx.Done():
			break feed
		}
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// Open opens a package of the store after checking its digest.
func (s *Store) Open(p Package) (*Deb, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	f, err := s.verified(p)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotCachedError{Packages: []Package{p}, Dir: s.dir}
	}
	if err != nil {
		return nil, err
	}
	d, err := OpenDeb(p.Name+" "+p.Version, f, p.Size)
	if err != nil {
		f.Close()
		return nil, err
	}
	d.closer = f
	return d, nil
}

// verified opens a stored file whose size and digest are as locked.
func (s *Store) verified(p Package) (*os.File, error) {
	name := s.Path(p)
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*os.File, error) {
		f.Close()
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	if info.Size() != p.Size {
		return fail(&CorruptError{p, name, fmt.Sprintf("a size of %d instead of %d", info.Size(), p.Size)})
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return fail(err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != p.SHA256 {
		return fail(&CorruptError{p, name, sum})
	}
	markUsed(name, info)
	return f, nil
}

type silent struct{}

func (silent) Plan(int, int64)        {}
func (silent) Begin(Package)          {}
func (silent) Advance(Package, int64) {}
func (silent) End(Package, error)     {}
