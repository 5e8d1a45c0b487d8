package sizing

// Modes of persistence that sizing tells apart.
const persistAtOnce = "at-once"

// atOnce is how long a change waits with mode at-once, seconds (proxy/persist, AtOnce).
const atOnce = 0.2

// originTable is what the state of calls has beside each call where calls are kept.
func (z *sizer) originTable() (Table, bool) {
	if z.s.State.Persistence == nil {
		return Table{}, false
	}
	inputs, calls, formula := []Input{of(z.b.Calls)}, z.b.Calls.Value, "calls.slots"
	if e := z.b.Emergency; e != nil {
		inputs, calls, formula = append(inputs, of(e.Calls)), calls+e.Calls.Value, "calls.slots + emergency.calls"
	}
	rows := z.term(figure("persistence.origins", "Origins of calls", "rows", calls, formula, inputs...))
	return z.table("origins", rows, z.c.in("call_origin_bytes")), true
}

// persistence is what keeping calls in progress asks of a disk or a database. It
// never waits on the path of a message (B10); but whatever takes the changes must
// keep up with them.
func (z *sizer) persistence() {
	p := z.s.State.Persistence
	if p == nil {
		return
	}
	size, changes := z.c.in("persisted_call_bytes"), z.c.in("persisted_changes_per_call")
	b := &PersistenceBudget{Bytes: figure("persistence.bytes", "Calls kept", "B", whole(z.t.held.Value*size.Value),
		"load.calls_held x persisted_call_bytes", of(z.t.held), size)}
	z.b.Persistence = b
	rate, formula, inputs := z.t.cps.Value*changes.Value, "load.cps x persisted_changes_per_call", []Input{of(z.t.cps), changes}
	if z.t.refresh.Value > 0 {
		rate, formula, inputs = rate+z.t.refresh.Value, formula+" + load.refreshes", append(inputs, of(z.t.refresh))
	}
	interval := stated("persistence.interval", p.Interval.Seconds(), "s", p.Range)
	if p.Mode == persistAtOnce {
		interval = Input{Name: "at once", Value: atOnce, Unit: "s", Source: "proxy/persist: how long a change waits at most"}
		z.find("state.persistence", SeverityNote, at(p.ModeRange, p.Range), "A write every fifth of a second",
			"With mode = \"at-once\", up to %s writes/s go to the %s, of %s changes each at the planned load. No message waits for them. Write mode = \"delayed\" for one write in each interval.", Count(1/atOnce), p.To, Count(rate*atOnce))
	}
	if interval.Value <= 0 {
		interval.Value = 10
	}
	b.Writes = figure("persistence.writes", "Writes of calls", "writes/s", 1/interval.Value, "1 / interval: a batch each", interval)
	b.Rows = figure("persistence.rows", "Calls in a write", "calls", whole(rate*interval.Value),
		"("+formula+") x interval", append(inputs, interval)...)
}

// persistenceBytes is memory for changes on their way: those of one batch while
// it is written and of the next that fills.
func (z *sizer) persistenceBytes() Figure {
	b, size := z.b.Persistence, z.c.in("persisted_call_bytes")
	return figure("memory.persistence", "Calls on their way to be kept", "B", pages(2*b.Rows.Value*size.Value),
		"2 batches x persistence.rows x persisted_call_bytes, whole pages", of(b.Rows), size)
}

// originPerCall is what one more call held takes for where it came from, bytes.
func (z *sizer) originPerCall() float64 {
	if z.s.State.Persistence == nil {
		return 0
	}
	return z.c.at("call_origin_bytes")
}
