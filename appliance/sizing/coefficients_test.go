package sizing

import (
	"math"
	"strings"
	"testing"
)

const oneCoefficient = `coefficient "cpu_per_call" {
  value  = 0.0002
  unit   = "s"
  range  = [0.0001, 0.0003]
  source = "calibrate on host x"
  date   = "2026-12"
}
`

func TestParseCoefficients(t *testing.T) {
	c, diags := ParseCoefficients([]byte(oneCoefficient), "c.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if got, _ := c.Get("cpu_per_call"); got.Value != 0.0002 || got.Source != "calibrate on host x" {
		t.Errorf("not replaced: %+v", got)
	}
	if a, b := c.at("stall"), DefaultCoefficients().at("stall"); a != b {
		t.Errorf("stall = %v, want the default %v", a, b)
	}
	if DefaultCoefficients().at("cpu_per_call") == 0.0002 {
		t.Error("the defaults were changed")
	}
	b := Size(edge(), c)
	if got := b.CoresNeeded.Inputs[1]; got.Value != 0.0002 || got.Source != "0.0001 to 0.0003 s calibrate on host x (2026-12)" {
		t.Errorf("the figure does not say whose coefficient it used: %+v", got)
	}
}

func TestEveryCoefficientHasSourceAndDate(t *testing.T) {
	c := DefaultCoefficients()
	if len(c.Names()) != len(known) {
		t.Errorf("%d coefficients, %d known", len(c.Names()), len(known))
	}
	for _, n := range c.Names() {
		if v, _ := c.Get(n); v.Source == "" || v.Date == "" || v.Unit == "" {
			t.Errorf("%s: %+v", n, v)
		}
	}
}

func TestWrongCoefficients(t *testing.T) {
	for name, c := range map[string]struct{ src, want string }{
		"unknown":                {strings.Replace(oneCoefficient, "cpu_per_call", "cpu_per_cal", 1), "no coefficient \"cpu_per_cal\""},
		"unit":                   {strings.Replace(oneCoefficient, `"s"`, `"ms"`, 1), "convert the value"},
		"zero":                   {strings.Replace(oneCoefficient, "0.0002", "0", 1), "above zero"},
		"negative":               {strings.Replace(oneCoefficient, "0.0002", "-1", 1), "above zero"},
		"infinite":               {strings.Replace(oneCoefficient, "0.0002", "1e400", 1), "coefficient"},
		"one range":              {strings.Replace(oneCoefficient, "[0.0001, 0.0003]", "[1]", 1), "two numbers"},
		"range":                  {strings.Replace(oneCoefficient, "[0.0001, 0.0003]", "[2, 1]", 1), "from the lowest"},
		"range beyond the bound": {strings.NewReplacer("cpu_per_call", "target_utilisation", "0.0002", "0.5", "0.0001, 0.0003", "0.4, 1.5", `"s"`, `"1"`).Replace(oneCoefficient), "has 1.5 in it, but each end must be above zero and at most one"},
		"range from zero":        {strings.Replace(oneCoefficient, "[0.0001, 0.0003]", "[0, 1]", 1), "each end must be above zero"},
		"no source":              {strings.Replace(oneCoefficient, "calibrate on host x", " ", 1), "fill in source"},
		"twice":                  {oneCoefficient + oneCoefficient, "Remove one"},
		"text":                   {strings.Replace(oneCoefficient, "0.0002", `"a lot"`, 1), "number"},
		"missing":                {"coefficient \"stall\" {\n value = 1\n}\n", "required"},
		"syntax":                 {"coefficient {", ""},
		"share":                  {strings.NewReplacer("cpu_per_call", "target_utilisation", "0.0002", "1.5", `"s"`, `"1"`).Replace(oneCoefficient), "at most one"},
		"headroom":               {strings.NewReplacer("cpu_per_call", "state_headroom", "0.0002", "0.5", `"s"`, `"1"`).Replace(oneCoefficient), "one or more"},
	} {
		_, diags := ParseCoefficients([]byte(c.src), "c.hcl")
		if name == "infinite" && !diags.HasErrors() {
			t.Errorf("%s: accepted", name)
			continue
		}
		if !diags.HasErrors() || !strings.Contains(diags.Error(), c.want) && name != "infinite" {
			t.Errorf("%s: %v, want %q", name, diags, c.want)
		}
	}
}

func FuzzParseCoefficients(f *testing.F) {
	f.Add([]byte(oneCoefficient))
	f.Add(embedded)
	f.Fuzz(func(t *testing.T, src []byte) {
		c, diags := ParseCoefficients(src, "c.hcl")
		if (c == nil) != diags.HasErrors() {
			t.Fatal("a set and an error, or neither")
		}
		if c == nil {
			return
		}
		for _, n := range c.Names() {
			if v := c.at(n); math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("%s = %v", n, v)
			}
		}
	})
}
