package calibrate

import (
	"strings"
	"testing"

	"trunkline/appliance/sizing"
)

// What is written is what sizing reads: every name known, in its unit, with three figures.
func TestFile(t *testing.T) {
	r := &Result{
		Figures: []Figure{
			{Name: "cpu_per_call", Value: 0.00012345, Low: 0.0001, High: 0.000123, Source: `measured: "here"`},
			{Name: "process_bytes", Value: 51234567, Low: 17000000, High: 17100000, Source: "measured"},
			{Name: "stall", Value: 0.5, Low: 0.018, High: 0.051, Source: "measured"},
		},
		Missing: []string{"socket_packets: no step was clean"},
	}
	b := r.File("2 CPUs of some kind", "2026-11")
	c, diags := sizing.ParseCoefficients(b, "lab.hcl")
	if diags.HasErrors() {
		t.Fatalf("%v\n%s", diags, b)
	}
	for name, want := range map[string]float64{"cpu_per_call": 0.000123, "process_bytes": 51200000, "stall": 0.5} {
		if got, _ := c.Get(name); got.Value != want || got.Date != "2026-11" || len(got.Range) != 2 {
			t.Errorf("%s is %+v, want %v", name, got, want)
		}
	}
	if text := string(b); !strings.HasPrefix(text, "# Coefficients measured") || !strings.Contains(text, "# Missing: socket_packets") {
		t.Errorf("the head is wrong:\n%s", text)
	}
}

// The specs of the profiles are right, and sbcd's configuration comes of them.
func TestProfiles(t *testing.T) {
	for _, p := range Profiles() {
		if _, err := p.config(t.TempDir()); err != nil {
			t.Errorf("%s: %v", p, err)
		}
	}
}
