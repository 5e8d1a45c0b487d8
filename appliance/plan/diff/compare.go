package diff

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	udiff "github.com/rogpeppe/go-internal/diff"

	"trunkline/appliance/plan"
	"trunkline/appliance/runtime"
	"trunkline/appliance/sizing"
)

// Input is one side of a comparison.
type Input struct {
	Label string     // as the reader named it
	Plan  *plan.Plan // complete
	// Files holds the config layer's text by path, where it is known: a saved plan
	// has digests alone.
	Files map[string][]byte
}

// Compare says what turns a into b. Both plans must be complete.
func Compare(a, b Input) (*Diff, error) {
	for _, in := range []Input{a, b} {
		if in.Plan == nil || in.Plan.Appliance == nil || in.Plan.Budget == nil || !in.Plan.Complete {
			return nil, fmt.Errorf("%s: the plan has no file list: make it again from its spec", in.Label)
		}
	}
	w := &walker{}
	w.budget(a.Plan.Budget, b.Plan.Budget) // first what the rest follows from
	w.fields("", "", reflect.ValueOf(a.Plan.Appliance).Elem(), reflect.ValueOf(b.Plan.Appliance).Elem())
	w.sysctls(a.Plan.Budget.Sysctls, b.Plan.Budget.Sysctls)
	// Within a group, what goes comes first; the rest keeps the order of the appliance.
	slices.SortStableFunc(w.out, func(x, y Change) int {
		return slices.Index(Groups, x.Group) - slices.Index(Groups, y.Group)
	})
	d := &Diff{
		FormatVersion: FormatVersion,
		Before:        side(a), After: side(b),
		Impact: None, Today: None,
		Calls:    atRisk(a.Plan.Budget),
		Changes:  append([]Change{}, w.out...),
		Reach:    reach(a.Plan.Appliance, b.Plan.Appliance),
		Ceilings: ceilings(a.Plan.Budget, b.Plan.Budget),
		Findings: Findings{New: findings(b.Plan, a.Plan), Resolved: findings(a.Plan, b.Plan)},
		Files:    files(a, b),
	}
	d.judge()
	return d, nil
}

// judge sums up the impacts.
func (d *Diff) judge() {
	for _, c := range d.Changes {
		d.Impact = higher(d.Impact, c.Impact)
	}
	for _, r := range d.Reach {
		d.Impact = higher(d.Impact, r.Impact)
	}
	for _, f := range d.Files {
		if f.DigestOnly {
			continue
		}
		d.Impact = higher(d.Impact, f.Impact)
		d.Today = Reboot // every file is part of the image
	}
	d.Changed = len(d.Changes) > 0 || len(d.Reach) > 0 || len(d.Ceilings) > 0 || d.Today != None
}

func atRisk(b *sizing.Budget) CallsAtRisk {
	up := math.Max(b.CallsHeld.Value-b.OfferedCalls.Value, 0)
	return CallsAtRisk{SettingUp: up, Answered: b.CallsHeld.Value - up}
}

func side(in Input) Side {
	p := in.Plan
	return Side{Label: in.Label, Appliance: p.Appliance.Name, SpecDigest: p.SpecDigest, Trunkline: p.Trunkline, Errored: p.Errored, Verdict: p.Verdict}
}

// budget compares the figures that appliance.json does not hold.
func (w *walker) budget(a, b *sizing.Budget) {
	figure := func(path, object, field string, x, y sizing.Figure) {
		if x.Value != y.Value {
			w.emit(Change{Action: Modify, Path: path, Object: object, Field: field, Unit: y.Unit, Before: x.Value, After: y.Value})
			w.out[len(w.out)-1].Unit = y.Unit
		}
	}
	figure("budget.rate", "", "planned rate", rate(a), rate(b))
	figure("budget.calls_held", "", "calls held at once", a.CallsHeld, b.CallsHeld)
	figure("budget.cores_needed", "", "cores of work", a.CoresNeeded, b.CoresNeeded)
	figure("budget.total_workers", "", "workers in all", a.TotalWorkers, b.TotalWorkers)
	figure("budget.open_files", "", "open files", a.OpenFiles, b.OpenFiles)
	was := map[string]sizing.Figure{}
	for _, m := range a.Memory {
		was[m.Name] = m.Bytes
	}
	for _, m := range b.Memory {
		figure("budget.memory", "memory map", strings.ToLower(m.Name[:1])+m.Name[1:], was[m.Name], m.Bytes)
		delete(was, m.Name)
	}
	for _, m := range a.Memory { // in order, what is left
		if x, gone := was[m.Name]; gone {
			figure("budget.memory", "memory map", m.Name, x, sizing.Figure{Unit: x.Unit})
		}
	}
}

