package checks

import (
	"fmt"
	"path"
	"runtime"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

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
	// Plan gives the plan: rules see what its JSON says. Called only if a rule looks at
	// plan; nil: there is none.
	Plan func() (any, error)
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
	var doc cty.Value
	var wg sync.WaitGroup
	wg.Go(func() { doc = document(in.Spec) })
	plan, err := planValue(packs, in.Plan)
	wg.Wait()
	if err != nil {
		return nil, fmt.Errorf("policies: %w", err)
	}
	ctx := &hcl.EvalContext{
		Functions: functions,
		Variables: map[string]cty.Value{"spec": doc, "plan": plan},
	}
	var rules []*Rule
	for _, p := range packs {
		rules = append(rules, p.Rules...)
	}
	return evaluate(rules, ctx), nil
}

// evaluate judges by each rule, on all processors: nothing a rule looks at changes.
func evaluate(rules []*Rule, ctx *hcl.EvalContext) []sizing.Finding {
	found := make([][]sizing.Finding, len(rules))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(rules)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(rules)); i = next.Add(1) - 1 {
				found[i] = rules[i].evaluate(ctx)
			}
		})
	}
	wg.Wait()
	return slices.Concat(found...)
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
