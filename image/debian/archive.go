package debian

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ulikunitz/xz"
)

const (
	maxRelease = 16 << 20  // InRelease, bytes
	maxIndex   = 1 << 30   // Packages unpacked, bytes
	maxPacked  = 256 << 20 // Packages as fetched, bytes
)

// Archive reads the signed index of a mirror.
type Archive struct {
	Mirror  *url.URL
	Keyring openpgp.EntityList // nil: the embedded one
	Now     time.Time          // for expiry of keys and index
	client  client
}

// NewArchive returns the archive at that address, verified with the embedded keys.
func NewArchive(mirror *url.URL, now time.Time) *Archive {
	return &Archive{Mirror: mirror, Now: now, client: newClient(stallBound)}
}

// mainComponent is the part of the archive that everything but firmware comes from.
const mainComponent = "main"

// Index fetches and verifies the package lists of main in a suite (a codename), and
// of the components named beside it.
func (a *Archive) Index(ctx context.Context, suite, arch string, components ...string) (*Index, error) {
	ix, err := a.index(ctx, suite, arch, append([]string{mainComponent}, components...))
	if err != nil {
		return nil, fmt.Errorf("index of %s at %s: %w", suite, a.Mirror.Redacted(), err)
	}
	return ix, nil
}

func (a *Archive) index(ctx context.Context, suite, arch string, components []string) (*Index, error) {
	keys := a.Keyring
	if keys == nil {
		var err error
		if keys, err = Keyring(); err != nil {
			return nil, err
		}
	}
	b, err := a.client.fetch(ctx, a.Mirror, "dists/"+suite+"/InRelease", maxRelease)
	if err != nil {
		return nil, err
	}
	rel, err := verifyRelease(b, keys, suite, a.Now)
	if err != nil {
		return nil, err
	}
	ix := newIndex(suite, arch)
	for _, c := range components {
		r, err := a.packages(ctx, suite, rel, c+"/binary-"+arch+"/Packages")
		if err != nil {
			return nil, err
		}
		if err := ix.add(r); err != nil {
			return nil, err
		}
	}
	return ix, ix.provides()
}

// packages fetches one package list, in whichever compression the mirror keeps.
func (a *Archive) packages(ctx context.Context, suite string, rel *release, plain string) (io.Reader, error) {
	var last error
	for _, ending := range []string{".xz", ".gz", ""} {
		f, ok := rel.files[plain+ending]
		if !ok || f.size > maxPacked {
			continue
		}
		b, err := a.indexFile(ctx, suite, rel, plain+ending, f)
		if errors.Is(err, errNotFound) {
			last = err // signed, but this mirror keeps another compression
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := unpack(b, ending)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", plain+ending, err)
		}
		return &limitReader{r: r, left: maxIndex}, nil
	}
	if last != nil {
		return nil, last
	}
	return nil, fmt.Errorf("the signed index lists no %s", plain)
}

// indexFile fetches one index by its digest where the archive offers that, so
// that a mirror in the middle of an update still gives a matching pair.
func (a *Archive) indexFile(ctx context.Context, suite string, rel *release, name string, f indexFile) ([]byte, error) {
	dir := "dists/" + suite + "/"
	paths := []string{dir + name}
	if rel.byHash {
		at := bytes.LastIndexByte([]byte(name), '/')
		paths = []string{dir + name[:at] + "/by-hash/SHA256/" + f.sha256, dir + name}
	}
	var err error
	for _, p := range paths {
		var b []byte
		b, err = a.client.fetch(ctx, a.Mirror, p, f.size)
		if errors.Is(err, errNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != f.sha256 {
			return nil, fmt.Errorf("%s does not have the digest the signed index states: the mirror is being updated or broken; try again in some minutes", p)
		}
		return b, nil
	}
	return nil, err
}

func unpack(b []byte, ending string) (io.Reader, error) {
	switch ending {
	case ".xz":
		return xz.NewReader(bytes.NewReader(b))
	case ".gz":
		return gzip.NewReader(bytes.NewReader(b))
	}
	return bytes.NewReader(b), nil
}
