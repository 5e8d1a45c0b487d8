package sizing

// Modes of persistence that sizing tells apart.
const persistAtOnce = "at-once"

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
	if p.Mode == persistAtOnce {
		b.Writes = figure("persistence.writes", "Writes of calls", "writes/s", rate, formula+": each change is a write", inputs...)
		b.Rows = figure("persistence.rows", "Calls in a write", "calls", 1, "one: each change is a write", inputs...)
		z.find("state.persistence", SeverityNote, at(p.ModeRange, p.Range), "Each change of a call is a write",
			"With mode = \"at-once\", %s writes/s go to the %s. No message waits for them, but what it cannot take queues in memory and is lost in a crash. Write mode = \"delayed\" for one write in each interval.", Count(rate), p.To)
		return
	}
	interval := stated("persistence.interval", p.Interval.Seconds(), "s", p.Range)
	if interval.Value <= 0 {
		interval.Value = 10
	}
	b.Writes = figure("persistence.writes", "Writes of calls", "writes/s", 1/interval.Value, "1 / interval: a batch each", interval)
	b.Rows = figure("persistence.rows", "Calls in a write", "calls", whole(rate*interval.Value),
		"("+formula+") x interval", append(inputs, interval)...)
}

// persistenceBytes is memory for changes on their way: those of one batch while
// it is written and of the next that fills; at once, those of a stall.
func (z *sizer) persistenceBytes() Figure {
	b, size := z.b.Persistence, z.c.in("persisted_call_bytes")
	if z.s.State.Persistence.Mode == persistAtOnce {
		stall := z.c.in("stall")
		return figure("memory.persistence", "Calls on their way to be kept", "B", pages(b.Writes.Value*stall.Value*size.Value),
			"persistence.writes x stall x persisted_call_bytes, whole pages", of(b.Writes), stall, size)
	}
	return figure("memory.persistence", "Calls on their way to be kept", "B", pages(2*b.Rows.Value*size.Value),
		"2 batches x persistence.rows x persisted_call_bytes, whole pages", of(b.Rows), size)
}
