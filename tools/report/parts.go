package report

import (
	"fmt"
	"strconv"
	"strings"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
	"trunkline/tools/report/canvas"
)

// Table is a part of a plan that the views show alike. Cells are plain text, as
// many in each row as there are columns; no rows: the plan has no such part.
type Table struct {
	Title   string
	Columns []Column
	Rows    [][]string
}

// Column is the heading of a column; numbers stand at the right.
type Column struct {
	Name   string
	Number bool
}

// CPUTitle is the title of the table of CPUs.
const CPUTitle = "CPUs"

// Parts are the tables of what only some plans have: which CPU serves what, what
// the interfaces carry, media relays, databases, updates.
func Parts(p *plan.Plan) []Table {
	var out []Table
	b := p.Budget
	for _, t := range []Table{cpus(b), interfaces(b), queues(b), media(b), relays(b), relaysHere(b), databases(b), updates(p.Appliance.Update)} {
		if len(t.Rows) > 0 {
			out = append(out, t)
		}
	}
	return out
}

// Image is the table of what an image for bare metal holds for its machine; no rows: an
// image for virtual machines.
func Image(p *plan.Plan) Table {
	t := Table{Title: "Drivers in the image", Columns: []Column{{"driver", false}, {"why", false}, {"modules", false}, {"size", true}, {"firmware", false}, {"size", true}}}
	if p.Image == nil {
		return t
	}
	for _, d := range p.Image.Drivers {
		firmware, size := "-", "-"
		if len(d.Firmware) > 0 {
			firmware = join(d.Firmware)
		}
		if d.FirmwareBytes > 0 {
			size = sizing.Bytes(float64(d.FirmwareBytes))
		}
		t.Rows = append(t.Rows, []string{d.Name, d.Why, join(d.Modules), sizing.Bytes(float64(d.ModuleBytes)), firmware, size})
	}
	return t
}

// ImageNote says what the table does not; empty for an image that holds what every one does.
func ImageNote(p *plan.Plan) string {
	if p.Image == nil {
		return ""
	}
	if len(p.Image.Drivers) == 0 { // for virtual machines, with relays on it
		return "Packages beside those of every image: " + join(p.Image.Packages) + ", with what they need."
	}
	note := "Modules with what they need, sizes as packed in Debian 13; no other driver is in the image. Nothing is read after the firmware has started it: a disk is for updates and state alone."
	if len(p.Image.Microcode) > 0 {
		note += " Microcode for processors of " + join(p.Image.Microcode) + "."
	}
	if len(p.Image.Packages) > 0 {
		note += " Packages for it: " + join(p.Image.Packages) + "."
	}
	return note
}

func cpus(b *sizing.Budget) Table {
	t := Table{Title: CPUTitle, Columns: []Column{{"CPU", true}, {"workers", false}, {"interrupts of", false}, {"gets packets of (RPS)", false}}}
	for _, c := range b.CPUs {
		t.Rows = append(t.Rows, []string{strconv.Itoa(c.CPU), join(c.Workers), join(c.Queues), join(c.Steers)})
	}
	return t
}

func interfaces(b *sizing.Budget) Table {
	t := Table{Title: "Interfaces", Columns: []Column{{"NIC", false}, {"bandwidth", true}, {"packets received", true}, {"queues used", true}}}
	for _, n := range b.NICs {
		t.Rows = append(t.Rows, []string{n.NIC, Amount(n.Bandwidth), Amount(n.Packets), sizing.Count(n.Queues.Value)})
	}
	return t
}

func queues(b *sizing.Budget) Table {
	t := Table{Title: "Receive queues", Columns: []Column{{"queue", false}, {"interrupts on CPU", true}, {"packets go on to CPUs (RPS)", false}}}
	for _, n := range b.NICs {
		for _, q := range n.Affinity {
			to := "stay there"
			if len(q.RPS) > 0 {
				var list []string
				for _, c := range q.RPS {
					list = append(list, strconv.Itoa(c))
				}
				to = join(list)
			}
			t.Rows = append(t.Rows, []string{fmt.Sprintf("%s/%d", n.NIC, q.Queue), strconv.Itoa(q.CPU), to})
		}
	}
	return t
}

func media(b *sizing.Budget) Table {
	t := Table{Title: "Media", Columns: []Column{{"all relays together", false}, {"planned", true}}}
	if m := b.Media; m != nil {
		t.Rows = [][]string{
			{"sessions at once", sizing.Count(m.Sessions.Value)},
			{"commands", sizing.Count(m.Commands.Value) + "/s"},
			{"control sockets needed", sizing.Count(m.Sockets.Value)},
			{"bandwidth received", Amount(m.Bandwidth)},
			{"packets received", Amount(m.Packets)},
		}
	}
	return t
}

func relays(b *sizing.Budget) Table {
	t := Table{Title: "Media relays, each with any one of the others down",
		Columns: []Column{{"relay", false}, {"sessions", true}, {"commands", true}, {"UDP ports", true}}}
	if m := b.Media; m != nil {
		for _, i := range m.Instances {
			t.Rows = append(t.Rows, []string{i.Name, sizing.Count(i.Sessions.Value), sizing.Count(i.Rate.Value) + "/s", sizing.Count(i.Ports.Value)})
		}
	}
	return t
}

