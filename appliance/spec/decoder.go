package spec

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// decoder turns checked sections into a Spec, collecting diagnostics.
type decoder struct {
	src   *source
	opts  Options
	base  *hcl.EvalContext // functions alone
	ctx   *hcl.EvalContext // with variables and locals
	diags hcl.Diagnostics

	unbuilt []NotBuilt

	name  string // of the appliance; empty: not known yet
	pick  *block // its block
	fleet bool   // it is one of several

	appliances int // of the directory

	own           []named     // values its block gives
	settled       []*variable // variables with their values
	variableNames []string
	localNames    []string
	used          map[string]bool // files read for it; the digest covers these
	shown         map[hcl.Range]*evaluated
	checking      bool // all blocks are decoded
	spent         bool // that the budget is spent has been reported
	// hurt names blocks that exist but were written under a misspelt type, so
	// that references to them are not reported as well.
	hurt map[[2]string]bool
}

func newDecoder(src *source, o Options) *decoder {
	d := &decoder{src: src, opts: o, hurt: map[[2]string]bool{}, used: map[string]bool{}, shown: map[hcl.Range]*evaluated{}}
	d.base = &hcl.EvalContext{Functions: d.functions()}
	d.ctx = d.base
	return d
}

// decode reads the merged bodies. The Spec is usable only if no diagnostic is an
// error.
func (d *decoder) decode(bodies []*hclsyntax.Body) *Spec {
	root := &section{d: d, schema: &rootSchema, what: "spec"}
	if len(bodies) > 0 {
		root.def = bodies[0].MissingItemRange()
	}
	if d.otherVersion(bodies) {
		return nil
	}
	d.scope(bodies)
	root.fill(bodies, d.ctx)

	s := &Spec{FormatVersion: d.formatVersion(root)}
	d.appliance(root, s)
	d.hardware(root, s)
	d.workload(root, s)
	d.listeners(root, s)
	d.dispatchers(root, s)
	d.caches(root, s)
	d.routes(root, s)
	d.limits(root, s)
	d.transaction(root, s)
	d.state(root, s)
	d.firewall(root, s)
	d.session(root, s)
	d.messages(root, s)
	d.secrets(root, s)
	d.databases(root, s)
	d.media(root, s)
	d.sockets(root, s)
	d.control(root, s)
	d.update(root, s)
	d.waivers(root, s)

	d.checking = true
	d.checkHardware(s)
	d.checkListeners(s)
	d.shareOut(s)
	d.checkDispatchers(s)
	d.checkRoutes(s)
	d.checkMedia(s)
	d.checkServices(s)
	d.checkCalls(s)
	d.checkBounds(s)
	s.NotBuilt = inLineOrder(d.unbuilt)
	return s
}

func (d *decoder) formatVersion(root *section) int {
	v := root.integer("format_version", 1, maxInt, FormatVersion)
	if v != FormatVersion { // of a computed version alone: see otherVersion
		d.wrongVersion(v, root.rng("format_version"))
	}
	return v
}

func (d *decoder) errorf(subject hcl.Range, summary, detail string, args ...any) {
	d.report(hcl.DiagError, subject, summary, fmt.Sprintf(detail, args...))
}

func (d *decoder) warnf(subject hcl.Range, summary, detail string, args ...any) {
	d.report(hcl.DiagWarning, subject, summary, fmt.Sprintf(detail, args...))
}

func (d *decoder) report(sev hcl.DiagnosticSeverity, subject hcl.Range, summary, detail string) {
	diag := &hcl.Diagnostic{Severity: sev, Subject: &subject, Summary: summary, Detail: detail}
	if e := d.shown[subject]; e != nil && !(d.checking && e.several) && brief(e.expr, e.ctx) {
		diag.Expression, diag.EvalContext = e.expr, e.ctx // their values are shown
	}
	d.diags = append(d.diags, diag)
}

// notBuilt records a part of the language that this version cannot run.
func (d *decoder) notBuilt(what string, at hcl.Range) {
	d.unbuilt = append(d.unbuilt, NotBuilt{What: what, Range: at})
}

// broken remembers a block that could not be read although it was written.
func (d *decoder) broken(typ, name string) { d.hurt[[2]string{typ, name}] = true }

// anyName stands for the names of blocks that could not be made.
const anyName = "*"

func (d *decoder) isBroken(typ, name string) bool {
	return d.hurt[[2]string{typ, name}] || d.hurt[[2]string{typ, anyName}]
}

// inLineOrder sorts by file and position; equal ones stay as found.
func inLineOrder(list []NotBuilt) []NotBuilt {
	slices.SortStableFunc(list, func(a, b NotBuilt) int {
		return cmp.Or(cmp.Compare(a.Range.Filename, b.Range.Filename), cmp.Compare(a.Range.Start.Byte, b.Range.Start.Byte))
	})
	return list
}
