// Package rootfs turns locked Debian packages and Trunkline's own files into the
// root image of an appliance: a tree in memory, then a read-only erofs.
//
// What is promised:
//
//   - No maintainer script runs. What the scripts of these packages would do is
//     done here: merged-/usr links, accounts (sysusers.d), enabled units
//     ([Install]), the CA bundle, the /etc part of tmpfiles.d.
//   - Two packages with one path are an error that names both, never a silent
//     choice. Device nodes, absolute or climbing paths are refused.
//   - Nothing to log in with: only the programs of a list stay in /usr/bin and
//     /usr/sbin, no generators, no getty, no password, no set-id bits.
//   - The same packages and programs give the same bytes. Everything belongs to
//     root, every time stamp is [Epoch].
//
// Paths of a [Tree] are relative, clean and slash separated ("usr/bin/sbcd").
// Formats followed: sysusers.d(5), tmpfiles.d(5), systemd.unit(5), os-release(5).
package rootfs
