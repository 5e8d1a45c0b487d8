package calibrate

import (
	"math"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"trunkline/appliance/sizing"
)

// File renders figures as a file of coefficients, as sizing.ParseCoefficients reads it. on describes the
// machine, in a line; date is the month, YYYY-MM.
func (r *Result) File(on, date string) []byte {
	f := hclwrite.NewEmptyFile()
	body := f.Body()
	comment := func(text string) {
		body.AppendUnstructuredTokens(hclwrite.Tokens{{Type: hclsyntax.TokenComment, Bytes: []byte("# " + text + "\n")}})
	}
	comment("Coefficients measured by `trunkline calibrate` on " + on + ".")
	for _, m := range r.Missing {
		comment("Missing: " + m)
	}
	units := sizing.DefaultCoefficients()
	for _, x := range r.Figures {
		body.AppendNewline()
		c := body.AppendNewBlock("coefficient", []string{x.Name}).Body()
		known, _ := units.Get(x.Name)
		c.SetAttributeValue("value", number(x.Value))
		c.SetAttributeValue("unit", cty.StringVal(known.Unit))
		c.SetAttributeValue("range", cty.TupleVal([]cty.Value{number(x.Low), number(x.High)}))
		c.SetAttributeValue("source", cty.StringVal(x.Source))
		c.SetAttributeValue("date", cty.StringVal(date))
	}
	return f.Bytes()
}

// number is v with three figures, as exact as it was measured.
func number(v float64) cty.Value {
	if v == 0 {
		return cty.NumberIntVal(0)
	}
	step := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-2)
	if step >= 1 {
		return cty.NumberFloatVal(math.Round(v/step) * step)
	}
	return cty.NumberFloatVal(math.Round(v/step) / math.Round(1/step))
}
