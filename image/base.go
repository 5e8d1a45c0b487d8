package image

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"trunkline/appliance/durable"
)

// BaseFormatVersion is the version of base.json this code reads and writes.
const BaseFormatVersion = 1

// Names of the files of a base layer.
const (
	baseKernel    = "kernel"
	baseInitrd    = "initrd.zst"
	baseStub      = "stub.efi"
	baseLoader    = "systemd-boot.efi"
	baseInventory = "inventory.json" // as in the root image
	baseMicrocode = "microcode.cpio" // empty: none
	baseDetails   = "base.json"
)

var baseFiles = []string{baseInitrd, baseInventory, baseKernel, baseStub, baseLoader, baseMicrocode}

// Base describes a base layer: base.json of its directory.
type Base struct {
	FormatVersion int    `json:"format_version"`
	Digest        string `json:"digest"` // "sha256:<hex>" of its inputs
	Profile       string `json:"profile"`
	Lock          string `json:"lock"`   // digest of the lock file
	Sbcd          string `json:"sbcd"`   // SHA-256 of the executable
	Init          string `json:"init"`   // likewise
	Kernel        string `json:"kernel"` // release, as uname -r prints it
	OSRelease     string `json:"os_release"`
	Packages      int    `json:"packages"`
	TreeFiles     int    `json:"tree_files"` // nodes of the root image
	TreeBytes     int64  `json:"tree_bytes"` // of its regular files
	Modules       int    `json:"modules"`    // kernel modules kept
	// Hardware is what the machine asked for beside the profile, Firmware the files kept
	// for it; MicrocodeBytes is the size of the archive of processors' updates.
	Hardware       string   `json:"hardware,omitempty"`
	Firmware       []Kept   `json:"firmware,omitempty"`
	MicrocodeBytes int64    `json:"microcode_bytes,omitempty"`
	Files          []Output `json:"files"` // by name, sorted
}

// layer is a base layer in memory.
type layer struct {
	Base
	dir   string
	files map[string][]byte
}

// baseDir is the directory of a base layer in the cache.
func baseDir(cache, digest string) string {
	return filepath.Join(cache, strings.TrimPrefix(digest, "sha256:"))
}

// errNoBase: the cache has no usable base layer of that digest. A build makes one.
var errNoBase = errors.New("no base layer in the cache")

// loadBase reads and checks a base layer. What is damaged counts as missing.
func loadBase(dir, digest string) (*layer, error) {
	raw, err := os.ReadFile(filepath.Join(dir, baseDetails))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoBase
	} else if err != nil {
		return nil, fmt.Errorf("base layer: %w", err)
	}
	l := &layer{dir: dir, files: map[string][]byte{}}
	if err := json.Unmarshal(raw, &l.Base); err != nil || l.FormatVersion != BaseFormatVersion || l.Digest != digest {
		return nil, errNoBase
	}
	for _, f := range l.Files {
		b, err := os.ReadFile(filepath.Join(dir, filepath.Base(f.Path)))
		if err != nil || sum(b) != f.SHA256 {
			return nil, errNoBase
		}
		l.files[f.Path] = b
	}
	for _, name := range baseFiles {
		if l.files[name] == nil {
			return nil, errNoBase
		}
	}
	return l, nil
}

// storeBase makes a base layer appear in the cache: complete, on disk, by one
// rename. The caller holds the cache's lock. A damaged predecessor goes.
func storeBase(tmp, cache string, l *layer) error {
	for _, name := range baseFiles {
		if name == baseInitrd {
			continue // written there already
		}
		if err := writeSynced(filepath.Join(tmp, name), l.files[name]); err != nil {
			return fmt.Errorf("base layer: %w", err)
		}
	}
	l.Files = nil
	for _, name := range baseFiles {
		l.Files = append(l.Files, Output{Path: name, Size: int64(len(l.files[name])), SHA256: sum(l.files[name])})
	}
	b, err := json.MarshalIndent(l.Base, "", "  ")
	if err != nil {
		return fmt.Errorf("base layer: %w", err)
	}
	if err := writeSynced(filepath.Join(tmp, baseDetails), append(b, '\n')); err != nil {
		return fmt.Errorf("base layer: %w", err)
	}
	if err := durable.SyncDir(tmp); err != nil {
		return fmt.Errorf("base layer: %w", err)
	}
	l.dir = baseDir(cache, l.Digest)
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("base layer: removing the damaged one: %w", err)
	}
	if err := os.Rename(tmp, l.dir); err != nil {
		return fmt.Errorf("base layer: %w", err)
	}
	return durable.SyncDir(cache)
}

