package initrd

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// File is one file of the config layer; package image documents the fields.
type File struct {
	Path string
	Mode fs.FileMode
	Data []byte
	Link string
}

// ConfigArchive returns the uncompressed archive of the config layer: every file
// below /config, parents included. Nothing in it depends on the order of files.
func ConfigArchive(files []File) ([]byte, error) {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	if err := checkConfig(sorted); err != nil {
		return nil, fmt.Errorf("config layer: %w", err)
	}
	var b bytes.Buffer
	a := newArchive(&b)
	made := map[string]bool{}
	var parents func(string)
	parents = func(dir string) {
		if dir == "." || made[dir] {
			return
		}
		parents(path.Dir(dir))
		made[dir] = true
		a.dir(dir)
	}
	for _, f := range sorted {
		name := path.Join(ConfigDir, f.Path)
		parents(path.Dir(name))
		mode := f.Mode & fs.ModePerm
		if mode == 0 {
			mode = 0o644
		}
		if f.Link != "" {
			a.link(name, f.Link)
		} else {
			a.file(name, cpio.FileMode(mode), f.Data)
		}
	}
	if len(files) == 0 {
		parents(ConfigDir)
	}
	if err := a.close(); err != nil {
		return nil, fmt.Errorf("config layer: %w", err)
	}
	return append(b.Bytes(), make([]byte, -b.Len()&(Align-1))...), nil
}

// checkConfig wants sorted files.
func checkConfig(files []File) error {
	paths := map[string]bool{}
	for i, f := range files {
		if !strings.HasPrefix(f.Path, "etc/") || path.Clean(f.Path) != f.Path || strings.ContainsRune(f.Path, 0) {
			return fmt.Errorf("%q is not a clean path below etc/", f.Path)
		}
		if i > 0 && files[i-1].Path == f.Path {
			return fmt.Errorf("two files at %s", f.Path)
		}
		paths[f.Path] = true
	}
	for _, f := range files {
		for dir := path.Dir(f.Path); dir != "."; dir = path.Dir(dir) {
			if paths[dir] {
				return fmt.Errorf("%s lies below the file %s", f.Path, dir)
			}
		}
	}
	return nil
}