// sysctls compares the kernel's settings; both lists are sorted by key.
func (w *walker) sysctls(a, b []sizing.Sysctl) {
	was := map[string]string{}
	for _, s := range a {
		was[s.Key] = s.Value
	}
	for _, s := range b {
		switch old, ok := was[s.Key]; {
		case !ok:
			w.emit(Change{Action: Add, Path: "sysctls[]", Object: "sysctl " + s.Key, Summary: s.Value, After: s.Value})
		case old != s.Value:
			w.emit(Change{Action: Modify, Path: "sysctls[]", Object: "sysctl", Field: s.Key, Before: old, After: s.Value})
		}
		delete(was, s.Key)
	}
	for _, s := range a {
		if _, gone := was[s.Key]; gone {
			w.emit(Change{Action: Remove, Path: "sysctls[]", Object: "sysctl " + s.Key, Summary: s.Value, Before: s.Value})
		}
	}
}

// rate is the planned call rate, from which the offered load was computed.
func rate(b *sizing.Budget) sizing.Figure {
	for _, in := range b.OfferedCalls.Inputs {
		if in.Unit == "calls/s" {
			return sizing.Figure{Value: in.Value, Unit: in.Unit}
		}
	}
	return sizing.Figure{Unit: "calls/s"}
}

// reach compares who gets to which socket: sources and peers alike may send
// requests, and both firewall and sbcd let nobody else. Services beside SIP are
// sockets, too; one without sources is open to its family.
func reach(a, b *runtime.Appliance) []Reach {
	type socket struct {
		listener string
		before   []netip.Prefix
		after    []netip.Prefix
		closed   bool // no listener has it any more
	}
	all := map[string]*socket{}
	var order []string
	at := func(o opening) *socket {
		if all[o.socket] == nil {
			all[o.socket] = &socket{}
			order = append(order, o.socket)
		}
		all[o.socket].listener = o.name
		return all[o.socket]
	}
	for _, o := range openings(a) {
		at(o).before, at(o).closed = o.who, true
	}
	for _, o := range openings(b) {
		at(o).after, at(o).closed = o.who, false
	}
	out := []Reach{}
	for _, key := range order {
		s := all[key]
		if slices.Equal(s.before, s.after) {
			continue
		}
		r := Reach{Socket: key, Listener: s.listener, Gained: without(s.after, s.before), Lost: without(s.before, s.after), Impact: Live}
		if s.closed {
			r.Impact = Restart // the socket goes, not only the way to it
		}
		if len(r.Gained)+len(r.Lost) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// opening is one socket, or range of ports, that packets get to.
type opening struct {
	socket, name string
	who          []netip.Prefix
}

func openings(a *runtime.Appliance) []opening {
	var out []opening
	for _, l := range a.Listeners {
		out = append(out, opening{l.Transport + " " + l.Address.String(), l.Name, slices.Concat(l.Sources, l.Peers)})
	}
	for _, s := range a.Firewall.Services {
		for _, addr := range s.Addresses {
			o := opening{s.Protocol + " " + netip.AddrPortFrom(addr, s.FirstPort).String(), s.Name, nil}
			if s.LastPort > s.FirstPort {
				o.socket += fmt.Sprintf("-%d", s.LastPort)
			}
			for _, p := range s.Sources {
				if p.Addr().Is4() == addr.Is4() {
					o.who = append(o.who, p)
				}
			}
			if len(s.Sources) == 0 {
				everybody := netip.IPv4Unspecified()
				if addr.Is6() {
					everybody = netip.IPv6Unspecified()
				}
				o.who = []netip.Prefix{netip.PrefixFrom(everybody, 0)}
			}
			out = append(out, o)
		}
	}
	return out
}

// ceilings lists those that moved, the lowest headroom after the change first.
func ceilings(a, b *sizing.Budget) []CeilingChange {
	type key struct{ resource, axis string }
	was := map[key]sizing.Ceiling{}
	for _, c := range a.Ceilings {
		was[key{c.Resource, c.Axis}] = c
	}
	out := []CeilingChange{}
	add := func(c CeilingChange) {
		if c.Before != c.After || math.Abs(c.HeadroomBefore-c.HeadroomAfter) > 1e-9 {
			out = append(out, c)
		}
	}
	for _, c := range b.Ceilings {
		k := key{c.Resource, c.Axis}
		add(CeilingChange{Resource: c.Resource, Axis: c.Axis, Before: was[k].At.Value, After: c.At.Value, HeadroomBefore: was[k].Headroom, HeadroomAfter: c.Headroom})
		delete(was, k)
	}
	for _, c := range a.Ceilings {
		if _, gone := was[key{c.Resource, c.Axis}]; gone {
			add(CeilingChange{Resource: c.Resource, Axis: c.Axis, Before: c.At.Value, HeadroomBefore: c.Headroom})
		}
	}
	return out
}

// findings are those of p that q has not. The line is no part of a finding: it
// moves with every edit above it.
func findings(p, q *plan.Plan) []Finding {
	// The severity counts: a finding that is waived from now on is told.
	type key struct{ id, summary, severity string }
	in := map[key]bool{}
	for _, f := range q.Budget.Findings {
		in[key{f.ID, f.Summary, f.Severity}] = true
	}
	out := []Finding{}
	for _, f := range p.Budget.Findings {
		if !in[key{f.ID, f.Summary, f.Severity}] {
			out = append(out, Finding{ID: f.ID, Severity: f.Severity, Summary: f.Summary, Detail: f.Detail, At: f.At})
		}
	}
	return out
}

// files compares the config layers.
func files(a, b Input) []FileChange {
	was := map[string]plan.FileSum{}
	for _, f := range a.Plan.Files {
		was[f.Path] = f
	}
	out := []FileChange{}
	for _, f := range b.Plan.Files {
		old, ok := was[f.Path]
		delete(was, f.Path)
		r := fileRuleOf(f.Path)
		switch {
		case !ok:
			out = append(out, FileChange{Path: f.Path, Action: Add, After: f.SHA256, Size: f.Size, Impact: r.on(Add), How: r.How, Lines: lines(a, b, f.Path)})
		case old.SHA256 != f.SHA256 || old.Mode != f.Mode || old.Link != f.Link:
			c := FileChange{Path: f.Path, Action: Modify, Before: old.SHA256, After: f.SHA256, Size: f.Size, Impact: r.Impact, How: r.How}
			if old.Content != "" && old.Content == f.Content && old.Mode == f.Mode && old.Link == f.Link {
				c.DigestOnly, c.Impact, c.How = true, None, "only the spec digest in it differs"
			} else {
				c.Lines = lines(a, b, f.Path)
			}
			out = append(out, c)
		}
	}
	for path, f := range was {
		r := fileRuleOf(path)
		out = append(out, FileChange{Path: path, Action: Remove, Before: f.SHA256, Size: f.Size, Impact: r.Impact, How: r.How, Lines: lines(a, b, path)})
	}
	slices.SortFunc(out, func(x, y FileChange) int { return strings.Compare(x.Path, y.Path) })
	return out
}

// maxLines bounds what is compared line by line: a table of a million prefixes
// is nothing to read.
const maxLines = 256 << 10

// lines is the unified diff of a file, where both sides' texts are known.
func lines(a, b Input, path string) string {
	if a.Files == nil || b.Files == nil {
		return ""
	}
	x := bytes.ReplaceAll(a.Files[path], []byte(a.Plan.SpecDigest), []byte(b.Plan.SpecDigest))
	y := b.Files[path]
	if len(x)+len(y) > maxLines {
		return ""
	}
	_, text, _ := strings.Cut(string(udiff.Diff("", x, "", y)), "\n") // the head repeats the path
	if i := strings.Index(text, "@@"); i >= 0 {
		return text[i:]
	}
	return ""
}
