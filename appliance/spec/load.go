package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Bounds on what is read: a spec is text written by people, a cache a table
// meant for memory. Anything beyond is a wrong path, not a larger spec.
const (
	maxSourceSize = 1 << 20   // one *.hcl file, bytes
	maxSources    = 1000      // *.hcl files of one spec
	maxBakedSize  = 256 << 20 // one baked file, bytes
)

// Options tune a load. The zero value is what `trunkline validate` uses.
type Options struct{}

// Load reads the spec in the directory dir. The Spec is nil when the
// diagnostics hold an error. The files, keyed as the diagnostics name them (dir
// as given, then the name), are what a diagnostic writer needs for snippets.
func Load(dir string, o Options) (*Spec, hcl.Diagnostics, map[string]*hcl.File) {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, noSpec("No such directory", "There is no directory %q. Name the directory that holds the *.hcl files of the spec.", dir), nil
	case err != nil:
		return nil, noSpec("Spec not readable", "The spec directory %q cannot be read: %s.", dir, reason(err)), nil
	case !info.IsDir():
		return nil, noSpec("Not a directory", "%q is a file. A spec is a directory of *.hcl files: name the directory (%q).", dir, filepath.Dir(dir)), nil
	}
	return LoadFS(os.DirFS(dir), dir, o)
}

// LoadFS is Load for the spec at the root of fsys: a Git revision, an archive,
// an embedded example. dir is put before the names in diagnostics and becomes
// Spec.Dir; it may be empty.
func LoadFS(fsys fs.FS, dir string, _ Options) (*Spec, hcl.Diagnostics, map[string]*hcl.File) {
	src := &source{fsys: fsys, dir: dir, files: map[string]*hcl.File{}, read: map[string][]byte{}}
	bodies, diags := src.parse()
	if diags.HasErrors() {
		// A file that does not parse gives half a body; checks on it would
		// report mistakes nobody made.
		return nil, firstDiagnostics(diags), src.files
	}
	d := newDecoder(src)
	s := d.decode(bodies)
	diags = firstDiagnostics(append(diags, d.diags...))
	if diags.HasErrors() {
		return nil, diags, src.files
	}
	s.Dir = dir
	s.Digest = src.digest()
	return s, diags, src.files
}

// source is the directory a spec comes from, and what was read of it.
type source struct {
	fsys  fs.FS
	dir   string
	files map[string]*hcl.File // by display name
	read  map[string][]byte    // by name below the directory; the digest covers these
}

// display is the name a file has in diagnostics.
func (s *source) display(name string) string {
	if s.dir == "" {
		return name
	}
	return filepath.Join(s.dir, filepath.FromSlash(name))
}

// parse reads and parses every *.hcl file, in order of name.
func (s *source) parse() ([]*hclsyntax.Body, hcl.Diagnostics) {
	entries, err := fs.ReadDir(s.fsys, ".")
	if err != nil {
		return nil, noSpec("Spec not readable", "The spec directory %q cannot be read: %s.", s.dir, reason(err))
	}
	var names []string
	for _, e := range entries {
		// A leading dot marks editors' and file systems' leftovers.
		if n := e.Name(); strings.HasSuffix(n, ".hcl") && !strings.HasPrefix(n, ".") && !e.IsDir() {
			names = append(names, n)
		}
	}
	sort.Strings(names)
	switch {
	case len(names) == 0:
		return nil, noSpec("No spec here", "The directory %q holds no *.hcl file. Name the directory of a spec; appliance/examples/edge-fra1 is one to start from.", s.dir)
	case len(names) > maxSources:
		return nil, noSpec("Too many files", "The directory %q holds %d *.hcl files; a spec has at most %d. Name the directory of one spec.", s.dir, len(names), maxSources)
	}

	var bodies []*hclsyntax.Body
	var diags hcl.Diagnostics
	for _, name := range names {
		b, err := s.readFile(name, maxSourceSize)
		if err != nil {
			diags = append(diags, noSpec("Spec file not readable", "%s cannot be read: %s.", s.display(name), reason(err))...)
			continue
		}
		display := s.display(name)
		if depth := tooDeep(b, display); depth != nil {
			s.files[display] = &hcl.File{Bytes: b}
			diags = append(diags, depth)
			continue
		}
		f, more := hclsyntax.ParseConfig(b, display, hcl.InitialPos)
		diags = append(diags, more...)
		if f == nil {
			s.files[display] = &hcl.File{Bytes: b}
			continue
		}
		s.files[display] = f
		if body, ok := f.Body.(*hclsyntax.Body); ok {
			bodies = append(bodies, body)
		}
	}
	return bodies, diags
}

// errTooLarge is returned by readFile for a file beyond its bound.
var errTooLarge = errors.New("file is too large")

// readFile reads a regular file below the directory and remembers it for the
// digest.
func (s *source) readFile(name string, limit int64) ([]byte, error) {
	if b, ok := s.read[name]; ok {
		return b, nil
	}
	info, err := fs.Stat(s.fsys, name) // before opening: opening a FIFO would wait for a writer
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
	}
	s.read[name] = b
	return b, nil
}

// digest covers the name and the bytes of everything that was read. Lengths go
// in as well, so that no two different sets of files share the hashed text.
func (s *source) digest() string {
	names := make([]string, 0, len(s.read))
	for n := range s.read {
		names = append(names, n)
	}
	sort.Strings(names)
	h := sha256.New()
	for _, n := range names {
		fmt.Fprintf(h, "%d %s %d\n", len(n), n, len(s.read[n]))
		h.Write(s.read[n])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// localName turns a relative path of the spec into a name below its directory.
func localName(p string) (string, bool) {
	n := path.Clean(filepath.ToSlash(p))
	return n, n != "." && fs.ValidPath(n)
}

// noSpec is one diagnostic without a place in a file.
func noSpec(summary, format string, args ...any) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}}
}

// reason is the cause of a file error without the operation and the path, which
// the diagnostic around it names already.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
