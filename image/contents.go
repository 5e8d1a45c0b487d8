package image

import (
	"errors"
	"fmt"
	"strings"

	"trunkline/image/debian"
	"trunkline/image/inventory"
	"trunkline/image/rootfs"
)

// takeInventory records what the base layer is made of.
func (b *builder) takeInventory(tree *rootfs.Tree, lock string) ([]byte, error) {
	v := inventory.Inventory{
		FormatVersion: inventory.FormatVersion, Profile: b.Profile,
		Suite: b.Lock.Suite, Architecture: b.Lock.Architecture, Lock: lock,
		Programs: []inventory.Program{inventory.ProgramOf("init", b.init.data), inventory.ProgramOf("usr/bin/sbcd", b.sbcd.data)},
	}
	for _, p := range b.packages {
		one, err := b.describe(p)
		if err != nil {
			return nil, fmt.Errorf("inventory: %w", err)
		}
		one.Licenses = licenses(tree, p.Name)
		v.Packages = append(v.Packages, one)
	}
	return inventory.Encode(&v)
}

// describe reads what the lock does not say out of a package.
func (b *builder) describe(p debian.Package) (inventory.Package, error) {
	deb, err := b.Store.Open(p)
	if err != nil {
		return inventory.Package{}, err
	}
	control, err := deb.Control()
	if err = errors.Join(err, deb.Close()); err != nil {
		return inventory.Package{}, err
	}
	source, version := sourceOf(p, control.Get("Source"))
	return inventory.Package{
		Name: p.Name, Version: p.Version, Architecture: control.Get("Architecture"),
		Source: source, SourceVersion: version, SHA256: p.SHA256, Size: p.Size,
	}, nil
}

// sourceOf reads the Source field, "name" or "name (version)": what it leaves out
// is the package's own (Debian Policy 5.6.1).
func sourceOf(p debian.Package, field string) (name, version string) {
	name, rest, _ := strings.Cut(field, " ")
	if name == "" {
		name = p.Name
	}
	version = strings.Trim(rest, " ()")
	if version == "" {
		version = p.Version
	}
	return name, version
}

// licenses are those the package's copyright file in the tree names. The directory
// may be a link to that of another package of the same source.
func licenses(tree *rootfs.Tree, name string) []string {
	n := tree.Get(tree.Resolve("usr/share/doc/" + name + "/copyright"))
	if n == nil || n.Kind != rootfs.Regular {
		return []string{}
	}
	return append([]string{}, inventory.Licenses(n.Data)...)
}
