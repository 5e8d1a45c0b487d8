// Package bake turns a plan into the files of the config layer: everything that
// makes one appliance differ from another that runs the same base layer. It is a
// pure function; writing the files anywhere is the caller's business.
package bake

import "io/fs"

// File is one file of the config layer. Parent directories are implied (0755,
// root:root). Owner is always root.
type File struct {
	Path string      // relative to the root, slash separated, clean: "etc/trunkline/appliance.json"
	Mode fs.FileMode // permission bits; 0644 for data
	Data []byte
	Link string // when set: a symbolic link to Link; Mode and Data unused
}
