package debian

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
)

// Package is one binary package of exact version: what a lock file records and
// what the store keeps.
type Package struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Path    string `json:"path"` // below the mirror's address: "pool/main/..."
	SHA256  string `json:"sha256"`
	Size    int64  `json:"size"`
	// For is the extra package that brought this one, which images without that do without;
	// empty: every image has it. A lock says so, an index does not.
	For string `json:"for,omitempty"`
}

// Entry is a package of the index with its relationships, as the index has them.
type Entry struct {
	Package
	Depends, PreDepends, Conflicts, Breaks, Provides string
	Priority                                         string
}

// Index is the package list of one suite and architecture.
type Index struct {
	Suite        string // codename
	Architecture string

	entries  map[string]*Entry      // the newest version of each name
	provided map[string][]providing // virtual name -> packages
}

type providing struct {
	by      *Entry
	version string // of a versioned Provides; "" otherwise
}

// ReadIndex parses a Packages file. Of several versions of a package the newest
// counts.
func ReadIndex(r io.Reader, suite, arch string) (*Index, error) {
	ix := newIndex(suite, arch)
	if err := ix.add(r); err != nil {
		return nil, err
	}
	return ix, ix.provides()
}

func newIndex(suite, arch string) *Index {
	return &Index{Suite: suite, Architecture: arch, entries: map[string]*Entry{}, provided: map[string][]providing{}}
}

// add reads a Packages file.
func (ix *Index) add(r io.Reader) error {
	sr := NewStanzaReader(r)
	for {
		s, err := sr.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("package index of %s/%s: %w", ix.Suite, ix.Architecture, err)
		}
		if a := s.Get("Architecture"); a != ix.Architecture && a != "all" {
			continue
		}
		e, err := newEntry(s)
		if err != nil {
			return fmt.Errorf("package index of %s/%s: %w", ix.Suite, ix.Architecture, err)
		}
		if old := ix.entries[e.Name]; old == nil || CompareVersions(e.Version, old.Version) > 0 {
			ix.entries[e.Name] = e
		}
	}
}

// provides finds the virtual packages, once all are read.
func (ix *Index) provides() error {
	for _, e := range ix.entries {
		deps, err := ParseDependencies(e.Provides)
		if err != nil {
			return fmt.Errorf("package index of %s/%s: %s: Provides: %w", ix.Suite, ix.Architecture, e.Name, err)
		}
		for _, d := range deps {
			p := providing{by: e}
			if d[0].Op == "=" {
				p.version = d[0].Version
			}
			ix.provided[d[0].Name] = append(ix.provided[d[0].Name], p)
		}
	}
	return nil
}

// Len is the number of packages.
func (ix *Index) Len() int { return len(ix.entries) }

// Lookup returns the package of that name, or nil.
func (ix *Index) Lookup(name string) *Entry { return ix.entries[name] }

func newEntry(s Stanza) (*Entry, error) {
	e := &Entry{
		Package: Package{
			Name:    s.Get("Package"),
			Version: s.Get("Version"),
			Path:    s.Get("Filename"),
			SHA256:  strings.ToLower(s.Get("SHA256")),
		},
		Depends:    s.Get("Depends"),
		PreDepends: s.Get("Pre-Depends"),
		Conflicts:  s.Get("Conflicts"),
		Breaks:     s.Get("Breaks"),
		Provides:   s.Get("Provides"),
		Priority:   s.Get("Priority"),
	}
	size, err := strconv.ParseInt(s.Get("Size"), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("package %q: Size: %w", e.Name, err)
	}
	e.Size = size
	return e, e.check()
}

// maxPackage is the largest .deb taken. Debian's largest is about 3 GB.
const maxPackage = 8 << 30

// check keeps what later steps rely on: names and paths cannot leave their
// directories, digests are digests.
func (p Package) check() error {
	switch {
	case !validName(p.Name):
		return fmt.Errorf("package name %.60q is not valid", p.Name)
	case p.Version == "" || strings.ContainsAny(p.Version, " \t\n/"):
		return fmt.Errorf("package %s: version %.60q is not valid", p.Name, p.Version)
	case !validSHA256(p.SHA256):
		return fmt.Errorf("package %s: %.70q is not a SHA-256 in hexadecimal", p.Name, p.SHA256)
	case p.Size <= 0 || p.Size > maxPackage:
		return fmt.Errorf("package %s: size %d is not possible", p.Name, p.Size)
	case path.Clean(p.Path) != p.Path || path.IsAbs(p.Path) || strings.HasPrefix(p.Path, "..") || p.Path == "." || strings.ContainsAny(p.Path, "?#\\\n"):
		return fmt.Errorf("package %s: path %.120q is not a path below the mirror", p.Name, p.Path)
	}
	return nil
}

func validSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
