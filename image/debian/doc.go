// Package debian reads a Debian archive: it finds a mirror, verifies the signed
// index, resolves package names to a closed set of exact versions, keeps them in
// a lock file and a content-addressed store, and reads .deb files. It needs no
// apt, dpkg, root or chroot.
//
// What is promised: nothing reaches a caller that does not descend from a
// signature made by the keyring (index) or from the SHA-256 in a lock file
// (packages). The same index and profile give the same lock, byte for byte. The
// store holds whole, verified files only; an interrupted download leaves nothing
// under a final name. With every package in the store no network is used.
//
// Sizes are bytes, digests lower-case hexadecimal SHA-256. Waiting functions end
// when their context does. Errors a caller may want to tell apart have types:
// [MissingError], [NotCachedError], [CorruptError], [ResolveError].
//
// Rules followed: Debian Policy 5 (control files), 5.6.12 (versions) and 7
// (relationships); deb(5); deb822(5); sources.list(5); the repository format of
// wiki.debian.org/DebianRepository/Format.
package debian
