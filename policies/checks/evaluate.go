package checks

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
)

// maxFindings is how many findings one rule may add to a plan; the rest is counted.
const maxFindings = 50

// Input is what rules judge.
type Input struct {
	Spec *spec.Spec
	Plan func() ([]byte, error) // the plan's JSON; called only if a rule looks at plan
}

// Evaluate judges a plan by the packs and returns what does not hold, in the order
// of the packs and their rules. Its error is that of Input.Plan, or that the same
// rule id stands in two packs.
func Evaluate(packs []*Pack, in Input) ([]sizing.Finding, error) {
	ids := map[string]string{}
	for _, p := range packs {
		for _, r := range p.Rules {
			if first, dup := ids[r.ID]; dup {
				return nil, fmt.Errorf("rule %q stands in the policies %s and %s: rename one of the two", r.ID, first, p.Name)
			}
			ids[r.ID] = p.Name
		}
	}
	plan, err := planValue(packs, in.Plan)
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	ctx := &hcl.EvalContext{
		Functions: functions,
		Variables: map[string]cty.Value{"spec": document(in.Spec), "plan": plan},
	}
	var out []sizing.Finding
	for _, p := range packs {
		for _, r := range p.Rules {
			out = append(out, r.evaluate(ctx)...)
		}
	}
	return out, nil
}

// evaluate judges by one rule.
func (r *Rule) evaluate(ctx *hcl.EvalContext) []sizing.Finding {
	items, err := r.items(ctx)
	if err != nil {
		return []sizing.Finding{r.broken(err, "")}
	}
	var out []sizing.Finding
	more := 0
	for _, item := range items {
		f, found, err := r.judge(item)
		switch {
		case err != nil:
			return append(out, r.broken(err, f.Item)) // the others would fail alike
		case !found:
		case len(out) < maxFindings:
			out = append(out, f)
		default:
			more++
		}
	}
	if more > 0 {
		last := &out[len(out)-1]
		last.Detail += fmt.Sprintf(" (And %d more like this.)", more)
	}
	return out
}

// items gives one context for every time the rule is judged.
func (r *Rule) items(ctx *hcl.EvalContext) ([]*hcl.EvalContext, error) {
	if r.forEach == nil {
		return []*hcl.EvalContext{ctx}, nil
	}
	v, err := value(r.forEach, ctx)
	if err != nil {
		return nil, err
	}
	if v.IsNull() || !v.CanIterateElements() {
		return nil, fmt.Errorf("for_each gives %s, and a list is needed", kind(v))
	}
	var out []*hcl.EvalContext
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		c := ctx.NewChild()
		c.Variables = map[string]cty.Value{"each": e}
		out = append(out, c)
	}
	return out, nil
}

// judge applies the rule to one item.
func (r *Rule) judge(ctx *hcl.EvalContext) (f sizing.Finding, found bool, err error) {
	f = sizing.Finding{ID: r.ID, Severity: r.Severity, Source: r.Source}
	if f.Item, err = r.item(ctx); err != nil {
		return f, false, err
	}
	if r.when != nil {
		if applies, err := truth(r.when, ctx, "when"); err != nil || !applies {
			return f, false, err
		}
	}
	if holds, err := truth(r.condition, ctx, "condition"); err != nil || holds {
		return f, false, err
	}
	if f.Summary, err = words(r.summary, ctx, "summary"); err != nil {
		return f, false, err
	}
	message, err := words(r.message, ctx, "message")
	if err != nil {
		return f, false, err
	}
	remedy, err := words(r.remedy, ctx, "remedy")
	if err != nil {
		return f, false, err
	}
	f.Detail = message + " " + remedy
	if r.at != nil {
		if f.At, err = words(r.at, ctx, "at"); err != nil {
			return f, false, err
		}
	}
	return f, true, nil
}

// item is what the finding is about: the rule's name, or the element's own.
func (r *Rule) item(ctx *hcl.EvalContext) (string, error) {
	if r.name != nil {
		return words(r.name, ctx, "name")
	}
	each, ok := ctx.Variables["each"]
	if !ok || each.IsNull() || !each.Type().IsObjectType() || !each.Type().HasAttribute("name") {
		return "", nil
	}
	if n := each.GetAttr("name"); !n.IsNull() && n.Type() == cty.String {
		return n.AsString(), nil
	}
	return "", nil
}

// broken is the finding of a rule that cannot be evaluated: whoever relies on it
// must not believe it holds.
func (r *Rule) broken(err error, item string) sizing.Finding {
	about := ""
	if item != "" {
		about = fmt.Sprintf(", at %q", item)
	}
	return sizing.Finding{ID: r.ID, Severity: sizing.SeverityError, Source: r.Source, Item: item,
		Summary: brokenSummary,
		Detail: fmt.Sprintf("Rule %q (%s)%s: %s. Correct the rule; `trunkline policy test` tries it on its fixtures.",
			r.ID, sizing.Location(r.Range), about, err)}
}

func value(e hcl.Expression, ctx *hcl.EvalContext) (cty.Value, error) {
	v, diags := e.Value(ctx)
	if diags.HasErrors() {
		d := diags[0]
		text := strings.TrimSuffix(strings.TrimSpace(d.Summary+": "+d.Detail), ".")
		return cty.NilVal, fmt.Errorf("line %d: %s", e.Range().Start.Line, text)
	}
	if !v.IsKnown() {
		return cty.NilVal, fmt.Errorf("line %d: the value is not known", e.Range().Start.Line)
	}
	return v, nil // nothing rules see is marked
}

