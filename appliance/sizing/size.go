package sizing

import (
	"fmt"
	"sort"

	"github.com/hashicorp/hcl/v2"

	"trunkline/appliance/spec"
)

// sizer holds the steps' intermediate figures.
type sizer struct {
	s       *spec.Spec
	c       *Coefficients
	b       *Budget
	t       traffic
	st      state
	rows    rows
	cores   Figure
	threads Figure
	shared  Figure // workers that shareOut gives out: one for each thread, more when workers wait
	media   mediaLoad
	callCPU Figure // time of a call in sbcd, when it is more than the coefficient
	allCPU  Figure // with the relays on the appliance, when there are any
	held    Figure // cores busy with the calls held
	links   []link

	management map[string]bool // NICs without SIP, by name

	egress  map[*spec.Listener]float64
	figures bool // nobody reads the remedies

	messageSizes map[string]*spec.ScopedLimits // of listeners that have one of their own
	free         Figure
	rungs        []rung
}

// Size computes the budget of a checked spec. A nil c means the coefficients of
// this version. It never fails: what the hardware cannot carry is a finding of
// SeverityError. Findings, and all that becomes configuration, follow from the
// stated values of the coefficients; their ranges give the figures a Low and a High.
func Size(s *spec.Spec, c *Coefficients) *Budget {
	if c == nil {
		c = DefaultCoefficients()
	}
	egress := egressOf(s)
	b := size(s, c, egress, false)
	if best, ok := c.corner(true); ok {
		worst, _ := c.corner(false)
		b.bands(size(s, best, egress, true), size(s, worst, egress, true))
	}
	return b
}

// size computes the budget with the stated values alone. egress is egressOf(s);
// with figures, remedies of ceilings are left out: only the figures count.
func size(s *spec.Spec, c *Coefficients, egress map[*spec.Listener]float64, figures bool) *Budget {
	z := &sizer{s: s, c: c, egress: egress, figures: figures, b: &Budget{Listeners: []ListenerBudget{}, CPUs: []CPU{}, NICs: []NICBudget{}, Terms: []Figure{}, Ceilings: []Ceiling{}, Findings: []Finding{}}}
	z.messageSizes = map[string]*spec.ScopedLimits{}
	for _, l := range s.Limits.Listeners {
		if l.MessageSize > 0 {
			z.messageSizes[l.Name] = l
		}
	}
	z.traffic()
	z.mediaBudget()
	z.dynamicSockets()
	z.cpu()
	z.workers()
	z.buffers()
	z.sourceRate()
	z.state()
	z.localCapacities()
	z.databases()
	z.persistence()
	z.memory()
	z.nics()
	z.cpuMap()
	z.sysctls()
	z.openFiles()
	z.b.OfferedCalls = z.t.offered
	z.b.CallsHeld = z.t.held
	z.ceilings()
	z.workerFindings()
	z.loadFindings()
	z.stateFindings()
	z.connectionFindings()
	z.sortFindings()
	return z.b
}

// openFiles is the descriptor limit of sbcd.
func (z *sizer) openFiles() {
	margin := Input{Name: "margin", Value: 1024, Unit: "files", Source: "control connections, probes, caches, logs"}
	// A socket has a copy for the process that follows.
	n, formula, inputs := 2*z.b.TotalWorkers.Value+margin.Value, "2 x workers.total", []Input{of(z.b.TotalWorkers)}
	more := func(name string, in ...Input) {
		for _, i := range in {
			n += i.Value
		}
		formula += " + " + name
		inputs = append(inputs, in...)
	}
	for _, l := range z.b.Listeners {
		if l.Connections != nil {
			more(l.Connections.ID, of(*l.Connections))
		}
	}
	if b := z.b.Sockets; b != nil {
		more(b.Sockets.ID, of(b.Sockets))
	}
	if m := z.s.Media; m != nil {
		sockets := 0.0
		for _, i := range m.Instances {
			sockets += float64(len(i.Control))
		}
		more("control sockets of media", stated("control sockets of media", sockets, "files", m.Range))
	}
	for _, d := range z.s.Databases {
		more("pool of "+d.Name, z.pool(d))
	}
	z.b.OpenFiles = figure("process.open_files", "Open files", "files", roundUp(n, 1024),
		formula+" + margin, rounded up to 1,024", append(inputs, margin)...)
}

