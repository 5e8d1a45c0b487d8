package markdown

import (
	"fmt"
	"net/netip"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/tools/report"
)

type section struct{ title, body string }

// glance is what a reviewer compares: the figures that cost money.
func glance(p *plan.Plan) (string, string) {
	b, a := p.Budget, p.Appliance
	used := float64(a.Hardware.MemoryBytes)
	if n := len(b.Memory); n > 0 {
		used -= b.Memory[n-1].Bytes.Value
	}
	rows := [][]string{
		{"New calls", report.Rate(b), ""},
		{"Calls held at once", sizing.Count(b.CallsHeld.Value), sizing.Count(b.Calls.Value) + " slots"},
		{"CPU", sizing.Count(b.CoresNeeded.Value) + " cores of work", plural(a.Hardware.Threads, "hardware thread")},
		{"Workers", sizing.Count(b.TotalWorkers.Value), ""},
		{"Memory", sizing.Bytes(used), sizing.Bytes(float64(a.Hardware.MemoryBytes))},
	}
	for _, n := range b.NICs {
		rows = append(rows, []string{"NIC " + escape(n.NIC), report.Amount(n.Bandwidth) + ", " + report.Amount(n.Packets), plural(int(n.Queues.Value), "receive queue")})
	}
	if m := b.Media; m != nil {
		rows = append(rows, []string{"Media", plural(int(m.Sessions.Value), "session"), plural(len(m.Instances), "media server")})
		for _, i := range m.Instances {
			if i.Cores != nil && i.Memory != nil && i.MemoryLimit != nil { // on the appliance itself
				rows = append(rows, []string{"Media relay " + escape(i.Name), sizing.Count(i.Cores.Value) + " cores, " + report.Amount(*i.Memory), report.Amount(*i.MemoryLimit)})
			}
		}
	}
	for _, d := range b.Databases {
		limit := ""
		if d.Limit.Value > 0 {
			limit = sizing.Count(d.Limit.Value)
		}
		rows = append(rows, []string{"Connections to database " + escape(d.Database), sizing.Count(d.Connections.Value), limit})
	}
	return "At a glance", table([]string{"", ">planned", ">provided"}, rows)
}

// parts are the tables of what only some plans have.
func parts(p *plan.Plan) string {
	var out []string
	for _, t := range report.Parts(p) {
		out = append(out, shared(t))
	}
	return strings.Join(out, "\n")
}

// shared is a table that all views have.
func shared(t report.Table) string {
	var head []string
	for _, c := range t.Columns {
		if c.Number {
			c.Name = ">" + c.Name
		}
		head = append(head, c.Name)
	}
	var rows [][]string
	for _, r := range t.Rows {
		var cells []string
		for _, c := range r {
			cells = append(cells, shorten(escape(c), 600))
		}
		rows = append(rows, cells)
	}
	return "**" + escape(t.Title) + "**\n\n" + rowsOf(head, rows)
}

// sections are the folded ones, the most asked for first: when the limit bites,
// the last go.
func sections(p *plan.Plan) []section {
	b := p.Budget
	return []section{
		{fmt.Sprintf("Ceilings: %d, lowest headroom first", len(b.Ceilings)), ceilings(b)},
		{"Who may send", reach(p)},
		{"Listeners", listeners(p)},
		{"Memory map", memory(p)},
		{"CPUs, interfaces, media, databases, updates", parts(p)},
		{"State of calls", tables(b)},
		{"Kernel settings", sysctls(b)},
		{"Files of the config layer", files(p)},
		{"Firewall rules", rules(p)},
	}
}

func ceilings(b *sizing.Budget) string {
	var rows [][]string
	for _, c := range b.Ceilings {
		unit := " calls/s"
		if c.Axis == sizing.AxisConcurrent {
			unit = " calls"
		}
		rows = append(rows, []string{escape(c.Resource), sizing.Count(c.At.Value) + unit, fmt.Sprintf("%.2fx", c.Headroom), escape(c.Remedy)})
	}
	return table([]string{"resource", ">saturates at", ">headroom", "to raise it"}, rows)
}

