package cli

import (
	"fmt"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// refuse ends a command that would put to use a plan with errors, with parts this
// version cannot run, or, under --strict, with warnings. All of them are named.
func (a *app) refuse(p *plan.Plan) error {
	judged := a.refused(p)
	if !judged && len(p.NotBuilt) == 0 {
		return nil
	}
	if judged {
		fmt.Fprintln(a.Stderr, p.Verdict)
	}
	for _, f := range p.Budget.Findings {
		mark := a.paint(a.Stderr, "Error:", "1;31")
		switch {
		case f.Severity == sizing.SeverityError:
		case f.Severity == sizing.SeverityWarning && a.policy.strict:
			mark = a.paint(a.Stderr, "Warning:", "1;33")
		default:
			continue
		}
		fmt.Fprintf(a.Stderr, "%s %s%s\n    %s\n", mark, place(f.At), f.Summary, f.Detail)
	}
	for _, m := range p.NotBuilt {
		fmt.Fprintf(a.Stderr, "%s %sNot built yet: %s\n    %s\n", a.paint(a.Stderr, "Error:", "1;31"), place(m.At), m.What, m.Detail)
	}
	refusal := a.refusal(p)
	if !judged {
		refusal = fmt.Sprintf("%s: refused, the spec has %s that this version cannot run.", p.Appliance.Name, count(len(p.NotBuilt), "part"))
	}
	fmt.Fprintf(a.Stderr, "%s `trunkline plan` shows all of it.\n", refusal)
	return errShown
}

// place begins a line about a place in a spec.
func place(at string) string {
	if at == "" {
		return ""
	}
	return at + ": "
}

// refused reports whether a plan is one that must not be put to use, by what is
// found in it.
func (a *app) refused(p *plan.Plan) bool {
	return p.Errored || a.policy.strict && a.warnings(p) > 0
}

func (a *app) refusal(p *plan.Plan) string {
	if !p.Errored {
		return strictRefusal(p.Appliance.Name, a.warnings(p))
	}
	return fmt.Sprintf("%s: refused, the plan has %s.", p.Appliance.Name, count(p.Findings(sizing.SeverityError), "error"))
}

// unbuilt is a part of a spec that this version checks and sizes, but cannot run.
type unbuilt struct {
	What string `json:"what"`
	At   string `json:"at,omitempty"` // "file.hcl:12"
}

// unbuiltIn lists the parts of specs that cannot be run, each once.
func unbuiltIn(specs []*spec.Spec) []unbuilt {
	var out []unbuilt
	for _, s := range specs {
		for _, n := range s.NotBuilt {
			out = append(out, unbuilt{n.What, sizing.Location(n.Range)})
		}
	}
	return eachOnce(out)
}

// unbuiltOf is unbuiltIn of what has been planned.
func unbuiltOf(plans []*plan.Plan) []unbuilt {
	var out []unbuilt
	for _, p := range plans {
		for _, m := range p.NotBuilt {
			out = append(out, unbuilt{m.What, m.At})
		}
	}
	return eachOnce(out)
}

// eachOnce drops what several appliances have in common and keeps the order.
func eachOnce(list []unbuilt) []unbuilt {
	var out []unbuilt
	seen := map[unbuilt]bool{}
	for _, u := range list {
		if !seen[u] {
			seen[u] = true
			out = append(out, u)
		}
	}
	return out
}

// tellUnbuilt says which parts of a spec build will refuse.
func (a *app) tellUnbuilt(name string, list []unbuilt) {
	if len(list) == 0 {
		return
	}
	note := a.paint(a.Stderr, "Note:", "1;36")
	for _, u := range list {
		fmt.Fprintf(a.Stderr, "%s %snot built yet: %s\n", note, place(u.At), u.What)
	}
	fmt.Fprintf(a.Stderr, "%s: %s cannot be run by this version: build refuses the spec until it is without.\n", name, count(len(list), "part"))
}
