package debian

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// LockFormatVersion is the version of the lock file this code reads and writes.
const LockFormatVersion = 1

// LockName is the customary name of the lock file, beside the spec's *.hcl files.
const LockName = "trunkline.lock.json"

// Lock is the exact set of packages a base layer is built from. It names no
// mirror: paths are below whichever address the build uses.
type Lock struct {
	FormatVersion int      `json:"format_version"`
	Suite         string   `json:"suite"` // codename
	Architecture  string   `json:"architecture"`
	Profile       string   `json:"profile"`
	Seeds         []string `json:"seeds"`   // of the profile when the lock was made
	Exclude       []string `json:"exclude"` // likewise
	// Hardware are packages that the specs ask for beside the seeds (of their machines, of
	// relays on them), Without those kept out although one of these asks for them, and
	// Components the parts of the archive beside main that packages come from.
	Hardware   []string  `json:"hardware,omitempty"`
	Without    []string  `json:"without,omitempty"`
	Components []string  `json:"components,omitempty"`
	Packages   []Package `json:"packages"`
}

// NewLock resolves a profile against an index.
func NewLock(ix *Index, p Profile) (*Lock, error) {
	if ix.Suite != p.Suite || ix.Architecture != p.Architecture {
		return nil, fmt.Errorf("profile %q is made of %s/%s, the index is of %s/%s", p.Name, p.Suite, p.Architecture, ix.Suite, ix.Architecture)
	}
	pkgs, err := resolveApart(ix, p)
	if err != nil {
		return nil, err
	}
	seeds, exclude := p.names()
	return &Lock{
		FormatVersion: LockFormatVersion,
		Suite:         p.Suite,
		Architecture:  p.Architecture,
		Profile:       p.Name,
		Seeds:         seeds,
		Exclude:       exclude,
		Hardware:      p.Hardware,
		Without:       p.Without,
		Components:    p.Components,
		Packages:      pkgs,
	}, nil
}

func (p Profile) names() (seeds, exclude []string) {
	seeds = append([]string{}, p.Seeds...)
	exclude = []string{}
	for _, x := range p.Exclude {
		exclude = append(exclude, x.Name)
	}
	slices.Sort(seeds)
	slices.Sort(exclude)
	return seeds, exclude
}

// Check reports why a lock does not serve for a profile: it is of another one, the
// profile's package list has changed since, or the machine asks for packages that it
// does not have. Those of other machines do no harm: one lock serves a fleet.
func (l *Lock) Check(p Profile) error {
	seeds, exclude := p.names()
	switch {
	case l.Profile != p.Name || l.Suite != p.Suite || l.Architecture != p.Architecture:
		return fmt.Errorf("the lock file is for profile %q on %s/%s, the spec needs %q on %s/%s: run `trunkline lock` again", l.Profile, l.Suite, l.Architecture, p.Name, p.Suite, p.Architecture)
	case !slices.Equal(l.Seeds, seeds) || !slices.Equal(l.Exclude, exclude):
		return fmt.Errorf("the lock file was made from another package list of profile %q than this version of Trunkline has: run `trunkline lock` again", p.Name)
	}
	for _, name := range p.Hardware {
		if !slices.Contains(l.Hardware, name) {
			return fmt.Errorf("the spec needs package %s, which the lock file does not have: run `trunkline lock` again", name)
		}
	}
	for _, name := range p.Without {
		if !slices.Contains(l.Without, name) {
			return fmt.Errorf("the lock file was made before package %s was kept out, which this version of Trunkline does: run `trunkline lock` again", name)
		}
	}
	return nil
}

// Bytes renders the lock file: one package per line, so that a change of one
// package is a change of one line. Equal locks give equal bytes.
func (l *Lock) Bytes() ([]byte, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	head := *l
	head.Packages = nil
	b, err := json.MarshalIndent(&head, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	b = bytes.TrimSuffix(b, []byte("null\n}"))
	out := bytes.NewBuffer(b)
	out.WriteString("[\n")
	for i, p := range l.Packages {
		line, err := json.Marshal(p)
		if err != nil {
			return nil, fmt.Errorf("lock file: %s: %w", p.Name, err)
		}
		out.WriteString("    ")
		out.Write(line)
		if i < len(l.Packages)-1 {
			out.WriteByte(',')
		}
		out.WriteByte('\n')
	}
	out.WriteString("  ]\n}\n")
	return out.Bytes(), nil
}

// Digest is the lock's identity, "sha256:<hex>" over Bytes: how a file is laid
// out does not matter, what it says does.
func (l *Lock) Digest() (string, error) {
	b, err := l.Bytes()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Size is the sum of all package sizes.
func (l *Lock) Size() int64 {
	var n int64
	for _, p := range l.Packages {
		n += p.Size
	}
	return n
}

// Package returns the locked package of that name.
func (l *Lock) Package(name string) (Package, bool) {
	i, ok := slices.BinarySearchFunc(l.Packages, name, byName)
	if !ok {
		return Package{}, false
	}
	return l.Packages[i], true
}

// byName compares a package with the name of one.
func byName(p Package, name string) int { return strings.Compare(p.Name, name) }

// ParseLock parses and checks a lock file.
func ParseLock(b []byte) (*Lock, error) {
	var head struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not a lock file: %w", err)
	}
	if head.FormatVersion != LockFormatVersion {
		return nil, fmt.Errorf("lock file has format_version %d, this version of Trunkline reads %d: run `trunkline lock` again", head.FormatVersion, LockFormatVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var l Lock
	if err := dec.Decode(&l); err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	if dec.More() {
		return nil, errors.New("lock file: more data after the end")
	}
	return &l, l.check()
}

// ReadLock reads the lock file at name. A missing file is fs.ErrNotExist, with
// the remedy.
func ReadLock(name string) (*Lock, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no lock file %s: run `trunkline lock` and commit what it writes: %w", name, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("lock file: %w", err)
	}
	l, err := ParseLock(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

func (l *Lock) check() error {
	if l.FormatVersion != LockFormatVersion {
		return fmt.Errorf("lock file: format_version %d is not %d", l.FormatVersion, LockFormatVersion)
	}
	if l.Suite == "" || l.Architecture == "" || l.Profile == "" {
		return errors.New("lock file: suite, architecture and profile must be set: run `trunkline lock` again")
	}
	if len(l.Packages) == 0 {
		return errors.New("lock file: no packages: run `trunkline lock` again")
	}
	for i, p := range l.Packages {
		if err := p.check(); err != nil {
			return fmt.Errorf("lock file: %w", err)
		}
		if i > 0 && l.Packages[i-1].Name >= p.Name {
			return fmt.Errorf("lock file: %s after %s: packages must be sorted by name, each once: run `trunkline lock` again", p.Name, l.Packages[i-1].Name)
		}
	}
	return nil
}
