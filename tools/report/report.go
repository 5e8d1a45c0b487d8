// Package report renders a plan as plain text for people: short by default, with
// every figure's formula on demand.
//
// The first line is the verdict: what saturates first, at how much, and the one
// change that raises it. Text is a pure function of the plan and the options;
// it is ASCII apart from what the spec itself brings, wraps at the width given
// and uses colour only when asked to. Errors are those of the writer.
package report

import (
	"fmt"
	"io"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/canvas"
)

// Options choose how a plan is shown.
type Options struct {
	Width int  // columns; below 60: 80
	Full  bool // everything, with formulas; otherwise what a reviewer must see
	Color bool // ANSI colours
}

// shortCeilings is how many rungs the short view shows: the next surprises.
const shortCeilings = 5

// Text writes p for people.
func Text(w io.Writer, p *plan.Plan, o Options) error {
	if o.Width < 60 {
		o.Width = 80
	}
	v := &view{Canvas: canvas.Canvas{Width: o.Width, Color: o.Color}, o: o, p: p}
	v.verdict()
	v.head()
	v.sizing()
	v.listeners()
	v.state()
	v.memory()
	v.ceilings()
	v.findings()
	v.firewall()
	v.image()
	if o.Full {
		v.parts()
		v.rules()
		v.sysctls()
		v.files()
		v.figures()
	} else {
		v.summary()
	}
	_, err := io.WriteString(w, v.String())
	return err
}

type view struct {
	canvas.Canvas
	o Options
	p *plan.Plan
}

func (v *view) verdict() {
	code := canvas.Green
	if v.p.Budget.Errored() || v.p.Errored {
		code = canvas.Red
	} else if v.p.Findings(sizing.SeverityWarning) > 0 || len(v.p.NotBuilt) > 0 {
		code = canvas.Yellow
	}
	// One line, however long: `head -1` must give all of it.
	v.WriteString(v.Paint(v.p.Verdict, code) + "\n")
	if n := v.p.Findings(sizing.SeverityError); n > 0 {
		v.Wrap(fmt.Sprintf("This plan cannot be built: %s, see Findings.", canvas.Plural(n, "error")), "", "  ", canvas.Red)
	}
	if text := NotBuilt(v.p); text != "" {
		v.Wrap(text, "", "  ", canvas.Yellow)
		for _, m := range NotBuiltParts(v.p) {
			for _, part := range m.Parts {
				at := ""
				if part.At != "" {
					at = " (" + part.At + ")"
				}
				v.Wrap(part.What+at, "  ", "    ", canvas.Yellow)
			}
			v.Wrap(m.Detail, "    ", "    ", "")
		}
	}
}

func (v *view) head() {
	a, b := v.p.Appliance, v.p.Budget
	name := a.Name
	if a.Site != "" {
		name += " (" + a.Site + ")"
	}
	made := "Spec " + canvas.Digest(v.p.SpecDigest) + ", Trunkline " + v.p.Trunkline
	if text := Calibrated(v.p); text != "" {
		made += ", " + text
	}
	v.WriteString("\n")
	v.Wrap(fmt.Sprintf("%s: %s planned, %s calls held at once, %s offered. %s.",
		name, Rate(b), sizing.Count(b.CallsHeld.Value), b.OfferedCalls.Format(), made), "", "  ", "")
}

func (v *view) sizing() {
	a, b := v.p.Appliance, v.p.Budget
	used := float64(a.Hardware.MemoryBytes) - free(b)
	v.Title("Sizing")
	rows := [][]string{
		{"CPU", fmt.Sprintf("%s cores of work on %s", sizing.Count(b.CoresNeeded.Value), canvas.Plural(a.Hardware.Threads, "hardware thread"))},
		{"Workers", sizing.Count(b.TotalWorkers.Value)},
		{"Transactions", sizing.Count(b.Transactions.Value) + " slots, messages " + b.MessageBytes.Format()},
		{"Calls", sizing.Count(b.Calls.Value) + " slots"},
	}
	if e := b.Emergency; e != nil {
		rows = append(rows, []string{"Emergency calls", fmt.Sprintf("room for %s beyond the high-water mark", canvas.Plural(int(e.Calls.Value), "call"))})
	}
	rows = append(rows, [][]string{
		{"State", b.SHMTotal.Format()},
		{"Process", b.ProcessLimit.Format() + " soft limit"},
		{"Memory", fmt.Sprintf("%s of %s", sizing.Bytes(used), sizing.Bytes(float64(a.Hardware.MemoryBytes)))},
	}...)
	for _, n := range b.NICs {
		rows = append(rows, []string{"NIC " + n.NIC, fmt.Sprintf("%s, %s received, %s", Amount(n.Bandwidth), Amount(n.Packets), canvas.Plural(int(n.Queues.Value), "receive queue"))})
	}
	if m := b.Media; m != nil {
		rows = append(rows, []string{"Media", fmt.Sprintf("%s, %s commands/s, %s received", canvas.Plural(int(m.Sessions.Value), "session"), sizing.Count(m.Commands.Value), Amount(m.Bandwidth))})
	}
	for _, d := range b.Databases {
		of := "max_connections is not stated"
		if d.Limit.Value > 0 {
			of = "max_connections " + sizing.Count(d.Limit.Value)
		}
		rows = append(rows, []string{"Database " + d.Database, canvas.Plural(int(d.Connections.Value), "connection") + ", " + of})
	}
	v.table([]column{{}, {}}, rows)
}

