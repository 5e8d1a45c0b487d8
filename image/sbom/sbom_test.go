package sbom

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"trunkline/image/inventory"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func subject() Subject {
	return Subject{
		Name: "edge-fra1", File: "edge-fra1.efi", SHA256: strings.Repeat("a", 64), Digest: "sha256:" + strings.Repeat("b", 64), Trunkline: "v1.2",
	}
}

func testInventory() *inventory.Inventory {
	sys := inventory.Module{Path: "golang.org/x/sys", Version: "v0.49.0", Sum: "h1:x"}
	return &inventory.Inventory{
		FormatVersion: inventory.FormatVersion, Profile: "vm", Suite: "trixie", Architecture: "amd64", Lock: "sha256:" + strings.Repeat("c", 64),
		Packages: []inventory.Package{
			{Name: "base-files", Version: "13.8", Architecture: "amd64", Source: "base-files", SourceVersion: "13.8", SHA256: strings.Repeat("1", 64), Licenses: []string{}},
			{Name: "libstdc++6", Version: "14.2.0-19", Architecture: "amd64", Source: "gcc-14", SourceVersion: "14.2.0-19", SHA256: strings.Repeat("2", 64),
				Licenses: []string{"Expat", "GPL-3+ with GCC exception", "GPL-2+ or Artistic-1.0"}},
			{Name: "netbase", Version: "1:6.5", Architecture: "all", Source: "netbase", SourceVersion: "6.5+dfsg~1", SHA256: strings.Repeat("3", 64), Licenses: []string{"GPL-2"}},
		},
		Programs: []inventory.Program{
			{Path: "init", SHA256: strings.Repeat("4", 64), Go: "go1.26.0", Modules: []inventory.Module{sys}},
			{Path: "usr/bin/sbcd", SHA256: strings.Repeat("5", 64), Go: "go1.26.0", Modules: []inventory.Module{
				{Path: "github.com/ProtonMail/go-crypto", Version: "v1.5.2"}, sys, {Path: "gopkg.in/old", Version: "v2.0.0+incompatible"},
			}},
		},
	}
}

// golden compares with a golden file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("(-want +got); if that is meant, run go test ./image/sbom -update\n%s", d)
	}
}

func TestSPDX(t *testing.T) {
	b, err := SPDX(subject(), testInventory())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "edge-fra1.spdx.json", b)
	doc, err := spdxjson.Read(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := spdxlib.ValidateDocument(doc); err != nil {
		t.Error(err)
	}
	seen := map[string]bool{}
	for _, p := range doc.Packages {
		if seen[string(p.PackageSPDXIdentifier)] {
			t.Errorf("%s twice", p.PackageSPDXIdentifier)
		}
		seen[string(p.PackageSPDXIdentifier)] = true
	}
	// 1 image, 3 packages, 2 programs, the standard library and 3 modules, one of
	// them in both programs.
	if len(doc.Packages) != 10 || len(doc.Relationships) != 1+3+2+2+1+2+1 {
		t.Errorf("%d packages, %d relationships", len(doc.Packages), len(doc.Relationships))
	}
	// Every reference an expression has for a licence of no list is explained.
	for _, p := range doc.Packages {
		for _, word := range strings.FieldsFunc(p.PackageLicenseDeclared, func(r rune) bool { return strings.ContainsRune(" ()", r) }) {
			if !strings.HasPrefix(word, "LicenseRef-") {
				continue
			}
			explained := false
			for _, o := range doc.OtherLicenses {
				explained = explained || o.LicenseIdentifier == word && o.ExtractedText != ""
			}
			if !explained {
				t.Errorf("%s is not explained", word)
			}
		}
	}
}

// schemaDir is where the CycloneDX module keeps the published schemas.
func schemaDir(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatalf("finding the CycloneDX module: %v", err)
	}
	return filepath.Join(strings.TrimSpace(string(out)), "schema")
}

func schemaFile(t *testing.T, name string) any {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(schemaDir(t), name))
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestCycloneDX(t *testing.T) {
	b, err := CycloneDX(subject(), testInventory())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "edge-fra1.cdx.json", b)

	const at = "http://cyclonedx.org/schema/"
	c := jsonschema.NewCompiler()
	for name, file := range map[string]string{
		"bom-1.6.schema.json": "bom-1.6.schema.json", "spdx.schema.json": "spdx.schema.json", "jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		if err := c.AddResource(at+name, schemaFile(t, file)); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := c.Compile(at + "bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("the schema of CycloneDX 1.6 refuses it: %v", err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(b), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{"image": true}
	for _, one := range *bom.Components {
		if refs[one.BOMRef] {
			t.Errorf("%s twice", one.BOMRef)
		}
		refs[one.BOMRef] = true
	}
	for _, d := range *bom.Dependencies {
		for _, to := range append([]string{d.Ref}, *d.Dependencies...) {
			if !refs[to] {
				t.Errorf("nothing is called %s", to)
			}
		}
	}
}

// The same image gives the same documents, another one other identifiers.
func TestIdentifiers(t *testing.T) {
	other := subject()
	other.SHA256 = strings.Repeat("f", 64)
	for name, make := range map[string]func(Subject, *inventory.Inventory) ([]byte, error){"SPDX": SPDX, "CycloneDX": CycloneDX} {
		a, errA := make(subject(), testInventory())
		b, errB := make(subject(), testInventory())
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: two documents of one image differ (%v, %v)", name, errA, errB)
		}
		c, err := make(other, testInventory())
		if err != nil {
			t.Fatal(err)
		}
		if x, y := identity(t, a), identity(t, c); x == y || !strings.HasPrefix(x, "urn:uuid:") {
			t.Errorf("%s: %s and %s", name, x, y)
		}
	}
}

