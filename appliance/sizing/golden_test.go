package sizing

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"trunkline/appliance/spec"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestExampleBudget(t *testing.T) {
	s, diags, _ := spec.Load("../examples/edge-fra1", spec.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	var got bytes.Buffer
	enc := json.NewEncoder(&got)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(Size(s, nil)); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/edge-fra1.json"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("the budget of the example changed (-want +got); if that is meant, run go test ./appliance/sizing -update\n%s", d)
	}
}
