package image

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"trunkline/image/debian"
	"trunkline/image/inventory"
	"trunkline/image/provenance"
	"trunkline/image/sbom"
)

// Endings of the names of what lies beside an image.
const (
	SPDXEnding       = ".spdx.json"
	CycloneDXEnding  = ".cdx.json"
	ProvenanceEnding = ".provenance.json"
)

// Source is one file the request was made from.
type Source struct {
	Name   string // as the user knows it, without a directory of this machine
	SHA256 string
}

// evidence writes the bills of material and the provenance. Outputs are there by
// then, and their digests in the result.
func (b *builder) evidence(ctx context.Context, base *layer, lock string) error {
	b.step("evidence")
	if err := ctx.Err(); err != nil {
		return err
	}
	inv, err := inventory.Decode(base.files[baseInventory])
	if err != nil {
		return fmt.Errorf("base layer: %w", err)
	}
	s := sbom.Subject{
		Name: b.Name, File: b.Name + ".efi", SHA256: b.result.UKI.SHA256, Digest: b.result.Digest, Trunkline: b.Trunkline,
	}
	for _, d := range []struct {
		ending string
		make   func(sbom.Subject, *inventory.Inventory) ([]byte, error)
	}{{SPDXEnding, sbom.SPDX}, {CycloneDXEnding, sbom.CycloneDX}} {
		text, err := d.make(s, inv)
		if err != nil {
			return err
		}
		if err := b.attach(d.ending, text); err != nil {
			return err
		}
	}
	text, err := provenance.Statement(b.origin(inv, lock))
	if err != nil {
		return err
	}
	return b.attach(ProvenanceEnding, text)
}

// attach writes a file beside the image.
func (b *builder) attach(ending string, text []byte) error {
	path := filepath.Join(b.OutDir, b.Name+ending)
	if err := writeWhole(path, text); err != nil {
		return fmt.Errorf("output: %w", err)
	}
	b.result.Evidence = append(b.result.Evidence, Output{Path: path, Size: int64(len(text)), SHA256: sum(text)})
	return nil
}

// origin is what went in and what came out.
func (b *builder) origin(inv *inventory.Inventory, lock string) provenance.Build {
	p := provenance.Build{
		Appliance: b.Name, Version: b.Version, Profile: b.Profile, Cmdline: b.Cmdline, Trunkline: b.Trunkline,
		Image: b.result.Digest, Base: b.result.Base.Digest,
	}
	for _, o := range append(b.result.Outputs(), b.result.Evidence...) {
		p.Subjects = append(p.Subjects, provenance.Artifact{Name: filepath.Base(o.Path), SHA256: o.SHA256})
	}
	for _, s := range b.Sources {
		p.Materials = append(p.Materials, provenance.Artifact{Name: s.Name, SHA256: s.SHA256})
	}
	p.Materials = append(p.Materials, provenance.Artifact{Name: debian.LockName, SHA256: strings.TrimPrefix(lock, "sha256:")})
	for _, one := range inv.Programs {
		p.Materials = append(p.Materials, provenance.Artifact{Name: filepath.Base(one.Path), SHA256: one.SHA256})
	}
	for _, one := range inv.Packages {
		p.Materials = append(p.Materials, provenance.Artifact{Name: one.Name, URI: sbom.DebianURL(one, inv.Suite), SHA256: one.SHA256})
	}
	return p
}
