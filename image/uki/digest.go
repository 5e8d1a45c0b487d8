package uki

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
// before: with zeros for the digits. Left out, as Authenticode does it (Windows
// Authenticode Portable Executable Signature Format, "Calculating the PE Image
// Hash"), are the checksum, the entry of the certificate table and that table: the
// digest is the same before and after signing.
func Seal(raw []byte) (string, error) {
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
	digest := img.digest(at)
	copy(raw[at:], digest)
	sum := raw[img.optional+optChecksum:]
	le.PutUint32(sum, 0)
	var words wordSum
	words.add(raw)
	le.PutUint32(sum, uint32(words.fold())+uint32(len(raw)))
	return "sha256:" + digest, nil
}

// Digest returns the digest the image's command line names and the one it has; the
// two differ when it was changed after it was built. Both are empty when the
// command line names none.
func (p *Parsed) Digest() (named, computed string) {
	at, err := p.img.digits()
	if err != nil {
		return "", ""
	}
	return "sha256:" + string(p.img.raw[at:at+digestLength]), "sha256:" + p.img.digest(at)
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

// digest hashes the image with zeros at the digits, which must lie behind the
// headers.
func (img *image) digest(digits int) string {
	end := len(img.raw)
	if at, size := img.dataDirectory(dirSecurity); size != 0 && int64(at) <= int64(end) {
		end = int(at)
	}
	h := sha256.New()
	from := 0
	until := func(to, next int) { // hashes up to to and goes on at next
		if from < to && to <= end {
			h.Write(img.raw[from:to])
		}
		from = max(from, next)
	}
	checksum := img.optional + optChecksum
	until(checksum, checksum+4)
	if le.Uint32(img.raw[img.optional+optDirectoryCount:]) > dirSecurity {
		entry := img.optional + optionalFixed + dirSecurity*8
		until(entry, entry+8)
	}
	until(digits, digits+digestLength)
	h.Write([]byte(strings.Repeat("0", digestLength)))
	until(end, end)
	return hex.EncodeToString(h.Sum(nil))
}