// relaysHere is what the relays on the appliance itself take of it.
func relaysHere(b *sizing.Budget) Table {
	t := Table{Title: "Media relays on this appliance, and what they take of it",
		Columns: []Column{{"relay", false}, {"cores", true}, {"threads", true}, {"memory", true}, {"sessions at most", true}, {"memory at most", true}}}
	if b.Media == nil {
		return t
	}
	for _, i := range b.Media.Instances {
		if i.Cores == nil || i.Threads == nil || i.Memory == nil || i.Capacity == nil || i.MemoryLimit == nil {
			continue
		}
		t.Rows = append(t.Rows, []string{i.Name, sizing.Count(i.Cores.Value), sizing.Count(i.Threads.Value), Amount(*i.Memory), sizing.Count(i.Capacity.Value), Amount(*i.MemoryLimit)})
	}
	return t
}

func databases(b *sizing.Budget) Table {
	t := Table{Title: "Databases", Columns: []Column{{"database", false}, {"connections", true}, {"max_connections", true}, {"share", true}, {"made up of", false}}}
	for _, d := range b.Databases {
		limit, share := "not stated", ""
		if d.Limit.Value > 0 {
			limit, share = sizing.Count(d.Limit.Value), fmt.Sprintf("%.0f %%", 100*d.Connections.Value/d.Limit.Value)
		}
		var from []string
		for _, in := range d.Connections.Inputs {
			from = append(from, strings.TrimPrefix(in.Name, "database."+d.Database+".")+" "+sizing.Count(in.Value))
		}
		t.Rows = append(t.Rows, []string{d.Database, sizing.Count(d.Connections.Value), limit, share, join(from)})
	}
	return t
}

func join(list []string) string {
	if len(list) == 0 {
		return "-"
	}
	return strings.Join(list, ", ")
}

// namedSources is how many networks a table names of those that may reach a service.
const namedSources = 16

// Services are what the firewall lets in beside SIP; no rows: nothing.
func Services(p *plan.Plan) Table {
	t := Table{Title: "Beside SIP", Columns: []Column{{"service", false}, {"ports", false}, {"of", false}, {"who may reach it", false}}}
	if !p.Appliance.Firewall.Enabled {
		return t
	}
	for _, s := range p.Appliance.Firewall.Services {
		ports := fmt.Sprintf("%s %d", s.Protocol, s.FirstPort)
		if s.LastPort != s.FirstPort {
			ports += fmt.Sprintf(" to %d", s.LastPort)
		}
		var ours, from []string
		for _, a := range s.Addresses {
			ours = append(ours, a.String())
		}
		for _, n := range s.Sources {
			if n.IsSingleIP() {
				from = append(from, n.Addr().String())
			} else {
				from = append(from, n.String())
			}
		}
		switch more := len(from) - namedSources; {
		case len(from) == 0:
			from = []string{"everybody"}
		case more > 0:
			from = append(from[:namedSources], fmt.Sprintf("and %s more", sizing.Count(float64(more))))
		}
		t.Rows = append(t.Rows, []string{s.Name, ports, join(ours), join(from)})
	}
	return t
}

// Amount renders a figure as Figure.Format does, but large rates of bits for
// people: "1.2 Gbit/s".
func Amount(f sizing.Figure) string {
	switch f.Unit {
	case "bit/s", "bits/s", "bps":
	default:
		return f.Format()
	}
	v, prefixes := f.Value, []string{"", "k", "M", "G", "T"}
	i := 0
	for i < len(prefixes)-1 && v >= 1000 {
		v /= 1000
		i++
	}
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0") + " " + prefixes[i] + "bit/s"
}

// NotBuilt says in one sentence that the plan has parts this version cannot run;
// empty: it has none.
func NotBuilt(p *plan.Plan) string {
	switch n := len(p.NotBuilt); n {
	case 0:
		return ""
	case 1:
		return "Build refuses this plan: the spec asks for something this version cannot run yet."
	default:
		return fmt.Sprintf("Build refuses this plan: the spec asks for %s things this version cannot run yet.", sizing.Count(float64(n)))
	}
}

// Missing are parts of a spec that cannot be built yet for one and the same reason.
type Missing struct {
	Parts  []plan.Missing
	Detail string // of all of them
}

// NotBuiltParts are the parts of a plan that cannot be built yet, those of one
// detail together.
func NotBuiltParts(p *plan.Plan) []Missing {
	var out []Missing
	at := map[string]int{}
	for _, m := range p.NotBuilt {
		i, known := at[m.Detail]
		if !known {
			i = len(out)
			at[m.Detail] = i
			out = append(out, Missing{Detail: m.Detail})
		}
		out[i].Parts = append(out[i].Parts, m)
	}
	return out
}

// Calibrated names the coefficients file a plan was made with; empty: those of
// this version of Trunkline.
func Calibrated(p *plan.Plan) string {
	if p.Calibration == nil {
		return ""
	}
	return "coefficients of " + p.Calibration.Name + ", " + canvas.Digest(p.Calibration.Digest)
}
