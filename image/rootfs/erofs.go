package rootfs

import (
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/erofs/go-erofs"
)

// Epoch is the time stamp of everything in an image, seconds since 1970
// (2025-01-01 UTC). It says nothing about when the image was built.
const Epoch = 1735689600

// WriteErofs writes the tree as an uncompressed erofs (the initrd around it is
// compressed as a whole) and spools in tempDir. All nodes belong to root.
func (t *Tree) WriteErofs(out io.WriteSeeker, tempDir string) error {
	w := erofs.Create(out, erofs.WithBuildTime(Epoch, 0), erofs.WithTempDir(tempDir))
	if err := w.Mkdir("/", t.nodes["."].Mode); err != nil {
		return fmt.Errorf("erofs: %w", err)
	}
	stamp := time.Unix(Epoch, 0)
	for _, p := range t.Paths() {
		if err := writeNode(w, "/"+p, t.nodes[p]); err != nil {
			return fmt.Errorf("erofs: /%s: %w", p, err)
		}
	}
	for _, p := range append([]string{"."}, t.Paths()...) {
		name := "/" + p
		if p == "." {
			name = "/"
		}
		if err := w.Chown(name, 0, 0); err != nil {
			return fmt.Errorf("erofs: %s: %w", name, err)
		}
		if err := w.Chtimes(name, stamp, stamp); err != nil {
			return fmt.Errorf("erofs: %s: %w", name, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("erofs: %w", err)
	}
	return nil
}

func writeNode(w *erofs.Writer, name string, n *Node) error {
	switch n.Kind {
	case Directory:
		return w.Mkdir(name, n.Mode)
	case Symlink:
		return w.Symlink(n.Link, name)
	}
	f, err := w.Create(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(n.Data); err != nil {
		return err
	}
	if err := f.Chmod(n.Mode & fs.ModePerm); err != nil {
		return err
	}
	return f.Close()
}
