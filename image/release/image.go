package release

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"

	"trunkline/appliance/runtime"
	"trunkline/image/entry"
	"trunkline/image/secureboot"
	"trunkline/image/uki"
)

// Image is what a unified kernel image says of itself.
type Image struct {
	Name    string // IMAGE_ID: of the appliance
	Version string // IMAGE_VERSION
	Digest  string // "sha256:<hex>", computed and found to be the one it names
	// Signatures are those behind it; whom they are by counts where they hold.
	Signatures []secureboot.Signature
}

// ErrChanged is an image that is not the one that was built.
var ErrChanged = errors.New("it was changed after it was built")

// Read takes an image apart. raw must not change meanwhile.
func Read(raw []byte) (*Image, error) {
	p, err := uki.Parse(raw)
	if err != nil {
		return nil, err
	}
	release := p.Content(".osrel")
	if release == nil {
		return nil, errors.New("it has no .osrel section: it is a program for UEFI, not an image")
	}
	out := &Image{}
	out.Name, out.Version = runtime.ImageRelease(string(release))
	switch {
	case out.Name == "":
		return nil, errors.New("it does not say whose image it is, and of which version (IMAGE_ID and IMAGE_VERSION in .osrel): an older version of Trunkline built it; build it again")
	case !validName.MatchString(out.Name):
		return nil, fmt.Errorf("it is the image of %q, which is no name of an appliance", out.Name)
	case entry.CheckVersion(out.Version) != nil:
		return nil, fmt.Errorf("its %w", entry.CheckVersion(out.Version))
	}
	named, computed := p.Digest()
	if named == "" {
		return nil, errors.New("its command line names no digest: an older version of Trunkline built it; build it again")
	}
	if named != computed {
		return nil, fmt.Errorf("%w: it names itself %s, but is %s", ErrChanged, named, computed)
	}
	out.Digest = computed
	if out.Signatures, err = secureboot.Signatures(raw); err != nil {
		return nil, err
	}
	return out, nil
}

// Signer is the certificate of the image's signature. An image without one, and one whose
// signature does not hold, has none: the error says why.
func (i *Image) Signer() (*x509.Certificate, error) {
	var why error
	for _, s := range i.Signatures {
		if s.Err == nil {
			return s.Certificate, nil
		}
		why = fmt.Errorf("its signature, by %q, does not hold: %w", s.Certificate.Subject, s.Err)
	}
	if why == nil {
		why = errors.New("it is not signed")
	}
	return nil, why
}

// SignedBy checks that the image has a signature that holds by exactly this certificate:
// neither its issuer's nor another one of the same name or key will do.
func (i *Image) SignedBy(c *x509.Certificate) error {
	for _, s := range i.Signatures {
		if s.Err == nil && bytes.Equal(s.Certificate.Raw, c.Raw) {
			return nil
		}
	}
	other, err := i.Signer()
	if err != nil {
		return err
	}
	return fmt.Errorf("it is signed by another certificate: by %s, and not by %s", Describe(other), Describe(c))
}

// Fingerprint is the SHA-256 of a certificate, lower-case hexadecimal.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Describe names a certificate for people: its subject, and as much of its fingerprint as
// they compare.
func Describe(c *x509.Certificate) string {
	return fmt.Sprintf("%q (sha256:%.12s)", c.Subject, Fingerprint(c))
}
