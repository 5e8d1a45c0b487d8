package diff

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Fleet is what differs between two fleets, appliance by appliance.
type Fleet struct {
	FormatVersion int      `json:"format_version"`
	Changed       bool     `json:"changed"`
	Impact        Impact   `json:"impact"`  // the highest of all appliances in both
	Removed       []string `json:"removed"` // appliances that are there no more
	Added         []string `json:"added"`
	Appliances    []*Diff  `json:"appliances"` // in both, in the order of the second fleet; unchanged ones too
}

// CompareFleets compares the appliances of two fleets by name.
func CompareFleets(a, b []Input) (*Fleet, error) {
	was := map[string]Input{}
	for _, in := range a {
		if in.Plan == nil || in.Plan.Appliance == nil {
			return nil, fmt.Errorf("%s: a plan is missing", in.Label)
		}
		was[in.Plan.Appliance.Name] = in
	}
	f := &Fleet{FormatVersion: FormatVersion, Impact: None, Removed: []string{}, Added: []string{}, Appliances: []*Diff{}}
	for _, in := range b {
		if in.Plan == nil || in.Plan.Appliance == nil {
			return nil, fmt.Errorf("%s: a plan is missing", in.Label)
		}
		name := in.Plan.Appliance.Name
		old, ok := was[name]
		delete(was, name)
		if !ok {
			f.Added = append(f.Added, name)
			continue
		}
		d, err := Compare(old, in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		f.Appliances = append(f.Appliances, d)
		f.Impact = higher(f.Impact, d.Impact)
		f.Changed = f.Changed || d.Changed
	}
	for _, in := range a {
		if name := in.Plan.Appliance.Name; was[name].Plan != nil {
			f.Removed = append(f.Removed, name)
			delete(was, name)
		}
	}
	f.Changed = f.Changed || len(f.Removed)+len(f.Added) > 0
	return f, nil
}

// EncodeFleet renders f as JSON: indented, ending in a newline.
func EncodeFleet(f *Fleet) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(f); err != nil {
		return nil, fmt.Errorf("encode diff: %w", err)
	}
	return buf.Bytes(), nil
}
