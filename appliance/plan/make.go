package plan

import (
	"errors"
	"fmt"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/policies/checks"
	"trunkline/policies/firewall"
)

// Options are the inputs of a plan beyond spec and budget.
type Options struct {
	Version  string         // of Trunkline, recorded in the plan; empty: "unknown"
	Policies []*checks.Pack // guard rails besides the built-in ones
	Today    time.Time      // what the last day of a waiver is compared with; zero: no waiver is expired

	Calibration *Calibration // coefficients file the budget was made with; nil: those of this version
}

func (o Options) version() string {
	if o.Version == "" {
		return "unknown"
	}
	return o.Version
}

// Make compiles a checked spec and its budget into a plan. Its error tells of
// contradictions that the spec's own checks cannot see; findings of the budget
// are not errors of Make but set Errored.
func Make(s *spec.Spec, b *sizing.Budget, o Options) (*Plan, error) {
	if s == nil || b == nil {
		return nil, errors.New("plan: a spec and its budget are needed")
	}
	a, err := compile(s, b)
	if err != nil {
		return nil, fmt.Errorf("plan of %s: %w", s.Appliance.Name, err)
	}
	rules, err := ruleset(a)
	if err != nil {
		return nil, fmt.Errorf("plan of %s: %w", s.Appliance.Name, err)
	}
	p := &Plan{
		FormatVersion: FormatVersion,
		Trunkline:     o.version(),
		SpecDigest:    s.Digest,
		Verdict:       verdict(b),
		Appliance:     a,
		Budget:        b,
		Ruleset:       rules,
		Files:         []FileSum{},
		NotBuilt:      notBuilt(s),
		Image:         machine(s),
		Calibration:   o.Calibration,
	}
	if err := p.judge(s, o); err != nil {
		return nil, fmt.Errorf("plan of %s: %w", s.Appliance.Name, err)
	}
	return p, nil
}

// ruleset is the text of the packet filter; nothing when the spec turns it off.
func ruleset(a *runtime.Appliance) (string, error) {
	if !a.Firewall.Enabled {
		return "", nil
	}
	rs, err := firewall.Compile(a)
	if err != nil {
		return "", err
	}
	return rs.Text(), nil
}

// verdict is the first line of every plan: what saturates first, at how much,
// and the one change that raises it.
func verdict(b *sizing.Budget) string {
	if len(b.Ceilings) == 0 {
		return "Nothing to saturate: the workload plans no calls. State workload.cps and workload.concurrent_calls."
	}
	c := b.Ceilings[0]
	unit, planned := "calls/s", c.At.Value/c.Headroom
	if c.Axis == sizing.AxisConcurrent {
		unit = "concurrent calls"
		planned = b.CallsHeld.Value
	}
	if !(c.Headroom > 0) {
		return fmt.Sprintf("Saturates first: %s, below any load. To raise it: %s.", c.Resource, c.Remedy)
	}
	return fmt.Sprintf("Saturates first: %s, at %s %s, %s times the planned %s. To raise it: %s.",
		c.Resource, sizing.Count(c.At.Value), unit, factor(c.Headroom), sizing.Count(planned), c.Remedy)
}

// factor renders a headroom; it never rounds a shortfall up to 1.
func factor(h float64) string {
	if h < 1 && h >= 0.995 {
		return "0.99"
	}
	return fmt.Sprintf("%.2f", h)
}

// notBuilt is what the spec uses of the language that sbcd does not run yet.
func notBuilt(s *spec.Spec) []Missing {
	var out []Missing
	for _, n := range s.NotBuilt {
		out = append(out, Missing{
			What:   n.What,
			Detail: "Its run-time part is not built yet in this version: it is checked, sized and shown, and no image is built with it. Remove it to build.",
			At:     sizing.Location(n.Range),
		})
	}
	return out
}
