package ci

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
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

// row is one package of the table in ARCHITECTURE.md.
type row struct {
	pkg string
	may []string // "dir/*" means at or below dir
}

var quoted = regexp.MustCompile("`([^`]+)`")

// readTable reads the package table of ARCHITECTURE.md.
func readTable(t *testing.T) []row {
	t.Helper()
	b, err := os.ReadFile("../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []row
	for line := range strings.Lines(string(b)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 || !strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			continue
		}
		r := row{pkg: quoted.FindStringSubmatch(cells[1])[1]}
		for _, m := range quoted.FindAllStringSubmatch(cells[3], -1) {
			r.may = append(r.may, m[1])
		}
		if len(r.may) == 0 && strings.TrimSpace(cells[3]) != "nothing" {
			t.Errorf("row %s names no packages and does not say `nothing`", r.pkg)
		}
		rows = append(rows, r)
	}
	return rows
}

func matches(path, pattern string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/*"); ok {
		return under(path, dir)
	}
	return path == pattern
}

func under(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// TestLayering holds the imports of every package to the table.
func TestLayering(t *testing.T) {
	rows := readTable(t)
	pkgs := listPackages(t)
	if len(pkgs) < 10 || len(rows) < 10 {
		t.Fatalf("found only %d packages and %d rows", len(pkgs), len(rows))
	}
	for _, p := range pkgs {
		path := strings.TrimPrefix(p.ImportPath, "trunkline/")
		i := slices.IndexFunc(rows, func(r row) bool { return r.pkg == path })
		if i < 0 {
			t.Errorf("%s has no row in ARCHITECTURE.md", path)
			continue
		}
		for _, imp := range p.Imports {
			ours, ok := strings.CutPrefix(imp, "trunkline/")
			if ok && !slices.ContainsFunc(rows[i].may, func(m string) bool { return matches(ours, m) }) {
				t.Errorf("%s imports %s: its row in ARCHITECTURE.md allows %v", path, ours, rows[i].may)
			}
		}
	}
	for _, r := range rows {
		if !slices.ContainsFunc(pkgs, func(p goPackage) bool { return p.ImportPath == "trunkline/"+r.pkg }) {
			t.Errorf("ARCHITECTURE.md has a row for %s, which does not exist", r.pkg)
		}
	}
}

// The spec language stays on the side of the compiler.
func TestNoHCLWhereItDoesNotBelong(t *testing.T) {
	for _, p := range listPackages(t) {
		path := strings.TrimPrefix(p.ImportPath, "trunkline/")
		for _, dir := range []string{"image", "proxy", "policies/firewall", "appliance/runtime", "tools/sbcd", "tools/init"} {
			if !under(path, dir) {
				continue
			}
			for _, imp := range p.Imports {
				if under(imp, "github.com/hashicorp/hcl") || under(imp, "github.com/zclconf/go-cty") {
					t.Errorf("%s imports %s", path, imp)
				}
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
