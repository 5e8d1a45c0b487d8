// Package outputs holds what a build writes against the tools of others: fsck.erofs, sgdisk,
// fsck.vfat, sbverify, qemu-img, xorriso and systemd-analyze read a signed image in every
// format. Each of them is also shown one that was broken on purpose, and must say so:
// a tool that finds nothing wrong proves nothing until then.
//
// CI boots each format in passing, where another test boots an image anyway; all of them
// in a row, with a call through each, are booted by `make e2e-formats`.
package outputs
