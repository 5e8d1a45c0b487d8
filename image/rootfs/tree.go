package rootfs

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Kind is what a path of a tree is.
type Kind int

// Kinds of nodes. Packages hold nothing else that an image could use: device
// nodes come from devtmpfs.
const (
	Directory Kind = iota
	Regular
	Symlink
)

// Node is one file, directory or symbolic link.
type Node struct {
	Kind Kind
	Mode fs.FileMode // permission bits; for links 0777
	Data []byte      // of a regular file; not to be changed
	Link string      // target of a link
	From string      // who put it there: a package name, or "trunkline"
}

// Tree is a root file system in memory.
type Tree struct {
	nodes map[string]*Node
}

// ours is the From of what no package brought.
const ours = "trunkline"

// NewTree returns a tree with nothing but its root.
func NewTree() *Tree {
	return &Tree{nodes: map[string]*Node{".": {Kind: Directory, Mode: 0o755, From: ours}}}
}

// Get returns the node at p, nil if there is none.
func (t *Tree) Get(p string) *Node { return t.nodes[p] }

// Paths returns all paths, sorted, without the root. A directory comes before
// what is in it.
func (t *Tree) Paths() []string {
	out := make([]string, 0, len(t.nodes))
	for p := range maps.Keys(t.nodes) {
		if p != "." {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// Under returns the paths below directory dir, at any depth, sorted.
func (t *Tree) Under(dir string) []string {
	var out []string
	for p := range t.nodes {
		if strings.HasPrefix(p, dir+"/") {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// Glob returns the paths that match a path.Match pattern, sorted.
func (t *Tree) Glob(pattern string) []string {
	var out []string
	for p := range t.nodes {
		if ok, _ := path.Match(pattern, p); ok {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// Put adds a node. A directory may come from several packages; anything else
// that is there already is a conflict.
func (t *Tree) Put(p string, n Node) error {
	if err := checkPath(p); err != nil {
		return err
	}
	if old := t.nodes[p]; old != nil {
		if old.Kind == Directory && n.Kind == Directory {
			if old.From == ours && n.From != ours { // made as a parent; the package knows its mode
				old.Mode, old.From = n.Mode, n.From
			}
			return nil
		}
		return fmt.Errorf("/%s comes from %s and from %s: one of them must be left out of the profile", p, old.From, n.From)
	}
	if err := t.parents(p); err != nil {
		return err
	}
	t.nodes[p] = &n
	return nil
}

// Replace sets a node whatever was there, except that a directory is not
// replaced by something else.
func (t *Tree) Replace(p string, n Node) error {
	if old := t.nodes[p]; old != nil {
		if old.Kind == Directory && n.Kind != Directory {
			return fmt.Errorf("/%s is a directory of %s, not to be replaced by a file", p, old.From)
		}
		delete(t.nodes, p)
	}
	return t.Put(p, n)
}

// File sets a regular file of ours, replacing one that is there.
func (t *Tree) File(p string, mode fs.FileMode, data []byte) error {
	return t.Replace(p, Node{Kind: Regular, Mode: mode, Data: data, From: ours})
}

// Symlink sets a symbolic link of ours, replacing a file or link that is there.
func (t *Tree) Symlink(p, target string) error {
	return t.Replace(p, Node{Kind: Symlink, Mode: 0o777, Link: target, From: ours})
}

// Mkdir makes a directory and its parents.
func (t *Tree) Mkdir(p string, mode fs.FileMode) error {
	return t.Put(p, Node{Kind: Directory, Mode: mode, From: ours})
}

// Remove takes p away with all below it.
func (t *Tree) Remove(p string) {
	delete(t.nodes, p)
	for _, q := range t.Under(p) {
		delete(t.nodes, q)
	}
}

// Stats returns the number of nodes and the bytes of all regular files.
func (t *Tree) Stats() (nodes int, bytes int64) {
	for _, n := range t.nodes {
		bytes += int64(len(n.Data))
	}
	return len(t.nodes), bytes
}

// Resolve follows symbolic links below the root and returns the path of what p
// finally is, "" when that does not exist.
func (t *Tree) Resolve(p string) string {
	const maxLinks = 40 // as the kernel's
	for range maxLinks {
		next, done := t.step(p)
		if done {
			return next
		}
		p = next
	}
	return ""
}

// step replaces the first symbolic link on the way to p by its target.
func (t *Tree) step(p string) (next string, done bool) {
	at := "."
	rest := strings.Split(p, "/")
	for i, part := range rest {
		at = path.Join(at, part)
		n := t.nodes[at]
		if n == nil {
			return "", true
		}
		if n.Kind == Symlink {
			target := n.Link
			if !path.IsAbs(target) {
				target = path.Join("/", path.Dir(at), target)
			}
			return strings.TrimPrefix(path.Join(append([]string{target}, rest[i+1:]...)...), "/"), false
		}
	}
	return p, true
}

func (t *Tree) parents(p string) error {
	dir := path.Dir(p)
	if dir == "." {
		return nil
	}
	if n := t.nodes[dir]; n != nil {
		if n.Kind != Directory {
			return fmt.Errorf("/%s lies below /%s, which %s made something else than a directory", p, dir, n.From)
		}
		return nil
	}
	return t.Put(dir, Node{Kind: Directory, Mode: 0o755, From: ours})
}

func checkPath(p string) error {
	if p == "" || p == "." || path.IsAbs(p) || path.Clean(p) != p || p == ".." || strings.HasPrefix(p, "../") || strings.ContainsRune(p, 0) {
		return fmt.Errorf("%q is no clean relative path", p)
	}
	return nil
}