func (z *sizer) loadFindings() {
	w := z.s.Workload
	offered, conc := z.t.offered.Value, float64(w.ConcurrentCalls)
	if conc > 0 && offered > 0 && (offered > conc*1.1 || offered < conc*0.9) {
		z.find("load.contradiction", SeverityWarning, w.Range, "The workload contradicts itself",
			"%s calls/s of %s s each are %s calls in progress (Little's law), but concurrent_calls says %s. The larger one is planned for. Correct cps, call_duration or concurrent_calls.",
			Count(float64(w.CPS)), Count(w.CallDuration.Seconds()), Count(offered), Count(conc))
	}
	for _, k := range z.s.Caches {
		if k.Rows == 0 && !k.Baked {
			z.find("cache.rows."+k.Name, SeverityWarning, k.Range, "Cache of unknown size",
				"Cache %q has no known number of rows: the memory map counts none for it. State rows.", k.Name)
		}
	}
}

func (z *sizer) stateFindings() {
	if z.s.State.Memory == 0 {
		return
	}
	r := at(z.s.State.MemoryRange, z.s.State.Range)
	slots, high := z.b.Transactions.Value, z.highWater().Value
	if z.st.spare < 0 || slots*high < z.st.typical.Value {
		z.find("state.memory", SeverityError, r, "Too little memory for the state of calls",
			"state.memory is %s. It holds %s transactions below the high-water mark, but the planned load has %s of them alive. Write memory = \"auto\".",
			Bytes(float64(z.s.State.Memory)), Count(slots*high), Count(z.st.typical.Value))
		return
	}
	if slots < z.st.wanted.Value {
		z.find("state.memory", SeverityWarning, r, "State memory below the worst case",
			"state.memory gives %s transaction slots. When nobody answers for %s s, %s are alive, and %s are wanted with headroom: new calls would get 503. Write memory = \"auto\".",
			Count(slots), Count(z.s.Transaction.InviteTimeout.Seconds()), Count(z.st.worst.Value), Count(z.st.wanted.Value))
	}
}

// term keeps a figure that others are made of, and returns it.
func (z *sizer) term(f Figure) Figure {
	if f.ID != "" {
		z.b.Terms = append(z.b.Terms, f)
	}
	return f
}

func (z *sizer) find(id, severity string, r hcl.Range, summary, format string, args ...any) {
	z.b.Findings = append(z.b.Findings, Finding{ID: id, Severity: severity, Summary: summary,
		Detail: fmt.Sprintf(format, args...), Subject: r, At: Location(r)})
}

// sortFindings puts errors first, then orders by file and line; the order of
// discovery breaks ties.
func (z *sizer) sortFindings() {
	rank := map[string]int{SeverityError: 0, SeverityWarning: 1, SeverityNote: 2}
	f := z.b.Findings
	sort.SliceStable(f, func(i, j int) bool {
		if a, b := rank[f[i].Severity], rank[f[j].Severity]; a != b {
			return a < b
		}
		if a, b := f[i].Subject.Filename, f[j].Subject.Filename; a != b {
			return a < b
		}
		return f[i].Subject.Start.Line < f[j].Subject.Start.Line
	})
}

// Errored reports whether the budget has a finding that refuses the build.
func (b *Budget) Errored() bool {
	for _, f := range b.Findings {
		if f.Severity == SeverityError {
			return true
		}
	}
	return false
}

// at returns r, or fallback when the spec has no such line.
func at(r, fallback hcl.Range) hcl.Range {
	if r.Filename == "" {
		return fallback
	}
	return r
}
