package ci

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// goPackage is what the tests need of `go list -json`.
type goPackage struct {
	ImportPath string
	Imports    []string
	Doc        string
	GoFiles    []string
}

// listPackages lists every package of the module.
func listPackages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,GoFiles", "trunkline/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	var pkgs []goPackage
	for {
		var p goPackage
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

// A rule says what the packages at or below `of` may import of this module:
// only what is at or below one of `may`. The first rule whose `of` matches
// applies, so the narrower ones come first. Third-party packages a layer must
// never see stand in `never`.
type rule struct {
	of    string
	may   []string
	never []string
}

var hclPath = "github.com/hashicorp/hcl"

var rules = []rule{
	{of: "appliance/runtime", may: nil, never: []string{hclPath}},
	{of: "appliance/spec", may: nil},
	{of: "appliance/sizing", may: []string{"appliance/spec"}},
	{of: "appliance/plan", may: []string{"appliance/spec", "appliance/sizing", "appliance/runtime", "policies"}},
	{of: "appliance/bake", may: []string{"appliance/plan", "appliance/spec", "appliance/sizing", "appliance/runtime", "policies"}},
	{of: "policies/firewall", may: []string{"policies/firewall", "appliance/runtime"}, never: []string{hclPath}},
	{of: "policies", may: []string{"policies", "appliance/spec", "appliance/sizing"}},
	{of: "image", may: []string{"image"}, never: []string{hclPath}},
	{of: "proxy", may: []string{"proxy", "appliance/runtime"}, never: []string{hclPath}},
	{of: "tools/init", may: []string{"tools/init", "image"}, never: []string{hclPath}},
	{of: "tools/sbcd", may: []string{"tools/sbcd", "proxy", "policies/firewall", "appliance/runtime"}, never: []string{hclPath}},
	{of: "tools/report", may: []string{"tools/report", "appliance", "policies"}},
	{of: "tools", may: []string{"tools", "appliance", "policies", "image"}},
	{of: "ci", may: []string{"ci", "appliance", "policies", "image"}},
}

func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

func TestLayering(t *testing.T) {
	pkgs := listPackages(t)
	if len(pkgs) < 10 {
		t.Fatalf("go list found only %d packages", len(pkgs))
	}
	for _, p := range pkgs {
		path := strings.TrimPrefix(p.ImportPath, "trunkline/")
		i := slices.IndexFunc(rules, func(r rule) bool { return under(path, r.of) })
		if i < 0 {
			t.Errorf("%s lies in no layer: add a rule to ci/layering_test.go and a row to ARCHITECTURE.md", path)
			continue
		}
		r := rules[i]
		for _, imp := range p.Imports {
			if ours, ok := strings.CutPrefix(imp, "trunkline/"); ok {
				if !slices.ContainsFunc(r.may, func(m string) bool { return under(ours, m) }) {
					t.Errorf("%s imports %s: its layer (%s) may import only %v", path, ours, r.of, r.may)
				}
			}
			if slices.ContainsFunc(r.never, func(n string) bool { return under(imp, n) || strings.HasPrefix(imp, n+"/") }) {
				t.Errorf("%s imports %s, which its layer (%s) must never see", path, imp, r.of)
			}
		}
	}
}

// appliance/runtime is in everything that runs inside the image.
func TestRuntimeImportsTheStandardLibraryAlone(t *testing.T) {
	for _, p := range listPackages(t) {
		if p.ImportPath != "trunkline/appliance/runtime" {
			continue
		}
		for _, imp := range p.Imports {
			if first, _, _ := strings.Cut(imp, "/"); strings.Contains(first, ".") || first == "trunkline" {
				t.Errorf("appliance/runtime imports %s", imp)
			}
		}
		return
	}
	t.Fatal("appliance/runtime not found")
}

func TestEveryPackageSaysWhatItPromises(t *testing.T) {
	for _, p := range listPackages(t) {
		if len(p.GoFiles) > 0 && len(p.Doc) < 40 {
			t.Errorf("%s: package doc is missing or too short: %q", p.ImportPath, p.Doc)
		}
	}
}
