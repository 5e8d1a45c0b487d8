package plan

import (
	"bytes"
	"encoding/json"
	"fmt"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

// FormatVersion is the version of the plan's JSON. A plan of another version is
// refused.
const FormatVersion = 1

// Plan is a planned appliance.
type Plan struct {
	FormatVersion int    `json:"format_version"`
	Trunkline     string `json:"trunkline"`   // version that made the plan
	SpecDigest    string `json:"spec_digest"` // of the spec it was made from
	Complete      bool   `json:"complete"`    // the file list is there
	Errored       bool   `json:"errored"`     // a finding is an error: build refuses
	Verdict       string `json:"verdict"`     // what saturates first, at how much, what raises it

	Appliance *runtime.Appliance `json:"appliance"`
	Budget    *sizing.Budget     `json:"budget"`
	Ruleset   string             `json:"ruleset"`           // nft text; empty when the spec turns the firewall off
	Files     []FileSum          `json:"files"`             // of the config layer, sorted by path
	Waivers   []checks.Waiver    `json:"waivers,omitempty"` // of the spec, in its order: findings accepted for a while
	// Image is what the image holds for its machine, or for relays on it, alone; nil: one for
	// virtual machines without relays.
	Image *Image `json:"image,omitempty"`

	// NotBuilt is what the spec asks for and this version validates, sizes and
	// shows, but cannot run: build refuses it by name.
	NotBuilt []Missing `json:"not_built,omitempty"`
	// Calibration is the coefficients file the budget was made with; nil: those of
	// this version.
	Calibration *Calibration `json:"calibration,omitempty"`

	// Diagnostics are the mistakes of a spec that is not valid: see Invalid.
	Diagnostics []spec.Diagnostic `json:"diagnostics,omitempty"`
	// Warnings are what the checks of a valid spec warned of: a saved plan keeps them.
	Warnings []Warning `json:"warnings,omitempty"`
}

// Missing is a part of the spec that this version cannot run.
type Missing struct {
	What   string `json:"what"`         // `listener "carrier-a": transport "tls"`
	Detail string `json:"detail"`       // ends with what to do
	At     string `json:"at,omitempty"` // "file.hcl:12"
}

// Calibration names a coefficients file without its directory.
type Calibration struct {
	Name   string `json:"name"`   // "lab.hcl"
	Digest string `json:"digest"` // "sha256:<hex>" of its bytes
}

// Warning is a warning about the spec.
type Warning struct {
	Summary string `json:"summary"`
	Detail  string `json:"detail"`       // ends with what to do
	At      string `json:"at,omitempty"` // "file.hcl:12"
}

// FileSum is one file of the config layer by its digest.
type FileSum struct {
	Path   string `json:"path"` // relative to the root: "etc/hostname"
	Mode   string `json:"mode"` // octal: "0644"; empty for a link
	Link   string `json:"link,omitempty"`
	Size   int    `json:"size"`
	SHA256 string `json:"sha256"` // hex, of the bytes (of the target for a link)
	// Content is SHA256 of the bytes without the spec's digest, which most files
	// name: it tells a file that changed from one that only names another spec.
	Content string `json:"content,omitempty"`
}

// Encode renders p as JSON: indented, ending in a newline.
func Encode(p *Plan) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false) // formulas have < and > in them; this is not for a browser
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	return buf.Bytes(), nil
}

// Decode parses the JSON of a plan. Unknown fields and other format versions
// are errors.
func Decode(b []byte) (*Plan, error) {
	var head struct {
		FormatVersion int `json:"format_version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, fmt.Errorf("not a plan: %w", err)
	}
	if head.FormatVersion != FormatVersion {
		return nil, fmt.Errorf("plan has format_version %d, this version of Trunkline reads %d: make the plan again from its spec", head.FormatVersion, FormatVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	var p Plan
	if err := dec.Decode(&p); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if dec.More() {
		return nil, fmt.Errorf("plan: more data after the plan")
	}
	if len(p.Diagnostics) > 0 {
		return nil, fmt.Errorf("plan of a spec that is not valid: correct it, `trunkline validate` names the lines")
	}
	if p.Appliance == nil || p.Budget == nil {
		return nil, fmt.Errorf("plan: appliance or budget is missing: make the plan again from its spec")
	}
	if p.Appliance.FormatVersion != runtime.FormatVersion {
		return nil, fmt.Errorf("plan holds an appliance of format_version %d, this version of Trunkline reads %d: make the plan again from its spec", p.Appliance.FormatVersion, runtime.FormatVersion)
	}
	return &p, nil
}

// Invalid is what stands for the plan of a spec that is not valid: its mistakes,
// and nothing that could be built. It is for encoding alone; Decode refuses it.
func Invalid(r spec.Report, o Options) *Plan {
	what := "1 mistake"
	if r.ErrorCount != 1 {
		what = fmt.Sprintf("%d mistakes", r.ErrorCount)
	}
	return &Plan{
		FormatVersion: FormatVersion,
		Trunkline:     o.version(),
		Errored:       true,
		Verdict:       fmt.Sprintf("No plan: the spec has %s.", what),
		Files:         []FileSum{},
		Diagnostics:   r.Diagnostics,
	}
}

// Findings returns how many findings have the severity.
func (p *Plan) Findings(severity string) int {
	n := 0
	for _, f := range p.Budget.Findings {
		if f.Severity == severity {
			n++
		}
	}
	return n
}
