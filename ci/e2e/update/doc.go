// Package update boots appliances from disks that outlive the machine, and looks at what
// becomes of new images: found good, or fallen back from, with calls through the appliance
// before and after, and whatever moment the power goes at.
//
// Moments are had from one update, whose writes QEMU logs (package writelog): of the disk from
// before and the log, each test of a power cut makes the disk that one would have left, and boots
// it. One cut is had by killing QEMU amid the transfer, for real.
//
// The machine sits behind a tap interface in a network namespace of the test's own. Needs
// root, QEMU, OVMF, mtools, gdisk and e2fsprogs. `make e2e-update` builds the image and sets what
// the tests ask for; TRUNKLINE_CUTS is how many power cuts there are, and `make powercut` has 20.
// As many machines run at once as go test runs tests in parallel: one for each CPU, and each takes
// one, as QEMU runs a guest without KVM on one thread.
package update