// newBaseDir makes a directory to build in, beside its final place, and removes
// what interrupted builds left. The caller holds the cache's lock.
func newBaseDir(cache string) (string, error) {
	const prefix = ".new-"
	old, err := filepath.Glob(filepath.Join(cache, prefix+"*"))
	if err != nil {
		return "", err
	}
	for _, d := range old {
		if err := os.RemoveAll(d); err != nil {
			return "", fmt.Errorf("removing what an interrupted build left: %w", err)
		}
	}
	tmp, err := os.MkdirTemp(cache, prefix)
	if err != nil {
		return "", err
	}
	return tmp, os.Chmod(tmp, 0o755)
}

// keptBases is how many base layers stay in the cache, those used last: more
// versions and profiles than a team moves between, and a bound on its size.
const keptBases = 8

// baseName is the name of a base layer's directory.
var baseName = regexp.MustCompile(`^[0-9a-f]{64}$`)

// dropBases removes the base layers that were not used for longest. The caller
// holds the cache's lock; a build that is just reading one of them finds it
// damaged and makes it anew.
func dropBases(cache string) error {
	entries, err := os.ReadDir(cache)
	if err != nil {
		return err
	}
	used := map[string]time.Time{}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || !baseName.MatchString(e.Name()) {
			continue
		}
		names = append(names, e.Name())
		used[e.Name()] = info.ModTime()
	}
	slices.SortStableFunc(names, func(a, b string) int { return used[b].Compare(used[a]) })
	for _, name := range names[min(keptBases, len(names)):] {
		if err := os.RemoveAll(filepath.Join(cache, name)); err != nil {
			return fmt.Errorf("removing one of long ago: %w", err)
		}
	}
	return nil
}

// reuse loads a base layer of the cache and marks it as used now. A cache that can
// only be read serves as well.
func reuse(dir, digest string) (*layer, error) {
	l, err := loadBase(dir, digest)
	if err == nil {
		now := time.Now()
		_ = os.Chtimes(dir, now, now)
	}
	return l, err
}

// ensureBase returns the base layer of the request: from the cache, or built.
func (b *builder) ensureBase(ctx context.Context, in inputs) (l *layer, reused bool, err error) {
	b.step("base")
	if err := os.MkdirAll(b.BaseCacheDir, 0o755); err != nil {
		return nil, false, fmt.Errorf("base layer: %w", err)
	}
	digest := in.digest()
	dir := baseDir(b.BaseCacheDir, digest)
	defer b.Memory.turn(digest)()
	if l := b.Memory.layer(digest); l != nil {
		return l, true, nil
	}
	defer func() { b.Memory.keep(l) }()
	if l, err := reuse(dir, digest); !errors.Is(err, errNoBase) {
		return l, true, err
	}
	unlock, err := lockDir(ctx, b.BaseCacheDir)
	if err != nil {
		return nil, false, fmt.Errorf("base layer: %w", err)
	}
	defer unlock()
	// Another build may have made it while this one waited.
	if l, err := reuse(dir, digest); !errors.Is(err, errNoBase) {
		return l, true, err
	}
	if l, err = b.buildBase(ctx, in); err != nil {
		return nil, false, err
	}
	if err := dropBases(b.BaseCacheDir); err != nil {
		return nil, false, fmt.Errorf("base layer: %w", err)
	}
	return l, false, nil
}
