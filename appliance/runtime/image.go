package runtime

import (
	"encoding/hex"
	"strings"
)

// ImageParameter is the kernel parameter by which an image tells the appliance
// that boots it the image's digest.
const ImageParameter = "trunkline.image"

// ImageDigest finds the digest of the booted image, "sha256:<hex>", in a kernel
// command line; empty when it names none. The build writes it there (package
// image/uki). Where Secure Boot is on, the command line is under the image's
// signature; where it is off, it is what the image says of itself.
func ImageDigest(cmdline string) string {
	for _, word := range strings.Fields(cmdline) {
		if digest, ok := strings.CutPrefix(word, ImageParameter+"="); ok && isDigest(digest) {
			return digest
		}
	}
	return ""
}

func isDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	b, err := hex.DecodeString(digits)
	return ok && err == nil && len(b) == 32
}
