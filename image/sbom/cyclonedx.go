package sbom

import (
	"bytes"
	"fmt"
	"slices"

	cdx "github.com/CycloneDX/cyclonedx-go"

	"trunkline/image/inventory"
)

// CycloneDX is the bill of material as CycloneDX 1.6 JSON.
func CycloneDX(s Subject, v *inventory.Inventory) ([]byte, error) {
	bom := cdx.NewBOM()
	bom.SerialNumber = s.identifier("cyclonedx")
	image := cdx.Component{
		BOMRef: "image", Type: cdx.ComponentTypeOS, Name: s.Name, Version: s.Digest, Hashes: hashes(s.SHA256),
		Properties: &[]cdx.Property{{Name: "trunkline:file", Value: s.File}, {Name: "trunkline:lock", Value: v.Lock}},
	}
	tools := []cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "trunkline", Version: s.Trunkline}}
	bom.Metadata = &cdx.Metadata{Tools: &cdx.ToolsChoice{Components: &tools}, Component: &image}

	var components []cdx.Component
	var contained []string
	refs := references{} // of licences alone: what components are called is up to us
	for _, p := range v.Packages {
		url := DebianURL(p, v.Suite)
		components = append(components, cdx.Component{
			BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: url, Hashes: hashes(p.SHA256),
			Supplier: &cdx.OrganizationalEntity{Name: "Debian"}, Licenses: licensesOf(p, refs),
			Properties: &[]cdx.Property{
				{Name: "trunkline:source", Value: p.Source}, {Name: "trunkline:source-version", Value: p.SourceVersion},
			},
		})
		contained = append(contained, url)
	}
	programs := make([]string, len(v.Programs))
	for i, p := range v.Programs {
		programs[i] = "program:" + p.Path
		components = append(components, cdx.Component{
			BOMRef: programs[i], Type: cdx.ComponentTypeApplication, Name: p.Path, Version: s.Trunkline, Hashes: hashes(p.SHA256),
			Licenses: &cdx.Licenses{{Expression: license}},
		})
	}
	contained = append(contained, programs...)
	links := make([][]string, len(programs))
	list, in := modules(v)
	for i, m := range list {
		url := moduleURL(m)
		components = append(components, cdx.Component{
			BOMRef: url, Type: cdx.ComponentTypeLibrary, Name: m.Path, Version: m.Version, PackageURL: url,
		})
		for _, program := range in[i] {
			links[program] = append(links[program], url)
		}
	}
	dependencies := []cdx.Dependency{{Ref: image.BOMRef, Dependencies: &contained}}
	for i, ref := range programs {
		slices.Sort(links[i])
		dependencies = append(dependencies, cdx.Dependency{Ref: ref, Dependencies: &links[i]})
	}
	bom.Components, bom.Dependencies = &components, &dependencies

	var b bytes.Buffer
	if err := cdx.NewBOMEncoder(&b, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fmt.Errorf("CycloneDX document: %w", err)
	}
	return b.Bytes(), nil
}

func hashes(sha256 string) *[]cdx.Hash {
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sha256}}
}

// licensesOf are a package's licences, nil when its copyright file does not say.
func licensesOf(p inventory.Package, refs references) *cdx.Licenses {
	if len(p.Licenses) == 0 {
		return nil
	}
	text, _ := expression(p.Name, p.Licenses, refs)
	return &cdx.Licenses{{Expression: text}}
}
