package spec

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// decoder turns checked sections into a Spec, collecting diagnostics.
type decoder struct {
	src   *source
	ctx   *hcl.EvalContext
	diags hcl.Diagnostics
	// hurt names blocks that exist but were written under a misspelt type, so
	// that references to them are not reported as well.
	hurt map[[2]string]bool
}

func newDecoder(src *source) *decoder {
	d := &decoder{src: src, hurt: map[[2]string]bool{}}
	d.ctx = &hcl.EvalContext{Functions: d.functions()}
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
	root.fill(bodies)

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
	d.waivers(root, s)

	d.checkHardware(s)
	d.checkListeners(s)
	d.shareOut(s)
	d.checkDispatchers(s)
	d.checkRoutes(s)
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
	d.diags = append(d.diags, &hcl.Diagnostic{Severity: sev, Summary: summary, Detail: detail, Subject: &subject})
}

// notBuilt reports a part of the language that a later version will build.
func (d *decoder) notBuilt(subject hcl.Range, what string) {
	d.errorf(subject, "Not built yet", "The %s belongs to the spec language but is not built yet in this version. Remove it.", what)
}

// broken remembers a block that could not be read although it was written.
func (d *decoder) broken(typ, name string) { d.hurt[[2]string{typ, name}] = true }

func (d *decoder) isBroken(typ, name string) bool { return d.hurt[[2]string{typ, name}] }
