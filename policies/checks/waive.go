package checks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/agext/levenshtein"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// States of a waiver.
const (
	WaiverActive  = "active"  // it waives findings
	WaiverExpired = "expired" // its last day is over: the findings count again
	WaiverUnused  = "unused"  // nothing to waive
)

// Waiver is a waiver of the spec as a plan shows it.
type Waiver struct {
	Rule     string `json:"rule"`
	Scope    string `json:"scope,omitempty"`
	Reason   string `json:"reason"`
	Expires  string `json:"expires"` // last day it holds: "2027-01-31"
	State    string `json:"state"`
	Findings int    `json:"findings"` // how many it is about
	At       string `json:"at"`
}

// Waive applies the spec's waivers to findings: what is waived gets the severity
// "waived", with reason and last day in its Waiver field. A waiver is about the
// findings with its id, or below it ("backend.single" is above
// "backend.single.core"), and with its scope as item.
//
// Errors of the sizing model stay errors: what the hardware cannot carry, nobody
// can accept. Expired waivers, waivers without effect and unknown rules are
// findings of their own. today's date is compared with the last day in UTC; the
// zero time judges no expiry.
func Waive(findings []sizing.Finding, waivers []*spec.Waiver, packs []*Pack, today time.Time) ([]sizing.Finding, []Waiver) {
	out := slices.Clone(findings)
	var shown []Waiver
	for _, w := range waivers {
		day := w.Expires.Format(spec.DateLayout)
		v := Waiver{Rule: w.Rule, Scope: w.Scope, Reason: w.Reason, Expires: day, State: WaiverUnused, At: sizing.Location(w.Range)}
		expired := !today.IsZero() && today.UTC().Format(spec.DateLayout) > day
		fixed := 0
		for i := range findings {
			f := &out[i]
			if !about(w, f) {
				continue
			}
			if f.Severity == sizing.SeverityError && !isRule(packs, f.ID) {
				fixed++
				continue
			}
			v.Findings++
			if !expired && f.Severity != sizing.SeverityWaived {
				f.Severity = sizing.SeverityWaived
				f.Waiver = fmt.Sprintf("Waived until %s (%s): %s", day, v.At, w.Reason)
				f.Detail = strings.TrimSuffix(f.Waiver, ".") + ". " + f.Detail // every view shows the detail
			}
		}
		note := sizing.Finding{ID: "waiver." + w.Rule, Item: w.Scope, At: v.At}
		switch {
		case expired && v.Findings+fixed > 0:
			v.State = WaiverExpired
			note.Severity, note.Summary = sizing.SeverityWarning, "Waiver expired: "+w.Rule
			note.Detail = fmt.Sprintf("Its last day was %s (%q): the finding counts again. Do what the finding says, or give the waiver a later day and a reason that still holds.", day, w.Reason)
		case v.Findings > 0:
			v.State = WaiverActive
		case fixed > 0:
			note.Severity, note.Summary = sizing.SeverityWarning, "Not to be waived: "+w.Rule
			note.Detail = "This is an error of the sizing model: the hardware cannot carry what the spec asks for, and a waiver does not change that. Do what the finding says, and remove the waiver."
		case !isRule(packs, w.Rule) && !strings.Contains(w.Rule, "."): // ids of the sizing model have dots
			note.Severity, note.Summary = sizing.SeverityWarning, "Waiver of an unknown rule: "+w.Rule
			note.Detail = fmt.Sprintf("There is no rule %q.%s `trunkline policy list` shows the rules; those of your own count only where --policies names their directory.", w.Rule, meant(packs, w.Rule))
		default:
			note.Severity, note.Summary = sizing.SeverityNote, "Waiver without effect: "+w.Rule
			note.Detail = "Nothing in this plan needs it. Remove it."
		}
		if note.Severity != "" {
			out = append(out, note)
		}
		shown = append(shown, v)
	}
	return out, shown
}

// about reports whether the waiver names the finding.
func about(w *spec.Waiver, f *sizing.Finding) bool {
	if f.ID != w.Rule && !strings.HasPrefix(f.ID, w.Rule+".") {
		return false
	}
	return w.Scope == "" || w.Scope == f.Item || strings.HasSuffix(f.ID, "."+w.Scope)
}

func isRule(packs []*Pack, id string) bool {
	return slices.ContainsFunc(packs, func(p *Pack) bool { return p.Rule(id) != nil })
}

// meant is " Did you mean ...?" for a misspelt rule.
func meant(packs []*Pack, id string) string {
	best, least := "", 3
	for _, p := range packs {
		for _, r := range p.Rules {
			if n := levenshtein.Distance(id, r.ID, nil); n <= least && (best == "" || n < least) {
				best, least = r.ID, n
			}
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" Did you mean %q?", best)
}
