package spec

import (
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// DateLayout is how a spec writes a date.
const DateLayout = "2006-01-02"

// Waiver accepts one finding for a while: the plan goes on showing it, with the
// reason, but no longer counts it. After its last day the finding counts again.
type Waiver struct {
	Rule    string    // id of the finding: a rule's, or one of the sizing model's
	Scope   string    // item the finding is about (a listener, a dispatcher); empty: all of them
	Reason  string    // why it is accepted
	Expires time.Time // last day it holds, midnight UTC
	Range   hcl.Range

	ExpiresRange, ScopeRange hcl.Range
}

var waiverSchema = blockSchema{typ: "waiver", labelled: true, many: true, attrs: []attrSchema{
	must("reason", `"carrier A keeps its old address until March (ticket 4711)"`),
	must("expires", `"2027-01-31"`),
	may("scope", `"carrier-a"`),
}}

// waivers decodes the waivers. Whether a rule of that name exists is not known
// here: rules live outside the spec.
func (d *decoder) waivers(root *section, s *Spec) {
	first := map[[2]string]hcl.Range{}
	for _, b := range root.blocks["waiver"] {
		sec := d.section(b, root.schema.block("waiver"))
		w := &Waiver{
			Rule:         sec.name,
			Scope:        sec.str("scope", ""),
			Reason:       strings.TrimSpace(sec.str("reason", "none")),
			Range:        sec.def,
			ExpiresRange: sec.rng("expires"),
			ScopeRange:   sec.rng("scope"),
		}
		if w.Reason == "" {
			sec.wrong("reason", "reason is blank; it says who accepts this, and why.")
		}
		if text := sec.str("expires", ""); text != "" {
			day, err := time.Parse(DateLayout, text)
			if err != nil {
				sec.wrong("expires", "expires takes a day of the calendar as year, month and day, not \""+text+"\".")
			}
			w.Expires = day
		}
		key := [2]string{w.Rule, w.Scope}
		if prev, dup := first[key]; dup && w.Rule != "" {
			d.errorf(sec.def, "Waived twice", "Rule %q is waived at %s already. Remove one of the two, or give each a scope.", w.Rule, at(prev))
		} else {
			first[key] = sec.def
		}
		s.Waivers = append(s.Waivers, w)
	}
}
