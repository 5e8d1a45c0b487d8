package rootfs

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"runtime"
	"strings"
	"sync"
)

// Package is one Debian package as Collect needs it. Data may be called from
// several goroutines, each with its own package.
type Package interface {
	Name() string
	Size() int64 // of the .deb; only the order of work depends on it
	Data(func(*tar.Header, io.Reader) error) error
}

// maxFile bounds one file of a package; the kernel image and its largest
// libraries are some ten megabytes.
const maxFile = 256 << 20

// merged are the top-level directories that merged-/usr turns into links.
var merged = []string{"bin", "sbin", "lib", "lib64"}

type entry struct {
	path string
	node Node
}

// Unpack puts the data of all packages into a new tree. Files that keep rejects
// are dropped while reading. Packages are read in parallel and merged in the
// order given.
func Unpack(ctx context.Context, pkgs []Package, keep func(p string) bool) (*Tree, error) {
	entries := make([][]entry, len(pkgs))
	errs := make([]error, len(pkgs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(pkgs)) {
		wg.Go(func() {
			for i := range next {
				entries[i], errs[i] = read(ctx, pkgs[i], keep)
			}
		})
	}
	for _, i := range bySize(pkgs) {
		next <- i
	}
	close(next)
	wg.Wait()

	t := NewTree()
	for _, d := range merged {
		if err := t.Symlink(d, "usr/"+d); err != nil {
			return nil, err
		}
		if err := t.Mkdir("usr/"+d, 0o755); err != nil {
			return nil, err
		}
	}
	for i, p := range pkgs {
		if errs[i] != nil {
			return nil, fmt.Errorf("unpacking %s: %w", p.Name(), errs[i])
		}
		for _, e := range entries[i] {
			if err := t.Put(e.path, e.node); err != nil {
				return nil, fmt.Errorf("unpacking %s: %w", p.Name(), err)
			}
		}
	}
	return t, nil
}

// bySize orders the largest package first: it alone takes a third of the time,
// and must not be the last one to start.
func bySize(pkgs []Package) []int {
	order := make([]int, len(pkgs))
	for i := range order {
		order[i] = i
	}
	for i := range order { // insertion sort: some ten packages
		for j := i; j > 0 && pkgs[order[j]].Size() > pkgs[order[j-1]].Size(); j-- {
			order[j], order[j-1] = order[j-1], order[j]
		}
	}
	return order
}

func read(ctx context.Context, p Package, keep func(string) bool) ([]entry, error) {
	var out []entry
	files := map[string]Node{} // for hard links
	err := p.Data(func(h *tar.Header, r io.Reader) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		name, ok, err := cleanName(h.Name)
		if err != nil || !ok {
			return err
		}
		n, err := nodeOf(h, p.Name())
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		if n.Kind != Directory && !keep(name) {
			return nil
		}
		switch {
		case h.Typeflag == tar.TypeLink:
			// A link's first name comes earlier in the archive (Policy and tar both
			// have it so). One that was dropped takes its other names with it.
			first, _, err := cleanName(h.Linkname)
			if err != nil {
				return err
			}
			var there bool
			if n, there = files[first]; !there {
				return nil
			}
		case n.Kind == Regular:
			if h.Size > maxFile {
				return fmt.Errorf("%s: %d bytes, more than the %d a file may have", h.Name, h.Size, maxFile)
			}
			n.Data = make([]byte, h.Size)
			if _, err := io.ReadFull(r, n.Data); err != nil {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
			files[name] = n
		}
		out = append(out, entry{name, n})
		return nil
	})
	return out, err
}

// cleanName turns an archive's name into a tree path, below usr/ where merged-/usr
// says so. The root and the merged links themselves give ok = false.
func cleanName(name string) (p string, ok bool, err error) {
	p = strings.TrimPrefix(strings.TrimPrefix(name, "."), "/")
	p = strings.TrimSuffix(p, "/")
	if p == "" {
		return "", false, nil
	}
	if err := checkPath(p); err != nil {
		return "", false, err
	}
	for _, d := range merged {
		if p == d {
			return "", false, nil
		}
		if strings.HasPrefix(p, d+"/") {
			return "usr/" + p, true, nil
		}
	}
	return p, true, nil
}

// nodeOf takes type and mode from the header. Set-id bits are dropped: nothing in
// the image changes user by executing a file.
func nodeOf(h *tar.Header, from string) (Node, error) {
	mode := fs.FileMode(h.Mode & 0o777)
	switch h.Typeflag {
	case tar.TypeDir:
		return Node{Kind: Directory, Mode: mode, From: from}, nil
	case tar.TypeReg, tar.TypeLink:
		return Node{Kind: Regular, Mode: mode, From: from}, nil
	case tar.TypeSymlink:
		if h.Linkname == "" || path.Clean(h.Linkname) == "." {
			return Node{}, fmt.Errorf("link to %q", h.Linkname)
		}
		return Node{Kind: Symlink, Mode: 0o777, Link: h.Linkname, From: from}, nil
	}
	return Node{}, fmt.Errorf("entry of type %q, which no image takes", h.Typeflag)
}
