package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// The keywords below hold for the document as a whole.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc := parse(t, Plan())
	head := doc.(map[string]any)
	if head["$schema"] != "https://json-schema.org/draft/2020-12/schema" || head["$id"] != ID() {
		t.Errorf("head: %v, %v", head["$schema"], head["$id"])
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(ID(), doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(ID()) // the document against its metaschema, too
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func parse(t *testing.T, b []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// makePlan plans a valid spec; nil: it is not valid.
func makePlan(t *testing.T, s *spec.Spec) *plan.Plan {
	t.Helper()
	p, err := plan.Make(s, sizing.Size(s, nil), plan.Options{Version: "v0"})
	if err != nil {
		t.Fatalf("%s: %v", s.Appliance.Name, err)
	}
	return p
}

func encode(t *testing.T, p *plan.Plan) []byte {
	t.Helper()
	b, err := plan.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// directories lists the directories below root that hold files of a spec.
func directories(t *testing.T, root string) []string {
	t.Helper()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		files, err := filepath.Glob(filepath.Join(root, e.Name(), "*.hcl"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) > 0 {
			out = append(out, filepath.Join(root, e.Name()))
		}
	}
	if len(out) < 2 {
		t.Fatalf("%s holds %d specs", root, len(out))
	}
	return out
}

// Every plan satisfies the schema: of the examples, of good specs, of wrong ones,
// and of fleets.
func TestWhatPlansAre(t *testing.T) {
	s := compiled(t)
	plans, wrong, fleets, findings := 0, 0, 0, map[string]int{}
	check := func(name string, b []byte) {
		t.Helper()
		if err := s.Validate(parse(t, b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, root := range []string{"../../examples", "../../spec/testdata/good", "../../spec/testdata/wrong"} {
		for _, dir := range directories(t, root) {
			specs, diags, files := spec.LoadFleet(dir, spec.Options{})
			if diags.HasErrors() {
				check(dir, encode(t, plan.Invalid(spec.NewReport(files, diags), plan.Options{})))
				wrong++
				continue
			}
			var of []*plan.Plan
			for _, sp := range specs {
				p := makePlan(t, sp)
				of = append(of, p)
				for _, f := range p.Budget.Findings {
					findings[f.Severity]++
				}
				check(dir, encode(t, p))
				plans++
			}
			if len(of) > 1 {
				check(dir, writeFleet(t, NewFleet(of)))
				fleets++
			}
		}
	}
	if plans < 5 || wrong < 50 || fleets < 1 {
		t.Errorf("only %d plans, %d wrong specs, %d fleets were looked at", plans, wrong, fleets)
	}

	// Machines that are too small, and a waiver.
	for _, change := range []func(*spec.Spec){
		func(s *spec.Spec) { s.Hardware.Memory = 256 << 20 },
		func(s *spec.Spec) { s.Workload.CPS *= 100 },
		func(s *spec.Spec) { s.Firewall.Enabled = false },
		func(s *spec.Spec) { s.Waivers = []*spec.Waiver{{Rule: "firewall", Reason: "a test"}} },
	} {
		sp, diags, _ := spec.Load("../../examples/edge-fra1", spec.Options{})
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		change(sp)
		p := makePlan(t, sp)
		for _, f := range p.Budget.Findings {
			findings[f.Severity]++
		}
		check("changed example", encode(t, p))
	}
	if findings[sizing.SeverityError] == 0 || findings[sizing.SeverityWarning] == 0 {
		t.Errorf("no plan with both: %v", findings)
	}
}

// What is no plan, or one of another shape, does not satisfy it.
func TestWhatPlansAreNot(t *testing.T) {
	s := compiled(t)
	sp, diags, _ := spec.Load("../../examples/edge-fra1", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	good := encode(t, makePlan(t, sp))
	at := func(m map[string]any, path ...string) map[string]any {
		for _, name := range path {
			switch v := m[name].(type) {
			case map[string]any:
				m = v
			case []any:
				m = v[0].(map[string]any)
			default:
				t.Fatalf("nothing at %v", path)
			}
		}
		return m
	}
	for name, change := range map[string]func(map[string]any){
		"nothing changed":    func(map[string]any) {},
		"unknown field":      func(m map[string]any) { m["verdikt"] = "" },
		"unknown inside":     func(m map[string]any) { at(m, "budget", "calls")["values"] = json.Number("1") },
		"field missing":      func(m map[string]any) { delete(m, "verdict") },
		"missing inside":     func(m map[string]any) { delete(at(m, "appliance", "listeners"), "workers") },
		"number as text":     func(m map[string]any) { at(m, "budget", "calls")["value"] = "12" },
		"text as number":     func(m map[string]any) { m["spec_digest"] = json.Number("12") },
		"fraction":           func(m map[string]any) { at(m, "appliance", "listeners")["workers"] = json.Number("1.5") },
		"below zero":         func(m map[string]any) { at(m, "appliance", "state")["budget_bytes"] = json.Number("-1") },
		"duration as number": func(m map[string]any) { at(m, "appliance", "transaction")["t1"] = json.Number("500") },
		"duration unit":      func(m map[string]any) { at(m, "appliance", "transaction")["t1"] = "500" },
		"address":            func(m map[string]any) { at(m, "appliance", "listeners")["address"] = "carrier.example" },
		"prefix":             func(m map[string]any) { at(m, "appliance", "listeners")["sources"] = []any{"192.0.2.1"} },
		"list as null":       func(m map[string]any) { m["files"] = nil },
		"other version":      func(m map[string]any) { m["format_version"] = json.Number("2") },
		"version as text":    func(m map[string]any) { m["format_version"] = "1" },
		"severity":           func(m map[string]any) { at(m, "budget")["findings"] = []any{finding("fatal")} },
		"good severity":      func(m map[string]any) { at(m, "budget")["findings"] = []any{finding("note")} },
		"axis":               func(m map[string]any) { at(m, "budget", "ceilings")["axis"] = "x" },
	} {
		doc := parse(t, good).(map[string]any)
		change(doc)
		err := s.Validate(doc)
		if ok := name == "nothing changed" || name == "good severity"; ok != (err == nil) {
			t.Errorf("%s: %v", name, err)
		}
		// A fleet is as strict about its plans.
		fleet := map[string]any{"format_version": json.Number("1"), "errored": false, "plans": []any{doc}}
		if err2 := s.Validate(fleet); (err2 == nil) != (err == nil) {
			t.Errorf("%s, in a fleet: %v", name, err2)
		}
		fleet["extra"] = true
		if s.Validate(fleet) == nil {
			t.Errorf("a fleet with an unknown field")
		}
	}
	for _, text := range []string{`{}`, `[]`, `null`, `{"format_version": 1, "plans": []}`, `{"format_version": 1, "errored": false, "plans": [{}]}`} {
		if s.Validate(parse(t, []byte(text))) == nil {
			t.Errorf("%s satisfies the schema", text)
		}
	}
}

func finding(severity string) map[string]any {
	return map[string]any{"id": "a", "severity": severity, "summary": "b", "detail": "c"}
}

func writeFleet(t *testing.T, f *Fleet) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteFleet(&b, f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Written piece by piece, the document is what the encoder makes of the whole.
func TestFleet(t *testing.T) {
	specs, diags, _ := spec.LoadFleet("../../examples/fleet", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var plans []*plan.Plan
	for i := range 11 { // some more than there are processors, or not
		plans = append(plans, makePlan(t, specs[i%len(specs)]))
		f := NewFleet(plans)
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		if err := enc.Encode(f); err != nil {
			t.Fatal(err)
		}
		if got := writeFleet(t, f); !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%d plans: %s", len(plans), cmp.Diff(want.String(), string(got)))
		}
	}
	f := NewFleet([]*plan.Plan{{}, {Errored: true}})
	if !f.Errored || f.FormatVersion != plan.FormatVersion {
		t.Errorf("%+v", f)
	}
	if got := string(writeFleet(t, NewFleet(nil))); got != "{\n  \"format_version\": 1,\n  \"errored\": false,\n  \"plans\": []\n}\n" {
		t.Errorf("no plans: %s", got)
	}
}

// A writer that fails, wherever it does, is told of.
func TestWriteFleetFails(t *testing.T) {
	f := NewFleet([]*plan.Plan{{Files: []plan.FileSum{}}, {Files: []plan.FileSum{}}})
	size := len(writeFleet(t, f))
	for room := range size {
		if err := WriteFleet(&full{room}, f); !errors.Is(err, errFull) {
			t.Fatalf("room for %d of %d bytes: %v", room, size, err)
		}
	}
	f.Plans[1].Budget = &sizing.Budget{OfferedCalls: sizing.Figure{Value: math.NaN()}}
	if err := WriteFleet(io.Discard, f); err == nil || !strings.Contains(err.Error(), "encode the plans of a fleet") {
		t.Errorf("a plan that has no JSON: %v", err)
	}
}

var errFull = errors.New("full")

// full takes so many bytes.
type full struct{ room int }

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestTheCallerOwnsTheBytes(t *testing.T) {
	Plan()[0] = 'x'
	if Plan()[0] != '{' {
		t.Error("the schema was changed")
	}
}
