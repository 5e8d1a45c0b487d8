package inspect

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/erofs/go-erofs"
)

// maxRootFiles bounds the files of a root image; ours have some 3,000.
const maxRootFiles = 1 << 20

// walkRoot lists an erofs by path, without directories. Data is kept of the file
// at keep alone.
func walkRoot(image []byte, keep string) ([]File, error) {
	root, err := erofs.Open(bytes.NewReader(image))
	if err != nil {
		return nil, fmt.Errorf("not readable: %w", err)
	}
	links, ok := root.(fs.ReadLinkFS)
	if !ok {
		return nil, errors.New("links cannot be read")
	}
	var out []File
	var total int64
	err = fs.WalkDir(root, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if len(out) == maxRootFiles {
			return fmt.Errorf("more than %d files", maxRootFiles)
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := links.ReadLink(p)
			if err != nil {
				return err
			}
			out = append(out, linkOf(p, target))
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		// Uncompressed: files that share blocks could claim more than there is, and
		// reading them would not end in useful time.
		if total += info.Size(); info.Size() > int64(len(image)) || total > maxUnpacked {
			return fmt.Errorf("%s: the files claim more than the image can hold", p)
		}
		f, err := describe(root, p, info, p == keep)
		if err != nil {
			return err
		}
		out = append(out, f)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// describe reads a regular file.
func describe(root fs.FS, p string, info fs.FileInfo, keep bool) (File, error) {
	if keep {
		b, err := fs.ReadFile(root, p)
		if err != nil {
			return File{}, err
		}
		return fileOf(p, info.Mode(), b), nil
	}
	r, err := root.Open(p)
	if err != nil {
		return File{}, err
	}
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err = errors.Join(err, r.Close()); err != nil {
		return File{}, fmt.Errorf("%s: %w", p, err)
	}
	return File{Path: p, Mode: octal(info.Mode()), Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