func (v *view) listeners() {
	v.Title("Listeners")
	rows := [][]string{{"listener", "address", "workers", "recv buffer", "send buffer"}}
	for i, l := range v.p.Appliance.Listeners {
		b := v.p.Budget.Listeners[i]
		rows = append(rows, []string{l.Name, l.Transport + " " + l.Address.String(), sizing.Count(b.Workers.Value), b.RecvBuffer.Format(), b.SendBuffer.Format()})
	}
	v.table([]column{{}, {}, {right: true}, {right: true}, {right: true}}, rows, true)
}

func (v *view) state() {
	v.Title("State memory")
	rows := [][]string{{"table", "rows", "bytes each", "bytes"}}
	for _, t := range v.p.Budget.SHM {
		rows = append(rows, []string{t.Name, sizing.Count(t.Rows.Value), whole(t.BytesPerRow.Value), t.Bytes.Format()})
	}
	rows = append(rows, []string{"total", "", "", v.p.Budget.SHMTotal.Format()})
	v.table([]column{{}, {right: true}, {right: true}, {right: true}}, rows, true)
}

func (v *view) memory() {
	v.Title("Memory map")
	total := float64(v.p.Appliance.Hardware.MemoryBytes)
	var rows [][]string
	for _, m := range v.p.Budget.Memory {
		rows = append(rows, []string{m.Name, m.Bytes.Format(), bar(m.Bytes.Value, total, v.o.Width-60)})
	}
	rows = append(rows, []string{"installed", sizing.Bytes(total), ""})
	v.table([]column{{}, {right: true}, {}}, rows)
}

func (v *view) ceilings() {
	v.Title("Ceilings, lowest headroom first")
	list := v.p.Budget.Ceilings
	if !v.o.Full && len(list) > shortCeilings {
		list = list[:shortCeilings]
	}
	rows := [][]string{{"resource", "saturates at", "headroom"}}
	for _, c := range list {
		unit := " calls/s"
		if c.Axis == sizing.AxisConcurrent {
			unit = " calls"
		}
		rows = append(rows, []string{c.Resource, sizing.Count(c.At.Value) + unit, fmt.Sprintf("%.2fx", c.Headroom)})
	}
	v.table([]column{{}, {right: true}, {right: true}}, rows, true)
	if v.o.Full {
		v.WriteString("\n")
		for _, c := range list {
			v.Wrap(c.Resource+": "+c.Remedy, "  ", "    ", "")
		}
	} else if more := len(v.p.Budget.Ceilings) - len(list); more > 0 {
		v.Wrap(fmt.Sprintf("and %d more with more headroom", more), "  ", "  ", canvas.Dim)
	}
}

func (v *view) findings() {
	v.Title("Findings")
	notes := 0
	shown := 0
	for _, f := range v.p.Budget.Findings {
		if f.Severity == sizing.SeverityNote && !v.o.Full {
			notes++
			continue
		}
		shown++
		at := ""
		if f.At != "" {
			at = " (" + f.At + ")"
		}
		v.Wrap(fmt.Sprintf("%s: %s%s", f.Severity, f.Summary, at), "  ", "    ", severity(f.Severity))
		v.Wrap(f.Detail, "    ", "    ", "")
	}
	switch {
	case notes > 0 && shown == 0:
		v.Wrap("none, and "+canvas.Plural(notes, "note"), "  ", "  ", "")
	case notes > 0:
		v.Wrap("and "+canvas.Plural(notes, "note"), "  ", "  ", canvas.Dim)
	case shown == 0:
		v.Wrap("none", "  ", "  ", "")
	}
}
