package plan

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fields lists the paths of all fields a type has in JSON, with their types.
func fields(at string, t reflect.Type, out *[]string) {
	for _, method := range []string{"UnmarshalText", "UnmarshalJSON"} {
		if _, ok := reflect.PointerTo(t).MethodByName(method); ok {
			*out = append(*out, at+" text")
			return
		}
	}
	switch t.Kind() {
	case reflect.Pointer:
		fields(at, t.Elem(), out)
	case reflect.Slice:
		fields(at+"[]", t.Elem(), out)
	case reflect.Struct:
		for i := range t.NumField() {
			name, rest, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			if name == "-" {
				continue
			}
			if rest == "omitempty" {
				name += "?"
			}
			fields(strings.TrimPrefix(at+"."+name, "."), t.Field(i).Type, out)
		}
	case reflect.Float64, reflect.Int, reflect.Uint64, reflect.Uint16, reflect.Int64:
		*out = append(*out, at+" number")
	default:
		*out = append(*out, at+" "+t.Kind().String())
	}
}

// The JSON of a plan is read by others: no field goes or changes unnoticed.
func TestFieldsAreThoseOfTheFormatVersion(t *testing.T) {
	var list []string
	fields("", reflect.TypeFor[Plan](), &list)
	slices.Sort(list)
	got := strings.Join(list, "\n") + "\n"
	const golden = "testdata/fields.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("the plan's JSON changed (-want +got). Fields were only added: go test ./appliance/plan -update. Otherwise raise FormatVersion too.\n%s", d)
	}
}

func TestNoListIsNull(t *testing.T) {
	s := example(t)
	s.Caches, s.Routes = nil, nil
	s.Dispatchers = s.Dispatchers[:1]
	s.Listeners[0].Sources = nil
	s.Dispatchers[0].Failover = spec.Failover{}
	b, err := Encode(mustMake(t, s))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasSuffix(strings.TrimRight(line, ",\n"), ": null") {
			t.Errorf("null: %s", strings.TrimSpace(line))
		}
	}
}

// A spec that is not valid has a document all the same.
func TestInvalid(t *testing.T) {
	_, diags, files := spec.Load("../spec/testdata/wrong/number-out-of-range", spec.Options{})
	b, err := Encode(Invalid(spec.NewReport(files, diags), Options{}))
	if err != nil {
		t.Fatal(err)
	}
	var p Plan
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if !p.Errored || p.Complete || p.FormatVersion != FormatVersion || p.Verdict != "No plan: the spec has 1 mistake." || len(p.Diagnostics) != 1 || p.Diagnostics[0].Range == nil {
		t.Errorf("%s", b)
	}
	if _, err := Decode(b); err == nil || !strings.Contains(err.Error(), "trunkline validate") {
		t.Errorf("Decode: %v", err)
	}
}
