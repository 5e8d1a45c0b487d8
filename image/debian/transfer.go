package debian

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"trunkline/appliance/durable"
)

// A transfer file carries packages from one store to another, where there is no
// network between: a tar archive (POSIX.1-1988, ustar) of transferMark and then
// packages/SHA256.deb, sorted, one for each content. Equal packages give equal bytes.
const (
	transferMark    = "trunkline-packages"
	transferVersion = "1\n"
	transferDir     = "packages/"
)

// Export writes packages of the store to w. What is missing gives a NotCachedError
// before the first byte, a damaged file a CorruptError.
func (s *Store) Export(ctx context.Context, w io.Writer, pkgs []Package) error {
	need, err := s.missing(ctx, pkgs)
	if err != nil {
		return err
	}
	if len(need) > 0 {
		return &NotCachedError{Packages: need, Dir: s.dir}
	}
	sorted := slices.Clone(pkgs)
	slices.SortFunc(sorted, func(a, b Package) int { return strings.Compare(a.SHA256, b.SHA256) })
	sorted = slices.CompactFunc(sorted, func(a, b Package) bool { return a.SHA256 == b.SHA256 })
	t := tar.NewWriter(w)
	head := func(name string, size int64) error {
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, Format: tar.FormatUSTAR})
	}
	if err := head(transferMark, int64(len(transferVersion))); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if _, err := io.WriteString(t, transferVersion); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	for _, p := range sorted {
		if err := head(transferDir+p.SHA256+".deb", p.Size); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		f, err := s.verified(p)
		if err != nil {
			return err
		}
		_, err = io.Copy(t, contextual{ctx, io.NewSectionReader(f, 0, p.Size)})
		if err = errors.Join(err, f.Close()); err != nil {
			return fmt.Errorf("export: %s: %w", p.Name, err)
		}
	}
	if err := t.Close(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}

// Imported says what an import did.
type Imported struct {
	Added, Present int   // packages
	Bytes          int64 // of those added
}

var transferName = regexp.MustCompile(`^` + transferDir + `([0-9a-f]{64})\.deb$`)

// Import takes the packages of a transfer file into the store. Each is checked
// against the digest it is named by before it gets its place; the first that is
// damaged ends the import, and what came before it stays. A file with anything else
// in it is refused.
func (s *Store) Import(ctx context.Context, r io.Reader) (Imported, error) {
	var done Imported
	t := tar.NewReader(r)
	h, err := t.Next()
	if err != nil || h.Name != transferMark || h.Typeflag != tar.TypeReg {
		return done, errors.New("not a file that `trunkline cache export` wrote")
	}
	version, err := io.ReadAll(io.LimitReader(t, int64(len(transferVersion))+1))
	if err != nil {
		return done, fmt.Errorf("import: %w", err)
	}
	if string(version) != transferVersion {
		return done, fmt.Errorf("a file of packages of version %.10q, this version of Trunkline reads %s: export it with the same version of Trunkline", strings.TrimSpace(string(version)), strings.TrimSpace(transferVersion))
	}
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return done, nil
		}
		if err != nil {
			return done, fmt.Errorf("import: %w: the file is cut off or damaged, copy it again", err)
		}
		m := transferName.FindStringSubmatch(h.Name)
		if m == nil || h.Typeflag != tar.TypeReg || h.Size <= 0 || h.Size > maxPackage {
			return done, fmt.Errorf("import: the file holds %.120q, which is no package: export it again", h.Name)
		}
		added, err := s.take(ctx, t, m[1], h.Size)
		if err != nil {
			return done, err
		}
		if added {
			done.Added++
			done.Bytes += h.Size
		} else {
			done.Present++
		}
	}
}

// take puts one content into the store unless it is there already.
func (s *Store) take(ctx context.Context, r io.Reader, digest string, size int64) (added bool, err error) {
	p := Package{Name: "package", Version: digest[:12], SHA256: digest, Size: size}
	if f, err := s.verified(p); err == nil {
		return false, f.Close() // the reader skips what is not read
	}
	dir := filepath.Dir(s.Path(p))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("package cache: %w (choose another with --cache or %s)", err, CacheVariable)
	}
	f, err := durable.Create(s.Path(p), 0o644)
	if err != nil {
		return false, fmt.Errorf("package cache: %w (choose another with --cache or %s)", err, CacheVariable)
	}
	defer func() {
		if err != nil {
			_ = f.Cleanup() // the error before it counts
		}
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), contextual{ctx, r})
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case err != nil:
		return false, fmt.Errorf("import: %w: the file is cut off or damaged, or there is no room: copy it again, or name another cache", err)
	}
	if found := hex.EncodeToString(h.Sum(nil)); n != size || found != digest {
		return false, fmt.Errorf("import: %s%s.deb is damaged, its content has sha256 %s: copy the file again", transferDir, digest, found)
	}
	if err := f.Commit(); err != nil {
		return true, fmt.Errorf("package cache: %w", err)
	}
	return true, nil
}

// contextual ends with its context.
type contextual struct {
	ctx context.Context
	r   io.Reader
}

func (c contextual) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
