package publish

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"trunkline/image/entry"
	"trunkline/image/release"
)

// Options say how to publish.
type Options struct {
	Dir  string // is made if missing
	Keep int    // images of each appliance that stay, the published one counted; at least 1
	// Signer is the certificate that must have signed; nil: any.
	Signer *x509.Certificate
	// AllowOlder takes an image that is older than the published one.
	AllowOlder bool
	// Changed leaves an appliance alone whose published image differs from the new one in
	// nothing but the version: it would restart for nothing.
	Changed bool
}

// Result is what became of one image.
type Result struct {
	release.Index
	Before  string   // version published until now; empty: none
	Same    bool     // it was published already, and nothing had to be done
	Alike   bool     // with Options.Changed: nothing but the version is new, and nothing was done
	Removed []string // files that were
}

// evidence are the endings of what lies beside an image, NAME + ending.
var evidence = []string{".spdx.json", ".cdx.json", ".provenance.json"}

// Publish publishes images: files NAME.efi, or the directories that builds wrote them to.
func Publish(ctx context.Context, images []string, o Options) ([]Result, error) {
	if o.Keep < 1 {
		return nil, fmt.Errorf("publish: %d images to keep: keep at least the one that is published", o.Keep)
	}
	var list []*candidate
	for _, path := range images {
		c, err := open(path, o)
		if err != nil {
			return nil, fmt.Errorf("publish: %w", err)
		}
		for _, other := range list {
			if other.index.Name == c.index.Name {
				return nil, fmt.Errorf("publish: %s and %s are both images of %s: name one", other.path, c.path, c.index.Name)
			}
		}
		list = append(list, c)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	unlock, err := lock(ctx, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	defer unlock()
	if err := sweep(o.Dir); err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	for _, c := range list {
		if err := c.compare(o); err != nil {
			return nil, fmt.Errorf("publish: %w", err)
		}
	}
	var out []Result
	for _, c := range list {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		r, err := c.publish(o)
		if err != nil {
			return out, fmt.Errorf("publish: %s: %w", c.path, err)
		}
		out = append(out, r)
	}
	return out, nil
}

// candidate is an image that is to be published.
type candidate struct {
	path   string // of the file, which is read once more to publish it: a fleet's do not fit into memory
	index  release.Index
	beside map[string][]byte // evidence, by ending
	before *release.Index    // what is published; nil: nothing
}

// open reads an image and refuses one that no appliance would take.
func open(path string, o Options) (*candidate, error) {
	path, err := find(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(path); err == nil && info.Size() > release.MaxImage {
		return nil, fmt.Errorf("%s has %d bytes, and images have %d at most", path, info.Size(), int64(release.MaxImage))
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	img, err := release.Read(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	stem := strings.TrimSuffix(filepath.Base(path), ".efi")
	e, versioned := entry.Parse(filepath.Base(path))
	switch {
	case stem != img.Name && !(versioned && e.Name == img.Name):
		return nil, fmt.Errorf("%s is the image of %s, and its file is named otherwise: name the file that `trunkline build` wrote", path, img.Name)
	case img.Version == entry.DefaultVersion:
		return nil, fmt.Errorf("%s has no version (%s), and an appliance takes only newer ones: build it with --image-version, such as the time of the commit: --image-version $(git log -1 --format=%%cd --date=format:%%Y%%m%%d.%%H%%M%%S)", path, img.Version)
	}
	signer, err := img.Signer()
	if err == nil && o.Signer != nil {
		signer, err = o.Signer, img.SignedBy(o.Signer)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: no appliance takes it. Sign it when it is built, with --secure-boot-key and --secure-boot-cert of the certificate that update.signer of the spec names", path, err)
	}
	c := &candidate{path: path, beside: map[string][]byte{}, index: release.Index{
		FormatVersion: release.FormatVersion, Name: img.Name, Version: img.Version, File: release.ImageFile(img.Name, img.Version),
		Size: int64(len(raw)), SHA256: sum(raw), Image: img.Digest, Signer: release.Fingerprint(signer),
	}}
	return c, c.readEvidence(strings.TrimSuffix(path, ".efi"))
}

// find gives the image file of a build's output directory, or the file itself.
func find(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.IsDir() {
		if filepath.Ext(path) != ".efi" {
			return "", fmt.Errorf("%s is not an image that can be published: name NAME.efi, or the directory that `trunkline build` wrote it to", path)
		}
		return path, nil
	}
	found, err := filepath.Glob(filepath.Join(path, "*.efi"))
	switch {
	case err != nil:
		return "", err
	case len(found) == 0:
		return "", fmt.Errorf("%s holds no image (NAME.efi): `trunkline build` makes one, below its output directory", path)
	case len(found) > 1:
		return "", fmt.Errorf("%s holds %d images (%s): name one of them", path, len(found), strings.Join(found, ", "))
	}
	return found[0], nil
}

// readEvidence reads what lies beside the image. All of it names the image's digest: what
// does not is of another build, and would mislead.
func (c *candidate) readEvidence(stem string) error {
	for _, ending := range evidence {
		b, err := os.ReadFile(stem + ending)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if !strings.Contains(string(b), c.index.SHA256) {
			return fmt.Errorf("%s is not of %s: it does not name its SHA-256. Build the image again, or take the file away", stem+ending, c.path)
		}
		c.beside[ending] = b
	}
	return nil
}

// compare holds the image against what is published.
func (c *candidate) compare(o Options) error {
	name := filepath.Join(o.Dir, release.IndexFile(c.index.Name))
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	x, err := release.Decode(b)
	if err != nil || x.Name != c.index.Name {
		return fmt.Errorf("%s is not an index of %s (%w): look how it got there, and take it away", name, c.index.Name, cmp.Or(err, errors.New("it is another appliance's")))
	}
	c.before = &x
	switch order := entry.CompareVersions(c.index.Version, x.Version); {
	case order == 0 && x.SHA256 != c.index.SHA256:
		return fmt.Errorf("%s has the version %s, and another image of that version is published: appliances that have it would never see this one. Build it with a newer --image-version", c.path, x.Version)
	case order < 0 && !o.AllowOlder:
		return fmt.Errorf("%s has the version %s, and %s is published: appliances take only newer ones. To go back, build the older spec with a newer --image-version (git revert makes a newer commit); to publish it all the same, add --allow-older", c.path, c.index.Version, x.Version)
	}
	return nil
}

func (c *candidate) publish(o Options) (Result, error) {
	r := Result{Index: c.index}
	if c.before != nil {
		r.Before = c.before.Version
	}
	file := filepath.Join(o.Dir, c.index.File)
	have, err := os.ReadFile(file)
	if r.Alike = o.Changed && c.alike(o.Dir); r.Alike {
		return r, nil
	}
	r.Same = err == nil && c.before != nil && *c.before == c.index && sum(have) == c.index.SHA256
	if !r.Same {
		raw, err := os.ReadFile(c.path)
		if err != nil {
			return r, err
		}
		if sum(raw) != c.index.SHA256 {
			return r, errors.New("it was changed while it was published: publish it again when its build has ended")
		}
		if err := writeWhole(file, raw); err != nil {
			return r, err
		}
	}
	stem := strings.TrimSuffix(file, ".efi")
	for ending, b := range c.beside {
		if err := writeWhole(stem+ending, b); err != nil {
			return r, err
		}
	}
	if !r.Same {
		b, err := c.index.Encode()
		if err != nil {
			return r, err
		}
		if err := writeWhole(filepath.Join(o.Dir, release.IndexFile(c.index.Name)), b); err != nil {
			return r, err
		}
	}
	r.Removed, err = prune(o.Dir, c.index, o.Keep)
	return r, err
}

// alike says whether the published image has another version, and differs in nothing else.
// One that cannot be read is not alike: the new one takes its place.
func (c *candidate) alike(dir string) bool {
	if c.before == nil || c.before.Version == c.index.Version || c.before.Signer != c.index.Signer {
		return false
	}
	var digests [2]string
	for i, path := range []string{filepath.Join(dir, c.before.File), c.path} {
		raw, err := os.ReadFile(path)
		if err != nil || i == 0 && sum(raw) != c.before.SHA256 {
			return false
		}
		if digests[i], err = content(raw); err != nil {
			return false
		}
	}
	return digests[0] == digests[1]
}

// prune removes the images of an appliance that are neither published nor among the newest
// of the others, with their evidence.
func prune(dir string, published release.Index, keep int) ([]string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	byVersion := map[string][]string{}
	var versions []string
	for _, f := range files {
		v, ok := versionOf(f.Name(), published.Name)
		if !ok || v == published.Version || !f.Type().IsRegular() {
			continue
		}
		if byVersion[v] == nil {
			versions = append(versions, v)
		}
		byVersion[v] = append(byVersion[v], f.Name())
	}
	slices.SortFunc(versions, func(a, b string) int { return entry.CompareVersions(b, a) })
	var removed []string
	for _, v := range versions[min(keep-1, len(versions)):] {
		for _, name := range byVersion[v] {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return removed, err
			}
			removed = append(removed, name)
		}
	}
	return removed, nil
}

// versionOf is the version of an appliance's file in the directory.
func versionOf(file, name string) (string, bool) {
	for _, ending := range append([]string{".efi"}, evidence...) {
		stem, ok := strings.CutSuffix(file, ending)
		if !ok {
			continue
		}
		v, ok := strings.CutPrefix(stem, name+"_")
		return v, ok && entry.CheckVersion(v) == nil
	}
	return "", false
}

func sum(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}
