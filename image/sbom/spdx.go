package sbom

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx/v2/common"
	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"trunkline/image/inventory"
)

// created stands where SPDX wants a time (SPDX 2.3, 6.9): the one all files of an
// image have.
const created = "2025-01-01T00:00:00Z"

// SPDX is the bill of material as SPDX 2.3 JSON.
func SPDX(s Subject, v *inventory.Inventory) ([]byte, error) {
	d := &spdxDocument{suite: v.Suite, refs: references{}, texts: map[string]*v2_3.OtherLicense{}}
	d.doc = v2_3.Document{
		SPDXVersion: v2_3.Version, DataLicense: v2_3.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName: s.Name, DocumentNamespace: s.identifier("spdx"),
		CreationInfo: &v2_3.CreationInfo{
			Creators:       []common.Creator{{CreatorType: "Tool", Creator: "trunkline-" + s.Trunkline}},
			Created:        created,
			CreatorComment: "The time is a fixed one: the same image gives the same document.",
		},
	}
	image := d.add("Image", s.Name, &v2_3.Package{
		PackageName: s.Name, PackageVersion: s.Digest, PackageFileName: s.File, PackageChecksums: checksum(s.SHA256),
		PackageLicenseDeclared: "NOASSERTION", PrimaryPackagePurpose: "OPERATING-SYSTEM",
	})
	d.relate("DOCUMENT", common.TypeRelationshipDescribe, image)
	for _, p := range v.Packages {
		d.relate(image, common.TypeRelationshipContains, d.debian(p))
	}
	programs := make([]common.ElementID, len(v.Programs))
	for i, p := range v.Programs {
		programs[i] = d.add("Program", p.Path, &v2_3.Package{
			PackageName: p.Path, PackageVersion: s.Trunkline, PackageFileName: "/" + p.Path, PackageChecksums: checksum(p.SHA256),
			PackageLicenseDeclared: license, PrimaryPackagePurpose: "APPLICATION",
		})
		d.relate(image, common.TypeRelationshipContains, programs[i])
	}
	list, in := modules(v)
	for i, m := range list {
		id := d.add("Go", m.Path+"-"+m.Version, &v2_3.Package{
			PackageName: m.Path, PackageVersion: m.Version, PackageLicenseDeclared: "NOASSERTION",
			PrimaryPackagePurpose: "LIBRARY", PackageExternalReferences: purl(moduleURL(m)),
		})
		for _, program := range in[i] {
			d.relate(programs[program], common.TypeRelationshipStaticLink, id)
		}
	}
	for _, ref := range slices.Sorted(maps.Keys(d.texts)) {
		d.doc.OtherLicenses = append(d.doc.OtherLicenses, d.texts[ref])
	}
	var b bytes.Buffer
	if err := spdxjson.Write(&d.doc, &b, spdxjson.Indent(" "), spdxjson.EscapeHTML(false)); err != nil {
		return nil, fmt.Errorf("SPDX document: %w", err)
	}
	return b.Bytes(), nil
}

// spdxDocument is a document being made.
type spdxDocument struct {
	doc   v2_3.Document
	suite string
	refs  references
	texts map[string]*v2_3.OtherLicense
}

// debian adds a Debian package.
func (d *spdxDocument) debian(p inventory.Package) common.ElementID {
	declared := "NOASSERTION"
	if len(p.Licenses) > 0 {
		text, other := expression(p.Name, p.Licenses, d.refs)
		declared = text
		for ref, name := range other {
			d.texts[ref] = &v2_3.OtherLicense{
				LicenseIdentifier: ref, LicenseName: name,
				ExtractedText: fmt.Sprintf("The licence that /usr/share/doc/%s/copyright calls %q. The file is part of the image.", p.Name, name),
			}
		}
	}
	return d.add("Debian", p.Name, &v2_3.Package{
		PackageName: p.Name, PackageVersion: p.Version, PackageChecksums: checksum(p.SHA256),
		PackageFileName:   fmt.Sprintf("%s_%s_%s.deb", p.Name, withoutEpoch(p.Version), p.Architecture),
		PackageSupplier:   &common.Supplier{SupplierType: "Organization", Supplier: "Debian"},
		PackageSourceInfo: fmt.Sprintf("built from source package %s %s", p.Source, p.SourceVersion), PackageLicenseDeclared: declared,
		PackageExternalReferences: purl(DebianURL(p, d.suite)),
	})
}

// withoutEpoch is a version as file names have it (deb-version(7)).
func withoutEpoch(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		return rest
	}
	return version
}

// add fills in what all packages have and adds one.
func (d *spdxDocument) add(kind, name string, p *v2_3.Package) common.ElementID {
	p.PackageSPDXIdentifier = common.ElementID(d.refs.of(kind, name))
	p.PackageDownloadLocation = "NOASSERTION" // mirrors differ, contents do not
	p.PackageLicenseConcluded = "NOASSERTION"
	p.PackageCopyrightText = "NOASSERTION"
	d.doc.Packages = append(d.doc.Packages, p)
	return p.PackageSPDXIdentifier
}

func (d *spdxDocument) relate(a common.ElementID, how string, b common.ElementID) {
	d.doc.Relationships = append(d.doc.Relationships, &v2_3.Relationship{
		RefA: common.MakeDocElementID("", string(a)), Relationship: how, RefB: common.MakeDocElementID("", string(b)),
	})
}

func checksum(sha256 string) []common.Checksum {
	return []common.Checksum{{Algorithm: common.SHA256, Value: sha256}}
}

func purl(url string) []*v2_3.PackageExternalReference {
	return []*v2_3.PackageExternalReference{{
		Category: common.CategoryPackageManager, RefType: common.TypePackageManagerPURL, Locator: url,
	}}
}
