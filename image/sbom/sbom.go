// Package sbom writes the bills of material of an image: every Debian package and
// every Go module in it, as SPDX 2.3 and as CycloneDX 1.6, both JSON.
//
// What is promised: what is listed comes from the inventory that the image itself
// carries. The same image gives the same bytes: no clock, no random number, no name
// of a machine; identifiers are derived from the image's digest, and the time SPDX
// asks for is a fixed one. A licence stands there only where the package's copyright
// file names it in machine-readable form; where it does not, SPDX has NOASSERTION and
// CycloneDX nothing.
//
// Documents are made by spdx/tools-golang and CycloneDX/cyclonedx-go, package URLs
// by package-url/packageurl-go.
package sbom

import (
	"crypto/sha256"
	"strings"

	"github.com/google/uuid"
	"github.com/package-url/packageurl-go"

	"trunkline/image/inventory"
)

// Subject is the image a bill of material is of.
type Subject struct {
	Name      string // of the appliance
	File      string // "edge-fra1.efi"
	SHA256    string // of that file
	Digest    string // of the image, "sha256:<hex>"
	Trunkline string // version that built it
}

// license is the one of Trunkline's own programs.
const license = "Apache-2.0"

// identifier derives a version 8 UUID (RFC 9562, 5.8) as a URN for one use.
func (s Subject) identifier(use string) string {
	sum := sha256.Sum256([]byte(s.Name + "\x00" + s.Digest + "\x00" + s.SHA256 + "\x00" + use))
	u := uuid.UUID(sum[:16])
	u[6] = u[6]&0x0f | 0x80
	u[8] = u[8]&0x3f | 0x80
	return u.URN()
}

// DebianURL is the package URL of a Debian package (purl-spec, type deb).
func DebianURL(p inventory.Package, suite string) string {
	q := packageurl.QualifiersFromMap(map[string]string{"arch": p.Architecture, "distro": suite})
	return packageurl.NewPackageURL(packageurl.TypeDebian, "debian", p.Name, p.Version, q, "").ToString()
}

// moduleURL is the package URL of a Go module (purl-spec, type golang: namespace and
// name in lower case).
func moduleURL(m inventory.Module) string {
	namespace, name := "", strings.ToLower(m.Path)
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		namespace, name = name[:i], name[i+1:]
	}
	return packageurl.NewPackageURL(packageurl.TypeGolang, namespace, name, m.Version, nil, "").ToString()
}

// modules are all modules of an inventory's programs, each once, with the indexes
// of the programs it is compiled into. The standard library counts as one, as
// scanners for vulnerabilities want it.
func modules(v *inventory.Inventory) (list []inventory.Module, in [][]int) {
	at := map[inventory.Module]int{}
	for i, p := range v.Programs {
		all := p.Modules
		if version, ok := strings.CutPrefix(p.Go, "go"); ok {
			all = append([]inventory.Module{{Path: "stdlib", Version: version}}, all...)
		}
		for _, m := range all {
			n, ok := at[m]
			if !ok {
				n = len(list)
				at[m] = n
				list, in = append(list, m), append(in, nil)
			}
			in[n] = append(in[n], i)
		}
	}
	return list, in
}

// reference makes an identifier of letters, digits, '.' and '-' out of a name, as
// SPDX wants them; names that differ give references that differ.
type references map[string]string // reference -> name

func (r references) of(kind, name string) string {
	var b strings.Builder
	b.WriteString(kind + "-")
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '-':
			b.WriteByte(c)
		case c == '+':
			b.WriteString("plus")
		default:
			b.WriteByte('-')
		}
	}
	ref := b.String()
	for r[ref] != "" && r[ref] != name {
		ref += "-x"
	}
	r[ref] = name
	return ref
}
