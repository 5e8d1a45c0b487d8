// Package update boots appliances from disks that outlive the machine, and looks at what
// becomes of new images: found good, or fallen back from, with calls through the appliance
// before and after, and whatever moment the power goes at.
//
// The machine sits behind a tap interface in a network namespace of the test's own. Needs
// root, QEMU, OVMF, mtools, gdisk and e2fsprogs. `make e2e-update` builds the image and sets what the tests ask
// for; it takes minutes, so CI leaves it out (build tag update).
package update
