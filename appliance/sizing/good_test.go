package sizing

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"trunkline/appliance/spec"
)

// Specs as people write them: whatever the language takes is sized without a
// contradiction.
func TestGoodSpecs(t *testing.T) {
	const dir = "../spec/testdata/good"
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sized := 0
	for _, e := range entries {
		s, diags, _ := spec.Load(filepath.Join(dir, e.Name()), spec.Options{})
		if diags.HasErrors() {
			continue // takes values or a name from outside: the spec's own tests give them
		}
		sized++
		b := Size(s, nil)
		sum := 0.0
		for _, m := range b.Memory {
			sum += m.Bytes.Value
		}
		if sum != float64(s.Hardware.Memory) {
			t.Errorf("%s: the memory map adds up to %v of %v", e.Name(), sum, s.Hardware.Memory)
		}
		if _, err := json.Marshal(b); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
		if (b.Media != nil) != (s.Media != nil) || len(b.Databases) != len(s.Databases) || (b.Sockets != nil) != (s.Sockets != nil) || (b.Persistence != nil) != (s.State.Persistence != nil) {
			t.Errorf("%s: a part of the spec is not sized", e.Name())
		}
		for _, f := range b.Findings {
			if f.Detail == "" || f.Summary == "" || f.ID == "" {
				t.Errorf("%s: %+v", e.Name(), f)
			}
			t.Logf("%s: %s %s (%s): %s", e.Name(), f.Severity, f.Summary, f.At, f.Detail)
		}
	}
	if sized == 0 {
		t.Fatal("no spec was sized")
	}
}
