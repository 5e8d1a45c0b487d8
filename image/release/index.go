package release

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"trunkline/image/entry"
)

// FormatVersion is the version of an index that this code reads and writes.
const FormatVersion = 1

// Bounds, bytes.
const (
	MaxIndex = 64 << 10 // of an index
	MaxImage = 1 << 30  // of an image; those of Debian's full kernel are a tenth of it
)

// Index says which image of an appliance is the newest.
type Index struct {
	FormatVersion int    `json:"format_version"`
	Name          string `json:"name"`    // of the appliance
	Version       string `json:"version"` // of the image, as entry.CompareVersions orders them
	File          string `json:"file"`    // beside the index: NAME_VERSION.efi
	Size          int64  `json:"size"`    // of the file, bytes
	SHA256        string `json:"sha256"`  // of the file, lower-case hexadecimal
	Image         string `json:"image"`   // digest by which the image knows itself, "sha256:<hex>"
	Signer        string `json:"signer"`  // SHA-256 of the certificate (DER) that signed it, lower-case hexadecimal
}

// IndexFile is the name of an appliance's index.
func IndexFile(name string) string { return name + ".json" }

// ImageFile is the name of an image.
func ImageFile(name, version string) string { return entry.Good(name, version).File() }

// Encode renders the index, ending in a newline.
func (x Index) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(x, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("index of %s: %w", x.Name, err)
	}
	return append(b, '\n'), nil
}

// Decode reads an index. Fields it does not know are left alone; what it knows must be
// whole.
func Decode(b []byte) (Index, error) {
	var x Index
	if len(b) > MaxIndex {
		return x, fmt.Errorf("it has more than %d bytes", MaxIndex)
	}
	if err := json.Unmarshal(b, &x); err != nil {
		if bytes.HasPrefix(bytes.TrimSpace(b), []byte("<")) {
			return Index{}, errors.New("it is a web page, not an index")
		}
		return Index{}, fmt.Errorf("it is no index: %w", err)
	}
	if x.FormatVersion != FormatVersion {
		return Index{}, fmt.Errorf("it has format_version %d, and this program reads %d", x.FormatVersion, FormatVersion)
	}
	if err := x.check(); err != nil {
		return Index{}, err
	}
	return x, nil
}

var (
	validName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	validSum  = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// check says which field is not what it must be.
func (x Index) check() error {
	image, prefixed := strings.CutPrefix(x.Image, "sha256:")
	switch {
	case !validName.MatchString(x.Name):
		return fmt.Errorf("its name %q is not that of an appliance", x.Name)
	case entry.CheckVersion(x.Version) != nil:
		return fmt.Errorf("its %w", entry.CheckVersion(x.Version))
	case x.Version == entry.DefaultVersion:
		return fmt.Errorf("its version is %q, which is that of an image nobody gave one", x.Version)
	case x.File != ImageFile(x.Name, x.Version):
		return fmt.Errorf("its file is %q, and that of %s in version %s is %s", x.File, x.Name, x.Version, ImageFile(x.Name, x.Version))
	case x.Size <= 0 || x.Size > MaxImage:
		return fmt.Errorf("its size is %d, and images have 1 to %d bytes", x.Size, MaxImage)
	case !validSum.MatchString(x.SHA256), !prefixed || !validSum.MatchString(image), !validSum.MatchString(x.Signer):
		return errors.New("one of its digests (sha256, image, signer) is none")
	}
	return nil
}
