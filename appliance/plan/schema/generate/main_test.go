package main

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
)

var update = flag.Bool("update", false, "rewrite the schema")

func reflected(t *testing.T) *jsonschema.Schema {
	t.Helper()
	module, err := findModule(".")
	if err != nil {
		t.Fatal(err)
	}
	s, err := reflectSchema(module)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheSchemaIsThatOfTheTypes(t *testing.T) {
	got, err := render(reflected(t))
	if err != nil {
		t.Fatal(err)
	}
	const golden = "../plan.schema.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s is stale: run `go generate ./appliance/plan/schema`, and read the difference (-committed +types):\n%s", golden, d)
	}
}

// go generate runs the program one directory above the tests.
func TestTheDirectoryDoesNotMatter(t *testing.T) {
	want, err := render(reflected(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir("..")
	out := filepath.Join(t.TempDir(), "schema.json")
	if err := run(out, false); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || string(got) != string(want) {
		t.Errorf("%v: %s", err, cmp.Diff(string(want), string(got)))
	}
	if err := run("", false); err == nil || !strings.Contains(err.Error(), "-o") {
		t.Errorf("no file: %v", err)
	}
	t.Chdir(t.TempDir())
	if err := run(out, false); err == nil || !strings.Contains(err.Error(), "in the repository") {
		t.Errorf("outside the repository: %v", err)
	}
}

// What must be written is required, and nothing else is: as the tags say.
func TestRequiredAndNull(t *testing.T) {
	defs := reflected(t).Definitions
	p := defs["Plan"]
	for i := range reflect.TypeFor[plan.Plan]().NumField() {
		name, options, _ := strings.Cut(reflect.TypeFor[plan.Plan]().Field(i).Tag.Get("json"), ",")
		if got, want := slices.Contains(p.Required, name), options == ""; got != want {
			t.Errorf("required %s: %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"appliance", "budget"} {
		if prop, _ := p.Properties.Get(name); len(prop.OneOf) != 2 || prop.OneOf[1].Type != "null" {
			t.Errorf("%s cannot be null: %+v", name, prop)
		}
	}
	if prop, _ := defs["Dispatcher"].Properties.Get("probe"); prop.Ref == "" || len(prop.OneOf) > 0 {
		t.Errorf("a probe that is left out when there is none: %+v", prop)
	}
	if prop, ok := defs["Finding"].Properties.Get("Subject"); ok {
		t.Errorf("the range of a finding is no part of the JSON: %+v", prop)
	}
	for name, def := range defs {
		if def.AdditionalProperties != jsonschema.FalseSchema {
			t.Errorf("%s is open", name)
		}
	}
	if got, _ := defs["Finding"].Properties.Get("severity"); !slices.Contains(got.Enum, any(sizing.SeverityWaived)) || len(got.Enum) < 4 {
		t.Errorf("severities: %v", got.Enum)
	}
}

func TestScalars(t *testing.T) {
	for _, tt := range []struct {
		value any
		text  string
		wrong string
	}{
		{runtime.Duration(0), "0s", "0"},
		{runtime.Duration(90 * time.Second), "1m30s", "1m30"},
		{runtime.Duration(time.Hour + 1500*time.Microsecond), "1h0m0.0015s", "1h 1m"},
		{runtime.Duration(-20 * time.Microsecond), "-20µs", "µs"},
		{netip.MustParsePrefix("2001:db8::/32"), "2001:db8::/32", "2001:db8::"},
		{netip.MustParseAddr("::ffff:192.0.2.1"), "::ffff:192.0.2.1", "host"},
		{netip.MustParseAddr("fe80::1%wan"), "fe80::1%wan", "1"},
		{netip.MustParseAddrPort("192.0.2.1:5060"), "192.0.2.1:5060", "192.0.2.1"},
		{netip.MustParseAddrPort("[2001:db8::1]:5060"), "[2001:db8::1]:5060", "2001:db8::1:5060"},
	} {
		s := scalar(reflect.TypeOf(tt.value))
		if s == nil || s.Type != "string" {
			t.Errorf("%T is %+v", tt.value, s)
			continue
		}
		pattern := regexp.MustCompile(s.Pattern)
		if !pattern.MatchString(tt.text) {
			t.Errorf("%q does not match %s", tt.text, s.Pattern)
		}
		for _, wrong := range []string{"", "5", "x" + tt.text, tt.text + " ", tt.wrong} {
			if pattern.MatchString(wrong) {
				t.Errorf("%q matches %s", wrong, s.Pattern)
			}
		}
	}
	if s := scalar(reflect.TypeFor[uint64]()); s.Minimum != "0" {
		t.Errorf("uint64: %+v", s)
	}
	if s := scalar(reflect.TypeFor[plan.Plan]()); s != nil {
		t.Errorf("a plan is one value: %+v", s)
	}
}

// Named as a type of package runtime is.
type Listener struct{}

func TestTypesOfOneName(t *testing.T) {
	n := &namer{byType: map[reflect.Type]string{}, byName: map[string]reflect.Type{}}
	first, second := reflect.TypeFor[runtime.Listener](), reflect.TypeFor[Listener]()
	for range 2 {
		if got := n.name(first); got != "Listener" {
			t.Errorf("first: %s", got)
		}
		if got := n.name(second); got == "Listener" || !strings.HasSuffix(got, "Listener") {
			t.Errorf("second: %s", got)
		}
	}
}

func TestWhatIsNotThere(t *testing.T) {
	defs := jsonschema.Definitions{"Plan": {Properties: jsonschema.NewProperties()}}
	if err := constrain(defs, "."); err == nil || !strings.Contains(err.Error(), "correct what constrains it") {
		t.Errorf("constrain: %v", err)
	}
	dir := t.TempDir()
	src := "package p\n\nconst (\n\tAxisA = \"a\"\n\tAxisN = 1\n\tOther = \"b\"\n)\n\nconst AxisC, AxisD = `c`, \"d\"\n"
	if err := os.WriteFile(filepath.Join(dir, "p.go"), []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := constants(dir, "Axis")
	if err != nil || !slices.Equal(got, []string{"a", "c", "d"}) {
		t.Errorf("constants: %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "q.go"), []byte("package"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := constants(dir, "Axis"); err == nil {
		t.Error("a file that is no Go was read")
	}
}

func TestFlow(t *testing.T) {
	for in, want := range map[string]string{
		"":                        "",
		"one\ntwo":                "one two",
		"one\n\ttwo\n\nthree\n  ": "one two\n\nthree",
	} {
		if got := flow(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