func reach(p *plan.Plan) string {
	if !p.Appliance.Firewall.Enabled {
		return "The firewall is **off**: anyone may send to the listeners, sbcd alone drops strangers.\n"
	}
	var rows [][]string
	for _, l := range p.Appliance.Listeners {
		rows = append(rows, []string{escape(l.Name), cell(l.Transport + " " + l.Address.String()), prefixes(l.Sources), prefixes(l.Peers)})
	}
	services := ""
	if t := report.Services(p); len(t.Rows) > 0 {
		services = "\n" + shared(t)
	}
	return table([]string{"listener", "address", "sources", "peers"}, rows) + services +
		fmt.Sprintf("\nEverything else is dropped. One source may send %s packets/s (burst %s).\n",
			sizing.Count(float64(p.Appliance.Firewall.SourceRate)), sizing.Count(float64(p.Appliance.Firewall.SourceBurst)))
}

// prefixes lists networks; a list longer than a reader's patience is counted.
func prefixes(list []netip.Prefix) string {
	const most = 32
	if len(list) == 0 {
		return "none"
	}
	var out []string
	for _, n := range list[:min(len(list), most)] {
		s := n.String()
		if n.IsSingleIP() {
			s = n.Addr().String()
		}
		out = append(out, code(s))
	}
	if more := len(list) - most; more > 0 {
		out = append(out, plural(more, "other"))
	}
	return strings.Join(out, ", ")
}

func listeners(p *plan.Plan) string {
	var rows [][]string
	for _, l := range p.Budget.Listeners {
		rows = append(rows, []string{escape(l.Listener), sizing.Count(l.Workers.Value), l.RecvBuffer.Format(), l.SendBuffer.Format()})
	}
	return table([]string{"listener", ">workers", ">receive buffer", ">send buffer"}, rows)
}

func memory(p *plan.Plan) string {
	var rows [][]string
	total := float64(p.Appliance.Hardware.MemoryBytes)
	for _, m := range p.Budget.Memory {
		share := ""
		if total > 0 {
			share = fmt.Sprintf("%.1f %%", 100*m.Bytes.Value/total)
		}
		rows = append(rows, []string{escape(m.Name), m.Bytes.Format(), share})
	}
	rows = append(rows, []string{"installed", sizing.Bytes(total), ""})
	return table([]string{"", ">bytes", ">share"}, rows)
}

func tables(b *sizing.Budget) string {
	var rows [][]string
	for _, t := range b.SHM {
		rows = append(rows, []string{escape(t.Name), sizing.Count(t.Rows.Value), sizing.Count(t.BytesPerRow.Value), t.Bytes.Format()})
	}
	rows = append(rows, []string{"total", "", "", b.SHMTotal.Format()})
	return table([]string{"table", ">rows", ">bytes each", ">bytes"}, rows)
}

func sysctls(b *sizing.Budget) string {
	var rows [][]string
	for _, s := range b.Sysctls {
		rows = append(rows, []string{cell(s.Key), cell(s.Value), escape(s.Why)})
	}
	for _, s := range b.Kernel {
		rows = append(rows, []string{cell(s.Key), cell(s.Value), "On the kernel's command line: " + escape(s.Why)})
	}
	return table([]string{"key", "value", "why"}, rows)
}

func files(p *plan.Plan) string {
	var rows [][]string
	for _, f := range p.Files {
		rows = append(rows, []string{cell(f.Path), sizing.Bytes(float64(f.Size)), cell(f.SHA256[:min(12, len(f.SHA256))])})
	}
	return table([]string{"file", ">size", "sha256"}, rows)
}

func rules(p *plan.Plan) string {
	if p.Ruleset == "" {
		return ""
	}
	return block("text", p.Ruleset)
}
