package imagetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"trunkline/image/initrd"
	"trunkline/image/secureboot"
	"trunkline/image/uki"
)

// Signed is a unified kernel image of an appliance in a version, with a digest and a
// signature, and a config layer with a file of so many bytes that do not compress; signer
// nil: it is not signed. It does not boot.
func Signed(name, version string, size int, signer *secureboot.Signer) ([]byte, error) {
	noise := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte([]byte(fmt.Sprintf("%32.32s", name)))).Read(noise) // never fails
	release := fmt.Sprintf("ID=trunkline\nIMAGE_ID=%s\nIMAGE_VERSION=%s\n", name, version)
	config, err := initrd.ConfigArchive([]initrd.File{{Path: "etc/noise", Data: noise}, {Path: "etc/os-release", Data: []byte(release)}})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := uki.Write(&b, uki.Parts{
		Stub: PE(".sdmagic"), Kernel: PE(".text"), Initrd: [][]byte{config},
		Cmdline: "quiet " + uki.DigestPlaceholder(), OSRelease: release,
	}); err != nil {
		return nil, err
	}
	if _, err := uki.Seal(b.Bytes(), nil); err != nil {
		return nil, err
	}
	if signer == nil {
		return b.Bytes(), nil
	}
	return signer.Sign(b.Bytes())
}