func truth(e hcl.Expression, ctx *hcl.EvalContext, what string) (bool, error) {
	v, err := value(e, ctx)
	if err != nil {
		return false, err
	}
	b, err := convert.Convert(v, cty.Bool)
	if err != nil || b.IsNull() {
		return false, fmt.Errorf("%s gives %s, and true or false is needed", what, kind(v))
	}
	return b.True(), nil
}

func words(e hcl.Expression, ctx *hcl.EvalContext, what string) (string, error) {
	v, err := value(e, ctx)
	if err != nil {
		return "", err
	}
	s, err := convert.Convert(v, cty.String)
	if err != nil || s.IsNull() {
		return "", fmt.Errorf("%s gives %s, and text is needed", what, kind(v))
	}
	// One paragraph: heredocs break lines where the file ends them.
	return strings.Join(strings.Fields(s.AsString()), " "), nil
}

func kind(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	return v.Type().FriendlyName()
}

// planValue is the plan as rules see it, cut to what the rules name: a plan of
// thousands of listeners has hundreds of thousands of figures.
func planValue(packs []*Pack, encode func() ([]byte, error)) (cty.Value, error) {
	want, needed := planNeeds(packs)
	if !needed || encode == nil {
		return cty.EmptyObjectVal, nil
	}
	b, err := encode()
	if err != nil {
		return cty.NilVal, err
	}
	var all map[string]any
	if want == nil {
		if err := json.Unmarshal(b, &all); err != nil {
			return cty.NilVal, fmt.Errorf("plan: %w", err)
		}
	} else if all, err = cut(b, want); err != nil {
		return cty.NilVal, err
	}
	return fromJSON(all), nil
}

// fromJSON makes a value of a decoded JSON document; lists become tuples.
func fromJSON(v any) cty.Value {
	switch v := v.(type) {
	case map[string]any:
		out := make(obj, len(v))
		for k, e := range v {
			out[k] = fromJSON(e)
		}
		return out.val()
	case []any:
		return list(v, fromJSON)
	case string:
		return text(v)
	case float64:
		return cty.NumberFloatVal(v)
	case bool:
		return cty.BoolVal(v)
	}
	return cty.NullVal(cty.DynamicPseudoType)
}

// planNeeds lists the parts of the plan that rules name, as "budget/ceilings" or
// "verdict". A nil list means all of it.
func planNeeds(packs []*Pack) (want []string, needed bool) {
	for _, p := range packs {
		for _, r := range p.Rules {
			for _, e := range r.expressions() {
				for _, t := range e.Variables() {
					if t.RootName() != "plan" {
						continue
					}
					part := steps(t)
					if part == "" {
						return nil, true
					}
					needed = true
					want = append(want, part)
				}
			}
		}
	}
	sort.Strings(want)
	return slices.Compact(want), needed
}

// steps is up to two attributes after the root.
func steps(t hcl.Traversal) string {
	var names []string
	for _, s := range t[1:] {
		a, ok := s.(hcl.TraverseAttr)
		if !ok || len(names) == 2 {
			break
		}
		names = append(names, a.Name)
	}
	return strings.Join(names, "/")
}

// cut keeps the wanted parts of an encoded plan. What is not an object is kept
// whole, so that a wrong name fails where it is used.
func cut(b []byte, want []string) (map[string]any, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(b, &all); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	wholly, parts := map[string]bool{}, map[string][]string{}
	for _, w := range want {
		top, sub, two := strings.Cut(w, "/")
		parts[top] = append(parts[top], sub)
		if raw := all[top]; !two || len(raw) == 0 || raw[0] != '{' {
			wholly[top] = true
		}
	}
	out := map[string]any{}
	for top, subs := range parts {
		raw, ok := all[top]
		if !ok {
			continue
		}
		if wholly[top] {
			var v any
			if err := json.Unmarshal(raw, &v); err != nil {
				return nil, fmt.Errorf("plan: %w", err)
			}
			out[top] = v
			continue
		}
		var inner map[string]json.RawMessage
		if err := json.Unmarshal(raw, &inner); err != nil {
			return nil, fmt.Errorf("plan: %w", err)
		}
		kept := map[string]any{}
		for _, sub := range subs {
			if raw, ok := inner[sub]; ok && kept[sub] == nil {
				var v any
				if err := json.Unmarshal(raw, &v); err != nil {
					return nil, fmt.Errorf("plan: %w", err)
				}
				kept[sub] = v
			}
		}
		out[top] = kept
	}
	return out, nil
}

// Sort orders findings as plans show them: errors, warnings, notes, waived; then by
// file and line; then as they came.
func Sort(f []sizing.Finding) {
	rank := map[string]int{sizing.SeverityError: 0, sizing.SeverityWarning: 1, sizing.SeverityNote: 2, sizing.SeverityWaived: 3}
	sort.SliceStable(f, func(i, j int) bool {
		if a, b := rank[f[i].Severity], rank[f[j].Severity]; a != b {
			return a < b
		}
		fi, li := place(f[i].At)
		fj, lj := place(f[j].At)
		if fi != fj {
			return fi < fj
		}
		return li < lj
	})
}

func place(at string) (file string, line int) {
	file, n, _ := strings.Cut(path.Base(at), ":")
	line, _ = strconv.Atoi(n)
	return file, line
}
