package plan

import (
	"slices"

	"trunkline/appliance/spec"
	"trunkline/policies/checks"
)

// judge adds what the guard rails find in p to its findings and applies the spec's
// waivers to all of them. The caller's budget stays as it was.
func (p *Plan) judge(s *spec.Spec, o Options) error {
	packs := append([]*checks.Pack{checks.Builtin()}, o.Policies...)
	found, err := checks.Evaluate(packs, checks.Input{Spec: s, Plan: func() (any, error) { return p, nil }})
	if err != nil {
		return err
	}
	b := *p.Budget
	b.Findings = append(slices.Clone(b.Findings), found...)
	b.Findings, p.Waivers = checks.Waive(b.Findings, s.Waivers, packs, o.Today)
	checks.Sort(b.Findings)
	p.Budget = &b
	p.Errored = b.Errored()
	return nil
}
