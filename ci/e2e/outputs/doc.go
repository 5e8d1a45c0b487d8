// Package outputs holds what a build writes against the tools of others: fsck.erofs, sgdisk,
// fsck.vfat, sbverify, qemu-img, xorriso and systemd-analyze read a signed image in every
// format. Each of them is also shown one that was broken on purpose, and must say so:
// a tool that finds nothing wrong proves nothing until then.
//
// The formats that CI's other boots do not cover are booted by TestFormatsBoot.
package outputs
