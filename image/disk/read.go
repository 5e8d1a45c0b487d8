package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// File is a file of an ESP.
type File struct {
	Path string // "EFI/Linux/edge-fra1_1.4.2.efi"
	Data []byte
}

// maxESP bounds what is read of an ESP, bytes; ours are a quarter of it.
const maxESP = 2 << 30

// Read returns the files of the EFI System Partition of a disk of any format, sorted by
// path, and the size of the partition. A file without a partition table is an error that
// says so.
func Read(name string) (files []File, espBytes int64, err error) {
	e, err := openESP(name)
	if err != nil {
		return nil, 0, err
	}
	defer e.Close() //nolint:errcheck // read only
	r := reader{fs: e.FileSystem, left: e.size}
	if err := r.dir(".", 0); err != nil {
		return nil, 0, fmt.Errorf("%s: EFI system partition: %w", name, err)
	}
	slices.SortFunc(r.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return r.files, e.size, nil
}

// reader collects the files of a volume.
type reader struct {
	fs    *fat32.FileSystem
	files []File
	left  int64 // bytes that files may still have: a volume holds no more than its size
}

// maxDepth ends a walk through directories that contain themselves.
const maxDepth = 8

func (r *reader) dir(dir string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: directories nested deeper than %d", dir, maxDepth)
	}
	entries, err := r.fs.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.Name() == "." || e.Name() == "..":
		case e.IsDir():
			if err := r.dir(name, depth+1); err != nil {
				return err
			}
		default:
			info, err := e.Info()
			if err == nil {
				err = r.file(name, info.Size())
			}
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// file reads one of a size. The size is asked for because go-diskfs 1.9.4 reads a file
// up to the end of its last cluster.
func (r *reader) file(name string, size int64) error {
	if r.left -= size; r.left < 0 {
		return errors.New("larger than the volume")
	}
	f, err := r.fs.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(f, size))
	if err == nil && int64(len(b)) < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	r.files = append(r.files, File{Path: name, Data: b})
	return f.Close()
}
