package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
)

// modulePath is what the import paths of the module begin with.
const modulePath = "trunkline"

// findModule returns the root of the module that dir is in.
func findModule(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod here or above: run the command in the repository")
		}
		dir = up
	}
}

// enumerated are the properties whose values are the text constants of one package
// that begin with a word.
var enumerated = []struct{ def, property, pkg, prefix string }{
	{"Finding", "severity", "appliance/sizing", "Severity"},
	{"Ceiling", "axis", "appliance/sizing", "Axis"},
	{"Waiver", "state", "policies/checks", "Waiver"},
}

// versioned are the definitions that carry the version of their format.
var versioned = map[string]int{
	"Plan":      plan.FormatVersion,
	"Fleet":     plan.FormatVersion,
	"Appliance": runtime.FormatVersion,
}

// constrain adds what the types themselves do not say: format versions, and the
// values a property may have.
func constrain(defs jsonschema.Definitions, module string) error {
	for name, version := range versioned {
		p, err := property(defs, name, "format_version")
		if err != nil {
			return err
		}
		p.Const = version
	}
	for _, e := range enumerated {
		p, err := property(defs, e.def, e.property)
		if err != nil {
			return err
		}
		values, err := constants(filepath.Join(module, filepath.FromSlash(e.pkg)), e.prefix)
		if err != nil {
			return err
		}
		if len(values) == 0 {
			return fmt.Errorf("%s has no constants %s*: correct the list of enumerated properties", e.pkg, e.prefix)
		}
		for _, v := range values {
			p.Enum = append(p.Enum, v)
		}
	}
	return nil
}

func property(defs jsonschema.Definitions, def, name string) (*jsonschema.Schema, error) {
	if d := defs[def]; d != nil && d.Properties != nil {
		if p, ok := d.Properties.Get(name); ok {
			return p, nil
		}
	}
	return nil, fmt.Errorf("a plan has no %s.%s any more: correct what constrains it", def, name)
}

// constants lists the exported text constants of the package in dir that begin with
// prefix, in the order of files and lines.
func constants(dir, prefix string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var out []string
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, s := range g.Specs {
				v := s.(*ast.ValueSpec)
				for i, id := range v.Names {
					if !strings.HasPrefix(id.Name, prefix) || i >= len(v.Values) {
						continue
					}
					lit, ok := v.Values[i].(*ast.BasicLit)
					if !ok || lit.Kind != token.STRING {
						continue
					}
					text, err := strconv.Unquote(lit.Value)
					if err != nil {
						return nil, err
					}
					out = append(out, text)
				}
			}
		}
	}
	return out, nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
