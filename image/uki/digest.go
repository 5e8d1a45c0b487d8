package uki

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// DigestParameter is the kernel parameter that tells a booted machine the digest
// of its image. The kernel takes the dot for a module's name and ignores it.
const DigestParameter = "trunkline.image"

const (
	digestPrefix = DigestParameter + "=sha256:"
	digestLength = 2 * sha256.Size // hexadecimal
)

// DigestPlaceholder goes into the command line of an image that Seal is to write
// the digest into.
func DigestPlaceholder() string { return digestPrefix + strings.Repeat("0", digestLength) }

// Seal writes the digest of a finished image into its command line, in place of
// DigestPlaceholder, and returns it: "sha256:<hex>".
//
// A file cannot hold its own digest, so this one is taken over the file as it was
// before: with zeros for the digits and for the signatures of PCR values (.pcrsig), which
// follow from the command line and so from the digest. Left out, as Authenticode does it (Windows
// Authenticode Portable Executable Signature Format, "Calculating the PE Image
// Hash"), are the checksum, the entry of the certificate table and that table: the
// digest is the same before and after signing. sum computes it; nil: crypto/sha256 does.
func Seal(raw []byte, sum Sum) (string, error) {
	if sum == nil {
		sum = plainSum
	}
	img, err := parse(raw)
	if err != nil {
		return "", fmt.Errorf("uki: %w", err)
	}
	at, err := img.digits()
	if err != nil {
		return "", fmt.Errorf("uki: %w", err)
	}
	if !bytes.Equal(raw[at:at+digestLength], []byte(strings.Repeat("0", digestLength))) {
		return "", errors.New("uki: the image has its digest already")
	}
	if address, size := img.dataDirectory(dirSecurity); address != 0 || size != 0 {
		return "", errors.New("uki: the image is signed: the digest goes into it before")
	}
	digest, err := img.digest(at, sum)
	if err != nil {
		return "", fmt.Errorf("uki: hashing the image: %w", err)
	}
	copy(raw[at:], digest)
	img.putChecksum()
	return "sha256:" + digest, nil
}

// putChecksum writes the PE checksum of the file as it is now.
func (img *image) putChecksum() {
	field := img.raw[img.optional+optChecksum:]
	le.PutUint32(field, 0)
	var words wordSum
	words.add(img.raw)
	le.PutUint32(field, uint32(words.fold())+uint32(len(img.raw)))
}

// pcrSignature is the section of the signatures of PCR values (UAPI.5).
const pcrSignature = ".pcrsig"

// SetPCRSignature fills in the signatures that Parts.PCRSignature left room for: as many
// bytes. It leaves the digest as it is.
func SetPCRSignature(raw, signature []byte) error {
	img, err := parse(raw)
	if err != nil {
		return fmt.Errorf("uki: %w", err)
	}
	h := img.section(pcrSignature)
	if h == nil {
		return fmt.Errorf("uki: no section %s in the image", pcrSignature)
	}
	room := img.contents(h)
	if len(room) != len(signature) {
		return fmt.Errorf("uki: signatures of PCR values have %d bytes, %s has room for %d", len(signature), pcrSignature, len(room))
	}
	copy(room, signature)
	img.putChecksum()
	return nil
}

// Digest returns the digest the image's command line names and the one it has; the
// two differ when it was changed after it was built. Both are empty when the
// command line names none.
func (p *Parsed) Digest() (named, computed string) {
	at, err := p.img.digits()
	if err != nil {
		return "", ""
	}
	named = "sha256:" + string(p.img.raw[at:at+digestLength])
	if computed, err = p.img.digest(at, plainSum); err != nil {
		return named, "damaged"
	}
	return named, "sha256:" + computed
}

// WithoutDigest is a command line with zeros for the image's digest, for those who
// compare what the digest follows from.
func WithoutDigest(cmdline []byte) []byte {
	at := bytes.Index(cmdline, []byte(digestPrefix))
	if at < 0 || len(cmdline) < at+len(DigestPlaceholder()) {
		return cmdline
	}
	out := bytes.Clone(cmdline)
	copy(out[at:], DigestPlaceholder())
	return out
}

// digits is where in the file the digits of the digest begin.
func (img *image) digits() (int, error) {
	h := img.section(".cmdline")
	if h == nil {
		return 0, errors.New("no command line in the image")
	}
	line := img.contents(h)
	at := bytes.Index(line, []byte(digestPrefix))
	if at < 0 || len(line) < at+len(digestPrefix)+digestLength || at > 0 && line[at-1] != ' ' {
		return 0, fmt.Errorf("no %s in the command line of the image", DigestParameter)
	}
	return int(h.rawOffset) + at + len(digestPrefix), nil
}

// Sum computes the SHA-256 of what it reads, or returns an error of the reader.
type Sum func(io.Reader) ([sha256.Size]byte, error)

func plainSum(r io.Reader) (sum [sha256.Size]byte, err error) {
	h := sha256.New()
	_, err = io.Copy(h, r)
	h.Sum(sum[:0])
	return sum, err
}

// digest hashes the image with zeros at the digits and in the signatures of PCR values,
// without what signing changes.
func (img *image) digest(digits int, by Sum) (string, error) {
	end := len(img.raw)
	if at, size := img.dataDirectory(dirSecurity); size != 0 && int64(at) <= int64(end) {
		end = int(at)
	}
	type part struct {
		at, length int
		instead    io.Reader
	}
	changed := []part{
		{img.optional + optChecksum, 4, nil},
		{digits, digestLength, strings.NewReader(strings.Repeat("0", digestLength))},
	}
	if le.Uint32(img.raw[img.optional+optDirectoryCount:]) > dirSecurity {
		changed = append(changed, part{img.optional + optionalFixed + dirSecurity*8, 8, nil})
	}
	if h := img.section(pcrSignature); h != nil {
		n := len(img.contents(h))
		changed = append(changed, part{int(h.rawOffset), n, bytes.NewReader(make([]byte, n))})
	}
	slices.SortFunc(changed, func(a, b part) int { return cmp.Compare(a.at, b.at) })

	var stream []io.Reader
	from := 0
	for _, c := range changed {
		if c.at < from || c.at+c.length > end {
			return "", errors.New("what the digest leaves out overlaps")
		}
		stream = append(stream, bytes.NewReader(img.raw[from:c.at]))
		if c.instead != nil {
			stream = append(stream, c.instead)
		}
		from = c.at + c.length
	}
	stream = append(stream, bytes.NewReader(img.raw[from:end]))
	sum, err := by(io.MultiReader(stream...))
	return hex.EncodeToString(sum[:]), err
}
