// Package inventory is the record an image carries of what its base layer is made
// of: every Debian package, and every program of ours with the modules compiled
// into it. It lies in the root image, so that whoever has an image, or a signature
// on it, has the record too, and beside the base layer, so that bills of material
// need not unpack an image.
//
// What is promised: the record says nothing about when or where the image was
// built; equal inputs give equal bytes; a record of another format version is an
// error. Digests are lower-case hexadecimal SHA-256, sizes bytes.
package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// FormatVersion is the version of the record this code reads and writes.
const FormatVersion = 1

// Path is where the record lies in the root image.
const Path = "usr/lib/trunkline/inventory.json"

// Inventory is what a base layer is made of.
type Inventory struct {
	FormatVersion int       `json:"format_version"`
	Profile       string    `json:"profile"`
	Suite         string    `json:"suite"` // codename of the Debian release
	Architecture  string    `json:"architecture"`
	Lock          string    `json:"lock"`     // digest of the lock file, "sha256:<hex>"
	Packages      []Package `json:"packages"` // sorted by name
	Programs      []Program `json:"programs"` // sorted by path
}

// Package is one Debian package whose files went into the image.
type Package struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Architecture  string `json:"architecture"` // as its control file has it; "all" too
	Source        string `json:"source"`       // source package it was built from
	SourceVersion string `json:"source_version"`
	SHA256        string `json:"sha256"` // of the .deb
	Size          int64  `json:"size"`
	// Licenses are the licences its copyright file names, in the short names of
	// the machine-readable format, sorted; empty: the file has another format.
	Licenses []string `json:"licenses"`
}

// Program is one executable of ours.
type Program struct {
	Path    string   `json:"path"` // "usr/bin/sbcd" in the root image, "init" in the initrd
	SHA256  string   `json:"sha256"`
	Go      string   `json:"go"`      // version of Go it was built with; empty: it does not say
	Modules []Module `json:"modules"` // compiled in, sorted by path
}

// Module is a Go module compiled into a program.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Sum     string `json:"sum"` // as in go.sum: "h1:<base64>"
}

// Encode renders the record: indented, ending in a newline.
func Encode(v *Inventory) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	return append(b, '\n'), nil
}

// Decode parses a record.
func Decode(b []byte) (*Inventory, error) {
	var head struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not an inventory of an image: %w", err)
	}
	if head.FormatVersion != FormatVersion {
		return nil, fmt.Errorf("the image's inventory has format_version %d, this version of Trunkline reads %d: use the version that built the image", head.FormatVersion, FormatVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var v Inventory
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	return &v, nil
}
