package sizing

import (
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Page is the size of a memory page, bytes (amd64). Tables are whole pages.
const Page = 4096

// exact bounds every byte and row count: whole numbers below it survive a
// float64, so sums of the memory map are exact.
const exact = 1 << 52

// figure builds a Figure.
func figure(id, name, unit string, value float64, formula string, inputs ...Input) Figure {
	return Figure{ID: id, Name: name, Value: value, Unit: unit, Formula: formula, Inputs: inputs}
}

// of makes a figure the input of another.
func of(f Figure) Input { return Input{Name: f.ID, Value: f.Value, Unit: f.Unit} }

// stated makes a value of the spec an input; the source is its line.
func stated(name string, value float64, unit string, r hcl.Range) Input {
	src := "spec"
	if at := Location(r); at != "" {
		src = at
	}
	return Input{Name: name, Value: value, Unit: unit, Source: src}
}

// Location renders the start of r as "file.hcl:12". The directory is left out:
// it belongs to the machine that read the spec. Without a file: empty.
func Location(r hcl.Range) string {
	if r.Filename == "" {
		return ""
	}
	return path.Base(strings.ReplaceAll(r.Filename, "\\", "/")) + ":" + strconv.Itoa(r.Start.Line)
}

// whole rounds v up to a whole number in [0, exact]. A tiny tolerance keeps
// 200 x 1.2 from becoming 241.
func whole(v float64) float64 {
	if !(v > 0) { // NaN too
		return 0
	}
	return math.Min(math.Ceil(v-v*1e-12), exact)
}

// round up to a multiple of unit.
func roundUp(v, unit float64) float64 {
	return math.Min(whole(whole(v)/unit)*unit, exact)
}

// pages rounds bytes up to whole pages.
func pages(v float64) float64 { return roundUp(v, Page) }
