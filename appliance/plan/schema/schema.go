package schema

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"

	"trunkline/appliance/plan"
)

//go:embed plan.schema.json
var planSchema []byte

// Plan returns the schema of a plan and of the plans of a fleet, indented, ending in
// a newline. The caller owns the bytes.
func Plan() []byte { return bytes.Clone(planSchema) }

// ID identifies the schema of this format version. It is a name, not an address.
func ID() string { return fmt.Sprintf("urn:trunkline:plan:%d", plan.FormatVersion) }

// Fleet is the plans of all appliances of one spec, as one document.
type Fleet struct {
	FormatVersion int          `json:"format_version"` // that of the plans
	Errored       bool         `json:"errored"`        // one of the plans is: see there
	Plans         []*plan.Plan `json:"plans"`          // in the order of the spec
}

// NewFleet makes the document of plans.
func NewFleet(plans []*plan.Plan) *Fleet {
	f := &Fleet{FormatVersion: plan.FormatVersion, Plans: plans}
	if plans == nil {
		f.Plans = []*plan.Plan{}
	}
	for _, p := range plans {
		f.Errored = f.Errored || p.Errored
	}
	return f
}

// EncodeFleet renders f as JSON: indented, ending in a newline.
func EncodeFleet(f *Fleet) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // as plan.Encode
	enc.SetIndent("", "  ")
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("encode the plans of a fleet: %w", err)
	}
	return buf.Bytes(), nil
}
