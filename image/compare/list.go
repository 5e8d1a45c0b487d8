package compare

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// File is one file of a build.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// List describes the files below a directory, by path.
func List(dir string) ([]File, error) {
	found, err := list(dir)
	if err != nil {
		return nil, err
	}
	var out []File
	for _, p := range slices.Sorted(maps.Keys(found)) {
		f, err := os.Open(filepath.Join(dir, p))
		if err != nil {
			return nil, fmt.Errorf("comparing: %w", err)
		}
		h := sha256.New()
		n, err := io.Copy(h, f)
		f.Close() //nolint:errcheck // read only
		if err != nil {
			return nil, fmt.Errorf("comparing: %s: %w", p, err)
		}
		out = append(out, File{p, n, hex.EncodeToString(h.Sum(nil))})
	}
	return out, nil
}
