package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"trunkline/appliance/plan"
	"trunkline/appliance/plan/schema"
	"trunkline/appliance/sizing"
	"trunkline/appliance/spec"
	"trunkline/tools/report"
)

// loadAll is load for every appliance of a spec.
func (a *app) loadAll(dir string) ([]*spec.Spec, error) {
	o, err := a.specOptions()
	if err != nil {
		return nil, err
	}
	specs, diags, files := spec.LoadFleet(dir, o)
	if err := a.tell(dir, diags, files); err != nil {
		return nil, err
	}
	return specs, nil
}

// validFleet is what validate says of several appliances: one line each.
func (a *app) validFleet(dir string, specs []*spec.Spec) error {
	w := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, s := range specs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d CPS, %d calls\n", s.Appliance.Name, s.Appliance.Site,
			count(len(s.Listeners), "listener"), count(len(s.Dispatchers), "dispatcher"), s.Workload.CPS, s.Workload.ConcurrentCalls)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(a.Stdout, "%s: the specs of %s are valid.\n", dir, count(len(specs), "appliance")); err != nil {
		return err
	}
	return a.strictly(dir)
}

// planFleet plans every appliance and shows one line of each; with --full all of
// each.
func (a *app) planFleet(ctx context.Context, specs []*spec.Spec, o viewOptions) error {
	made, err := a.planSpecs(ctx, specs)
	if err != nil {
		return err
	}
	plans := make([]*plan.Plan, len(made))
	for i, p := range made {
		plans[i] = p.plan
	}

	var b bytes.Buffer
	text := report.Options{Width: width(a.Stdout), Full: true, Color: a.color(a.Stdout)}
	if o.file != "" {
		text = report.Options{Width: plainWidth, Full: true}
	}
	write := func() error { return writeFleet(&b, plans, specs, o, text) }
	if o.format != formatText && o.format != formatJSON {
		write = func() error { return a.writeFleetView(&b, plans, specs[0].Dir, o) }
	}
	if err := write(); err != nil {
		return err
	}
	if o.file != "" {
		if err := writeFile(o.file, b.Bytes()); err != nil {
			return fmt.Errorf("output %s: %w", o.file, err)
		}
	} else if _, err := a.Stdout.Write(b.Bytes()); err != nil {
		return err
	}
	refused := 0
	for _, p := range plans {
		if a.refused(p) {
			fmt.Fprintln(a.Stderr, a.refusal(p))
			refused++
		}
	}
	if refused > 0 {
		return errShown
	}
	return nil
}

func writeFleet(w io.Writer, plans []*plan.Plan, specs []*spec.Spec, o viewOptions, text report.Options) error {
	if o.format == formatJSON {
		return schema.WriteFleet(w, schema.NewFleet(plans))
	}
	if o.full {
		for i, p := range plans {
			if i > 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintf(w, "== %s ==\n\n", p.Appliance.Name)
			if err := report.Text(w, p, text); err != nil {
				return err
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "APPLIANCE\tSTATE\tCARRIES\tMEMORY\tSATURATES FIRST\n")
	errored := 0
	for i, p := range plans {
		state := "ok"
		errs, warnings := p.Findings(sizing.SeverityError), p.Findings(sizing.SeverityWarning)
		switch {
		case p.Errored:
			state = count(errs, "error")
			errored++
		case len(p.NotBuilt) > 0:
			state = fmt.Sprintf("%d not built", len(p.NotBuilt))
		case warnings > 0:
			state = count(warnings, "warning")
		}
		fmt.Fprintf(t, "%s\t%s\t%d CPS, %d calls\t%s\t%s\n", p.Appliance.Name, state,
			specs[i].Workload.CPS, specs[i].Workload.ConcurrentCalls, sizing.Bytes(float64(specs[i].Hardware.Memory)), strings.TrimPrefix(firstSentence(p.Verdict), "Saturates first: "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s, %d with an error. One of them in full: -appliance NAME; all of them: -full\n", count(len(plans), "appliance"), errored)
	return err
}

// firstSentence cuts a verdict to what fits into a line.
func firstSentence(text string) string {
	for i := 0; i+1 < len(text); i++ {
		if text[i] == '.' && text[i+1] == ' ' {
			return text[:i]
		}
	}
	return text
}
