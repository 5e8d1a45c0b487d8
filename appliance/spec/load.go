package spec

import (
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

// Options tune a load. The zero value reads a spec of one appliance by itself.
type Options struct {
	// Appliance is the one that is meant in a directory of several.
	Appliance string
	// Variables are values and files of values. Where a variable has several
	// values the last of these counts, then what the appliance's own block says,
	// then the environment, then the variable's default.
	Variables []Input
	// Getenv looks up VariablePrefix + name for each variable; nil: nothing there.
	Getenv func(key string) string
}

// Load reads the spec in the directory dir. The Spec is nil when the
// diagnostics hold an error. The files, keyed as the diagnostics name them (dir
// as given, then the name), are what a diagnostic writer needs for snippets.
func Load(dir string, o Options) (*Spec, hcl.Diagnostics, map[string]*hcl.File) {
	if diags := directory(dir); diags != nil {
		return nil, diags, nil
	}
	return LoadFS(os.DirFS(dir), dir, o)
}

// directory says what is wrong with the path of a spec.
func directory(dir string) hcl.Diagnostics {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noSpec("No such directory", "There is no directory %q. Name the directory that holds the *.hcl files of the spec.", dir)
	case err != nil:
		return noSpec("Spec not readable", "The spec directory %q cannot be read: %s.", dir, reason(err))
	case !info.IsDir():
		return noSpec("Not a directory", "%q is a file. A spec is a directory of *.hcl files: name the directory (%q).", dir, filepath.Dir(dir))
	}
	return nil
}

// LoadFS is Load for the spec at the root of fsys: a Git revision, an archive,
// an embedded example. dir is put before the names in diagnostics and becomes
// Spec.Dir; it may be empty.
func LoadFS(fsys fs.FS, dir string, o Options) (*Spec, hcl.Diagnostics, map[string]*hcl.File) {
	src := newSource(fsys, dir)
	specs, diags := src.load(o, false)
	if len(specs) == 0 {
		return nil, diags, src.files
	}
	return specs[0], diags, src.files
}

// source is the directory a spec comes from, and what was read of it.
type source struct {
	fsys  fs.FS
	dir   string
	files map[string]*hcl.File // by display name
	read  map[string][]byte    // by name below the directory

	names  []string // the *.hcl files
	budget *budget  // of the appliance being decoded
	inputs [][]named
	sums   map[string]string   // of files read, made once for a fleet
	tables map[string]int      // rows of baked tables already found right
	sets   map[string][]string // dispatcher sets baked tables name
}

func newSource(fsys fs.FS, dir string) *source {
	return &source{fsys: fsys, dir: dir, files: map[string]*hcl.File{}, read: map[string][]byte{}, budget: &budget{},
		sums: map[string]string{}, tables: map[string]int{}, sets: map[string][]string{}}
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
		return nil, noSpec("No spec here", "The directory %q holds no *.hcl file. Name the directory of a spec; `trunkline init NAME` writes one to start from.", s.dir)
	case len(names) > maxSources:
		return nil, noSpec("Too many files", "The directory %q holds %d *.hcl files; a spec has at most %d. Name the directory of one spec.", s.dir, len(names), maxSources)
	}

	s.names = names
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
		diags = append(diags, firstOfLines(more)...)
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

// firstOfLines keeps the first syntax error of each line: what the parser says of
// the rest of a line it has lost is no second mistake.
func firstOfLines(diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	seen := map[int]bool{}
	for _, d := range diags {
		if d.Subject != nil {
			if seen[d.Subject.Start.Line] {
				continue
			}
			seen[d.Subject.Start.Line] = true
		}
		out = append(out, d)
	}
	return out
}

// errTooLarge is returned by readFile for a file beyond its bound.
var errTooLarge = errors.New("file is too large")

// readFile reads a regular file below the directory, once.
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
