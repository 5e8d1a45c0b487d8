package disk

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
	"github.com/diskfs/go-diskfs/partition/gpt"
)

// File is a file of an ESP.
type File struct {
	Path string // "EFI/Linux/edge-fra1_1.4.2.efi"
	Data []byte
}

// maxESP bounds what is read of an ESP, bytes; ours are a quarter of it.
const maxESP = 2 << 30

// Read returns the files of the EFI System Partition of a raw disk, sorted by
// path, and the size of the partition. A file without a partition table is an
// error that says so.
func Read(name string) (files []File, espBytes int64, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // read only
	table, err := gpt.Read(f, sectorSize, sectorSize)
	if err != nil {
		return nil, 0, fmt.Errorf("%s is no disk with a GUID partition table: %w", name, err)
	}
	i := slices.IndexFunc(table.Partitions, func(p *gpt.Partition) bool { return p.Type == gpt.EFISystemPartition })
	if i < 0 {
		return nil, 0, fmt.Errorf("%s has no EFI system partition", name)
	}
	p := table.Partitions[i]
	size := (int64(p.End) - int64(p.Start) + 1) * sectorSize
	if size <= 0 || size > maxESP {
		return nil, 0, fmt.Errorf("%s: an EFI system partition of %d bytes is not read", name, size)
	}
	fs, err := fat32.Read(file.New(f, true), size, int64(p.Start)*sectorSize, sectorSize)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: EFI system partition: %w", name, err)
	}
	r := reader{fs: fs, left: size}
	if err := r.dir(".", 0); err != nil {
		return nil, 0, fmt.Errorf("%s: EFI system partition: %w", name, err)
	}
	slices.SortFunc(r.files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return r.files, size, nil
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