func identity(t *testing.T, b []byte) string {
	t.Helper()
	var d struct{ DocumentNamespace, SerialNumber string }
	if err := json.Unmarshal(b, &d); err != nil {
		t.Fatal(err)
	}
	return d.DocumentNamespace + d.SerialNumber
}

func TestPackageURLs(t *testing.T) {
	for want, got := range map[string]string{
		"pkg:deb/debian/netbase@1:6.5?arch=all&distro=trixie":                DebianURL(inventory.Package{Name: "netbase", Version: "1:6.5", Architecture: "all"}, "trixie"),
		"pkg:deb/debian/libstdc%2B%2B6@14.2.0-19~1?arch=amd64&distro=trixie": DebianURL(inventory.Package{Name: "libstdc++6", Version: "14.2.0-19~1", Architecture: "amd64"}, "trixie"),
		"pkg:golang/golang.org/x/sys@v0.49.0":                                moduleURL(inventory.Module{Path: "golang.org/x/sys", Version: "v0.49.0"}),
		"pkg:golang/github.com/protonmail/go-crypto@v1.5.2":                  moduleURL(inventory.Module{Path: "github.com/ProtonMail/go-crypto", Version: "v1.5.2"}),
		"pkg:golang/stdlib@1.26.0":                                           moduleURL(inventory.Module{Path: "stdlib", Version: "1.26.0"}),
		"pkg:golang/gopkg.in/old@v2.0.0%2Bincompatible":                      moduleURL(inventory.Module{Path: "gopkg.in/old", Version: "v2.0.0+incompatible"}),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestExpression(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
		other []string
	}{
		{[]string{"GPL-2"}, "GPL-2.0-only", nil},
		{[]string{"GPL-2+", "LGPL-2.1+"}, "GPL-2.0-or-later AND LGPL-2.1-or-later", nil},
		{[]string{"GPL-2", "GPL-2.0-only"}, "GPL-2.0-only", nil},
		{[]string{"Expat"}, "MIT", nil},
		{[]string{"BSD-3-clause or GPL-2"}, "BSD-3-Clause OR GPL-2.0-only", nil},
		{[]string{"BSD-3-clause or GPL-2", "Expat"}, "(BSD-3-Clause OR GPL-2.0-only) AND MIT", nil},
		{[]string{"GPL-2 and Expat or ISC"}, "GPL-2.0-only AND MIT OR ISC", nil},
		{[]string{"public-domain"}, "LicenseRef-p-public-domain", []string{"public-domain"}},
		{[]string{"GPL-9"}, "LicenseRef-p-GPL-9", []string{"GPL-9"}},
		{[]string{"GPL-2+ with OpenSSL exception"}, "LicenseRef-p-GPL-2plus-with-OpenSSL-exception", []string{"GPL-2+ with OpenSSL exception"}},
		{[]string{"Expat, or GPL-2 and ISC"}, "LicenseRef-p-Expat--or-GPL-2-and-ISC", []string{"Expat, or GPL-2 and ISC"}},
		{[]string{"a b", "a-b"}, "LicenseRef-p-a-b AND LicenseRef-p-a-b-x", []string{"a b", "a-b"}},
	} {
		text, other := expression("p", c.names, references{})
		var names []string
		for _, n := range other {
			names = append(names, n)
		}
		slices.Sort(names)
		if text != c.want || !slices.Equal(names, c.other) {
			t.Errorf("%q: %q with %q, want %q with %q", c.names, text, names, c.want, c.other)
		}
	}
}

// Every identifier the table gives is one of the SPDX licence list.
func TestKnownLicenses(t *testing.T) {
	var list struct {
		Enum []string `json:"enum"`
	}
	b, err := os.ReadFile(filepath.Join(schemaDir(t), "spdx.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &list); err != nil || len(list.Enum) < 400 {
		t.Fatalf("%d identifiers, %v", len(list.Enum), err)
	}
	ids := map[string]string{}
	for name, id := range known {
		ids[name] = id
	}
	for family, versions := range gnuVersions {
		for _, v := range versions {
			for _, ending := range []string{"", "+"} {
				name := family + "-" + v + ending
				ids[name], _ = spdxID(name)
			}
		}
	}
	for name, id := range ids {
		if !slices.Contains(list.Enum, id) {
			t.Errorf("%s: SPDX has no %q", name, id)
		}
	}
}
