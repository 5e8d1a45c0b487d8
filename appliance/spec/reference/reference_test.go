package reference

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/santhosh-tekuri/jsonschema/v6"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"trunkline/appliance/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is stale: run `go generate ./appliance/spec/...` and `go test ./appliance/spec/reference -update`, and read the difference", name)
	}
}

func schema(t *testing.T) []byte {
	t.Helper()
	b, err := JSONSchema()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestNothingIsStale(t *testing.T) {
	golden(t, "../REFERENCE.md", Markdown())
	golden(t, "testdata/spec.schema.json", schema(t))
}

// Every attribute and block of this version is in the reference.
func TestTheReferenceIsComplete(t *testing.T) {
	text := string(Markdown())
	var walk func(b spec.Block, path string)
	walk = func(b spec.Block, path string) {
		if path != "" && !strings.Contains(text, "# "+path+"\n") {
			t.Errorf("no section %q", path)
		}
		for _, a := range b.Attrs {
			if !strings.Contains(text, fmt.Sprintf("| `%s` | %s |", a.Name, a.Kind)) {
				t.Errorf("%s has no row for %s", path, a.Name)
			}
		}
		for _, inner := range b.Blocks {
			walk(inner, strings.TrimPrefix(path+" / "+inner.Type, " / "))
		}
	}
	walk(spec.Language(), "")
	for _, f := range spec.Functions() {
		if !strings.Contains(text, "`"+f.Name+"(") {
			t.Errorf("no function %s", f.Name)
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 6 && strings.Contains(line, "**required**") {
			t.Errorf("a row with another number of cells: %s", line)
		}
	}
}

// The example of a dynamic block is one that works.
func TestDynamicExample(t *testing.T) {
	fsys := fstest.MapFS{"dynamic.hcl": {Data: []byte(`variable "carriers" {
  default = { a = { address = "127.0.0.2", sources = ["127.0.0.0/8"] } }
}
` + dynamicExample)}}
	for _, name := range []string{"core.hcl", "edge.hcl", "carriers.csv"} {
		b, err := os.ReadFile(filepath.Join("../../examples/edge-fra1", name))
		if err != nil {
			t.Fatal(err)
		}
		fsys[name] = &fstest.MapFile{Data: b}
	}
	s, diags, _ := spec.LoadFS(fsys, "", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if len(s.Listeners) != 3 {
		t.Errorf("%d listeners", len(s.Listeners))
	}
}

// jsonForm is a body in the JSON form of HCL.
func jsonForm(t *testing.T, src []byte, body *hclsyntax.Body, out map[string]any) {
	t.Helper()
	for name, a := range body.Attributes {
		v, diags := a.Expr.Value(nil)
		if diags.HasErrors() {
			out[name] = "${" + string(a.Expr.Range().SliceBytes(src)) + "}"
			continue
		}
		b, err := ctyjson.SimpleJSONValue{Value: v}.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := json.Unmarshal(b, &value); err != nil {
			t.Fatal(err)
		}
		out[name] = value
	}
	for _, b := range body.Blocks {
		content := map[string]any{}
		jsonForm(t, src, b.Body, content)
		if len(b.Labels) == 0 {
			out[b.Type] = content
			continue
		}
		named, ok := out[b.Type].(map[string]any)
		if !ok {
			named = map[string]any{}
			out[b.Type] = named
		}
		named[b.Labels[0]] = content
	}
}

// specAsJSON gives a spec directory in the JSON form.
func specAsJSON(t *testing.T, dir string) map[string]any {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.hcl"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no spec: %v", dir, err)
	}
	out := map[string]any{}
	for _, name := range names {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, diags := hclsyntax.ParseConfig(src, name, hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		jsonForm(t, src, f.Body.(*hclsyntax.Body), out)
	}
	return out
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema(t)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("spec.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("spec.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What the loader takes, the schema takes.
func TestGoodSpecsFollowTheSchema(t *testing.T) {
	s := compile(t)
	dirs, err := filepath.Glob("../testdata/good/*")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../examples/*")
	if err != nil || len(dirs) < 3 || len(more) == 0 {
		t.Fatalf("%d and %d specs: %v", len(dirs), len(more), err)
	}
	for _, dir := range append(dirs, more...) {
		if err := s.Validate(specAsJSON(t, dir)); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// One mistake each in a good spec.
func TestWrongSpecsDoNot(t *testing.T) {
	s := compile(t)
	at := func(doc map[string]any, path ...string) map[string]any {
		for _, p := range path {
			doc = doc[p].(map[string]any)
		}
		return doc
	}
	for name, change := range map[string]func(map[string]any){
		"no version":        func(d map[string]any) { delete(d, "format_version") },
		"another version":   func(d map[string]any) { d["format_version"] = 2.0 },
		"unknown block":     func(d map[string]any) { d["listen"] = map[string]any{} },
		"choice of media":   func(d map[string]any) { d["media"] = map[string]any{"on_fail": "ignore"} },
		"unknown attribute": func(d map[string]any) { at(d, "workload")["cpss"] = 1.0 },
		"missing":           func(d map[string]any) { delete(at(d, "workload"), "cps") },
		"no hardware":       func(d map[string]any) { delete(d, "hardware") },
		"too small":         func(d map[string]any) { at(d, "workload")["cps"] = 0.0 },
		"too large":         func(d map[string]any) { at(d, "listener", "core")["port"] = 65536.0 },
		"a fraction":        func(d map[string]any) { at(d, "workload")["cps"] = 1.5 },
		"no unit":           func(d map[string]any) { at(d, "workload")["call_duration"] = "60" },
		"a number":          func(d map[string]any) { at(d, "workload")["call_duration"] = 60.0 },
		"size unit":         func(d map[string]any) { at(d, "hardware")["memory"] = "4GB" },
		"choice":            func(d map[string]any) { at(d, "dispatcher", "core")["algorithm"] = "hash-call" },
		"ratio":             func(d map[string]any) { at(d, "state")["high_water"] = 1.1 },
		"auto":              func(d map[string]any) { at(d, "listener", "core")["workers"] = "automatic" },
		"code":              func(d map[string]any) { at(d, "dispatcher", "core", "failover")["on"] = []any{"7xx"} },
		"text for a list":   func(d map[string]any) { at(d, "listener", "core")["sources"] = "10.0.0.0/24" },
		"name":              func(d map[string]any) { at(d, "listener")["a b"] = at(d, "listener", "core") },
	} {
		doc := specAsJSON(t, "../../examples/edge-fra1")
		change(doc)
		if s.Validate(doc) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
