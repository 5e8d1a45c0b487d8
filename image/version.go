package image

import (
	"fmt"

	"trunkline/image/rootfs"
)

// osRelease is the identity of the image (os-release(5)): the system's, and which
// appliance and version it is. systemd-boot orders the images on a disk by the last two,
// and updates go by them.
func (b *builder) osRelease() string {
	return rootfs.OSRelease() + fmt.Sprintf("IMAGE_ID=%s\nIMAGE_VERSION=%s\n", b.Name, b.Version)
}

// release is that identity as a file of the config layer: the root image is the same for
// all appliances.
func (b *builder) release() File { return File{Path: "etc/os-release", Data: []byte(b.osRelease())} }
