package preflight

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"trunkline/appliance/durable"
	"trunkline/appliance/runtime"
)

// Outcomes of a preflight.
const (
	OutcomePlanned = "as-planned" // nothing is less than planned
	OutcomeRefused = "refused"
	OutcomeResized = "resized"
	OutcomeWarned  = "warned" // something is less, and the proxy runs as planned
)

// Report is what a preflight found and decided: it is written for sbcd, which starts
// after it.
type Report struct {
	Outcome     string       `json:"outcome"`
	Machine     Machine      `json:"machine"`
	Differences []Difference `json:"differences"`
	Resized     string       `json:"resized,omitempty"`    // what became less of the plan, in one line
	Overridden  string       `json:"overridden,omitempty"` // what the spec says is to be done, where this machine was told otherwise
}

// Decide is what becomes of the differences. mismatch says what is to be done, as the
// spec does or as this machine was told. The error is why calls cannot be taken.
func Decide(a *runtime.Appliance, mismatch string, m Machine, found []Difference) (Report, error) {
	r := Report{Outcome: OutcomePlanned, Machine: m, Differences: found}
	if found == nil {
		r.Differences = []Difference{}
	}
	if mismatch != a.Hardware.Mismatch {
		r.Overridden = a.Hardware.Mismatch
	}
	var grave, scales int
	var first Difference
	for _, d := range found {
		switch {
		case d.Tells():
			continue
		case d.Scales():
			scales++
		}
		if grave++; grave == 1 || first.Scales() && mismatch == runtime.MismatchResize {
			first = d
		}
	}
	switch {
	case len(found) == 0:
		return r, nil
	case grave == 0 || mismatch == runtime.MismatchWarn:
		r.Outcome = OutcomeWarned
		return r, nil
	case mismatch == runtime.MismatchResize && grave == scales:
		_, what, err := Fit(a, m.Threads, m.Memory)
		if err != nil {
			r.Outcome = OutcomeRefused
			return r, err
		}
		r.Outcome, r.Resized = OutcomeResized, what
		if what == "" {
			r.Resized = "all that is planned still fits"
		}
		return r, nil
	}
	r.Outcome = OutcomeRefused
	more := ""
	if grave > 1 {
		more = fmt.Sprintf(" (and %d more)", grave-1)
	}
	return r, fmt.Errorf("the machine is less than the spec says: %s%s", first, more)
}

// Write puts the report where sbcd looks for it.
func (r Report) Write(name string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("preflight: %w", err)
	}
	if err := durable.Write(name, 0o644, append(b, '\n')); err != nil {
		return fmt.Errorf("preflight: %w", err)
	}
	return nil
}

// Read returns the report at name; nil: no preflight ran, as outside of an appliance.
func Read(name string) (*Report, error) {
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("preflight: %w", err)
	}
	var r Report
	if err := json.Unmarshal(b, &r); err != nil {
		return nil, fmt.Errorf("preflight: %s: %w", name, err)
	}
	return &r, nil
}

// Apply is the configuration that the proxy runs with after this preflight.
func (r *Report) Apply(a *runtime.Appliance) (*runtime.Appliance, error) {
	if r == nil || r.Outcome != OutcomeResized {
		return a, nil
	}
	out, _, err := Fit(a, r.Machine.Threads, r.Machine.Memory)
	return out, err
}
