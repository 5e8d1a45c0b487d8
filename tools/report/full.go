package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"trunkline/appliance/sizing"
	"trunkline/tools/report/canvas"
)

func (v *view) firewall() {
	a := v.p.Appliance
	v.Title("Firewall")
	if !a.Firewall.Enabled {
		v.Wrap("off: anyone may send to the listeners, sbcd alone drops strangers", "  ", "    ", canvas.Yellow)
		return
	}
	rows := [][]string{{"listener", "sources", "peers"}}
	for _, l := range a.Listeners {
		rows = append(rows, []string{l.Name, v.nets(len(l.Sources), func(i int) string { return l.Sources[i].String() }), v.nets(len(l.Peers), func(i int) string { return l.Peers[i].Addr().String() })})
	}
	v.table([]column{{}, {}, {}}, rows, true)
	if t := Services(v.p); len(t.Rows) > 0 {
		v.Wrap(t.Title+":", "  ", "  ", "")
		v.shared(t)
	}
	v.Wrap(fmt.Sprintf("Everything else is dropped. One source may send %s packets/s (burst %s).",
		sizing.Count(float64(a.Firewall.SourceRate)), sizing.Count(float64(a.Firewall.SourceBurst))), "  ", "  ", "")
}

// nets lists a few networks, or all of them in the full view.
func (v *view) nets(n int, at func(int) string) string {
	limit := 2
	if v.o.Full {
		limit = 4
	}
	var out []string
	for i := 0; i < n && i < limit; i++ {
		out = append(out, at(i))
	}
	s := strings.Join(out, ", ")
	if n > limit {
		s += fmt.Sprintf(" and %d more", n-limit)
	}
	if n == 0 {
		s = "-"
	}
	return s
}

func (v *view) image() {
	t := Image(v.p)
	note := ImageNote(v.p)
	if note == "" {
		return
	}
	if len(t.Rows) > 0 {
		v.Title(t.Title)
		v.shared(t)
	} else {
		v.Title("In the image alone")
	}
	v.Wrap(note, "  ", "  ", "")
}

func (v *view) sysctls() {
	v.Title("Kernel settings")
	for _, s := range v.p.Budget.Sysctls {
		v.Wrap(s.Key+" = "+s.Value, "  ", "    ", "")
		v.Wrap(s.Why, "    ", "    ", canvas.Dim)
	}
	for _, s := range v.p.Budget.Kernel {
		v.Wrap("on the kernel's command line: "+s.Key+"="+s.Value, "  ", "    ", "")
		v.Wrap(s.Why, "    ", "    ", canvas.Dim)
	}
}

func (v *view) files() {
	v.Title("Files of the config layer")
	if !v.p.Complete {
		v.Wrap("not rendered", "  ", "  ", "")
		return
	}
	rows := [][]string{{"file", "size", "sha256"}}
	for _, f := range v.p.Files {
		rows = append(rows, []string{f.Path, sizing.Bytes(float64(f.Size)), f.SHA256[:min(12, len(f.SHA256))]})
	}
	v.table([]column{{}, {right: true}, {}}, rows, true)
}

// summary closes the short view.
func (v *view) summary() {
	if !v.p.Complete {
		return
	}
	size := 0
	for _, f := range v.p.Files {
		size += f.Size
	}
	v.WriteString("\n")
	v.Wrap(fmt.Sprintf("Config layer: %s, %s. For formulas, kernel settings and digests: the full report.",
		canvas.Plural(len(v.p.Files), "file"), sizing.Bytes(float64(size))), "", "  ", "")
}

// Term renders an input so that the formula can be checked by hand: exact where
// the other tables round.
func Term(in sizing.Input) string {
	n := sizing.Count(in.Value)
	if in.Value != math.Trunc(in.Value) && math.Abs(in.Value) < 1000 {
		n = strconv.FormatFloat(in.Value, 'g', 6, 64)
	}
	switch unit := in.Unit; {
	case unit == "1":
		return n
	case unit == "B" && in.Value >= 1<<20:
		return sizing.Bytes(in.Value)
	case in.Value == 1 && len(unit) > 1 && !strings.Contains(unit, "/"):
		return n + " " + strings.TrimSuffix(unit, "s")
	default:
		return n + " " + unit
	}
}

// Figures lists every figure of a budget once, in the order of the report.
func Figures(b *sizing.Budget) []sizing.Figure {
	list := []sizing.Figure{b.OfferedCalls, b.CallsHeld, b.CoresNeeded, b.TotalWorkers}
	for _, l := range b.Listeners {
		list = append(list, l.Workers, l.RecvBuffer, l.SendBuffer)
	}
	list = append(list, b.Transactions, b.MessageBytes, b.Calls)
	if e := b.Emergency; e != nil {
		list = append(list, e.Calls, e.Transactions, e.MessageBytes)
	}
	for _, t := range b.SHM {
		list = append(list, t.Bytes)
	}
	list = append(list, b.SHMTotal, b.Arena)
	for _, m := range b.Memory {
		list = append(list, m.Bytes)
	}
	list = append(list, b.ProcessLimit, b.OpenFiles, b.SourceRate)
	for _, n := range b.NICs {
		list = append(list, n.Bandwidth, n.Packets, n.Queues)
	}
	if m := b.Media; m != nil {
		list = append(list, m.Sessions, m.Commands, m.Sockets, m.Bandwidth, m.Packets)
		for _, i := range m.Instances {
			list = append(list, i.Sessions, i.Rate, i.Ports)
		}
	}
	for _, d := range b.Databases {
		list = append(list, d.Connections, d.Limit)
	}
	for _, c := range b.Ceilings {
		list = append(list, c.At)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(list, func(f sizing.Figure) bool {
		twice := seen[f.ID]
		seen[f.ID] = true
		return twice || f.ID == "" // a value the spec does not state has no formula
	})
}

// parts prints the tables of what only some plans have.
func (v *view) parts() {
	for _, t := range Parts(v.p) {
		v.Title(t.Title)
		v.shared(t)
	}
}

// shared prints a table that all views have.
func (v *view) shared(t Table) {
	cols, head := []column{}, []string{}
	for _, c := range t.Columns {
		cols, head = append(cols, column{c.Number}), append(head, c.Name)
	}
	v.table(cols, append([][]string{head}, t.Rows...), true)
}

// figures prints how every number came about, each once.
func (v *view) figures() {
	v.Title("Figures")
	for _, f := range Figures(v.p.Budget) {
		v.Wrap(fmt.Sprintf("%s = %s", f.ID, Amount(f)), "  ", "    ", canvas.Bold)
		v.Wrap("= "+f.Formula, "    ", "      ", "")
		for _, in := range f.Inputs {
			s := in.Name + " = " + Term(in)
			if in.Source != "" {
				s += "; " + in.Source
			}
			v.Wrap(s, "      ", "        ", canvas.Dim)
		}
	}
}

// rules shows the packet filter as nft takes it, uncut: it is there to be reviewed.
func (v *view) rules() {
	if v.p.Ruleset == "" {
		return
	}
	v.Title("Firewall rules")
	for _, l := range strings.Split(strings.TrimRight(v.p.Ruleset, "\n"), "\n") {
		if l == "" {
			v.WriteString("\n")
			continue
		}
		v.WriteString("  " + strings.ReplaceAll(l, "\t", "    ") + "\n")
	}
}
