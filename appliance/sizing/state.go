package sizing

import (
	"math"
	"slices"

	"trunkline/appliance/spec"
)

// giveUp is 64*T1 of RFC 3261, seconds.
const giveUp = 64 * timerT1

// slotStep keeps slot counts divisible by any number of shards in use.
const slotStep = 1024

// state is the memory for calls in progress.
type state struct {
	typical  Figure // live transactions at the planned rate
	worst    Figure // live transactions when nobody answers
	wanted   Figure // slots that hold the worst case below the high-water mark
	perCPS   float64
	perCPSTy float64
	spare    float64 // of a fixed state.memory, bytes left over
}

// highWater is the share of the slots new calls may fill.
func (z *sizer) highWater() Input {
	v := z.s.State.HighWater
	if !(v > 0 && v <= 1) {
		v = 1
	}
	return stated("state.high_water", v, "1", z.s.State.Range)
}

func (z *sizer) state() {
	s, c := z.s, z.c
	ring := stated("workload.ring_time", s.Workload.RingTime.Seconds(), "s", s.Workload.Range)
	wait := stated("transaction.wait", s.Transaction.Wait.Seconds(), "s", s.Transaction.Range)
	timeout := stated("transaction.invite_timeout", s.Transaction.InviteTimeout.Seconds(), "s", s.Transaction.InviteRange)
	high := z.highWater()
	headroom := c.in("state_headroom")

	st := &z.st
	st.perCPSTy = math.Min(ring.Value, timeout.Value) + 2*wait.Value
	terms := z.terms()
	lost := Input{Name: "64 x T1", Value: giveUp, Unit: "s", Source: "RFC 3261 17.1.2.2, timer F: a BYE nobody answers"}
	st.perCPS = terms.Value*timeout.Value + wait.Value + lost.Value
	st.typical = figure("transactions.typical", "Live transactions at the planned rate", "slots", whole(z.t.cps.Value*st.perCPSTy),
		"load.cps x (min(ring_time, invite_timeout) + wait) for INVITE + load.cps x wait for BYE", of(z.t.cps), ring, timeout, wait)
	st.worst = figure("transactions.worst", "Live transactions when nobody answers", "slots", whole(z.t.peak.Value*st.perCPS),
		"load.peak_cps x (terms x invite_timeout + wait) for INVITE + load.peak_cps x 64 x T1 for BYE", of(z.t.peak), terms, timeout, wait, lost)
	st.wanted = figure("transactions.wanted", "Slots for the worst case", "slots",
		roundUp(st.worst.Value*headroom.Value/high.Value, slotStep),
		"transactions.worst x state_headroom / high_water, rounded up to 1,024", of(st.worst), headroom, high)

	z.term(st.typical)
	z.term(st.worst)
	if s.State.Memory > 0 {
		z.term(st.wanted)
	}

	z.rows = z.rowBytes()
	z.b.Calls = z.calls(high)
	rest := []Table{z.callTable(), z.shardTable()}
	if t, ok := z.dialogTable(); ok {
		rest = append(rest, t)
	}
	if t, ok := z.addressTable(); ok {
		rest = append(rest, t)
	}
	rest = append(rest, z.mediaTables()...)
	if z.s.Limits.Emergency != nil {
		rest = append(rest, z.emergency())
	}
	if t, ok := z.originTable(); ok {
		rest = append(rest, t)
	}
	if t, ok := z.recordTable(); ok {
		rest = append(rest, t)
	}
	outlive := len(rest) + 2 // and transactions and messages
	rest = append(rest, z.cacheTable(), z.workerTable())
	slot, stored := z.rows.slot, z.rows.stored
	perSlot := slot.Value + stored.Value

	slots := st.wanted
	if s.State.Memory > 0 {
		fixed := stated("state.memory", float64(s.State.Memory), "B", s.State.MemoryRange)
		other := 0.0
		for _, t := range rest {
			other += t.Bytes.Value
		}
		// Two tables are rounded up to pages: leave a page for each.
		n := math.Max(1, math.Floor((fixed.Value-other-2*Page)/perSlot))
		slots = figure("transactions.slots", "Transaction slots", "slots", math.Min(n, exact),
			"(state.memory - other tables - 2 pages) / ("+slot.Name+" + "+stored.Name+")",
			fixed, Input{Name: "other tables", Value: other, Unit: "B"}, slot, stored)
	} else {
		slots.ID, slots.Name = "transactions.slots", "Transaction slots"
	}
	z.b.Transactions = slots

	msg := figure("messages.bytes", "Bytes of stored messages", "B", pages(slots.Value*stored.Value),
		"transactions.slots x "+stored.Name+", whole pages", of(slots), stored)
	z.b.MessageBytes = msg

	z.b.SHM = append([]Table{
		z.table("transactions", slots, slot),
		{
			Name: "messages", Rows: figure("shm.messages.rows", "Transactions with messages", "slots", slots.Value, "transactions.slots", of(slots)),
			BytesPerRow: figure("shm.messages.bytes_per_row", "Stored messages of a transaction", "B", stored.Value, stored.Name, stored),
			Bytes:       figure("shm.messages", "messages", "B", msg.Value, "messages.bytes", of(msg)),
		},
	}, rest...)

	total, inputs := 0.0, []Input{}
	for i, t := range z.b.SHM {
		if i == outlive {
			z.b.Arena = figure("shm.arena", "State that outlives sbcd", "B", total, "sum of the tables of calls in progress", slices.Clone(inputs)...)
		}
		total += t.Bytes.Value
		inputs = append(inputs, of(t.Bytes))
	}
	z.b.SHMTotal = figure("shm.total", "State memory", "B", total, "sum of the tables", inputs...)
	if s.State.Memory > 0 {
		st.spare = float64(s.State.Memory) - total
	}
}

// terms is how many invite_timeouts one INVITE may last: with failover on
// timeout and somewhere to go, a destination that stays silent after 100 gives
// the next one a term of its own, once.
func (z *sizer) terms() Input {
	in := Input{Name: "terms", Value: 1, Unit: "1", Source: "no failover on timeout to another destination"}
	for _, d := range z.s.Dispatchers {
		next := d.Next != "" || len(d.Destinations) > 1 && d.Algorithm != spec.AlgorithmParallel
		for _, r := range z.s.Routes {
			for i, to := range r.To {
				next = next || to == d.Name && i+1 < len(r.To)
			}
		}
		if d.Failover.OnTimeout && next {
			in = stated("terms", 2, "1", at(d.Failover.Range, d.Range))
			in.Source += ", failover on timeout: one more term for the next destination"
			return in
		}
	}
	return in
}

// calls sizes the call table so that a limit refuses before the table does.
func (z *sizer) calls(high Input) Figure {
	if n := z.s.Limits.ConcurrentCalls; n > 0 {
		limit := stated("limits.concurrent_calls", float64(n), "calls", z.s.Limits.Range)
		return figure("calls.slots", "Call slots", "slots", roundUp(limit.Value/high.Value, slotStep),
			"limits.concurrent_calls / high_water, rounded up to 1,024", limit, high)
	}
	headroom := z.c.in("state_headroom")
	return figure("calls.slots", "Call slots", "slots", roundUp(z.t.held.Value*headroom.Value/high.Value, slotStep),
		"load.calls_held x state_headroom / high_water, rounded up to 1,024", of(z.t.held), headroom, high)
}

func (z *sizer) table(name string, rows Figure, per Input) Table {
	r := figure("shm."+name+".rows", "Rows of "+name, rows.Unit, rows.Value, rows.ID, of(rows))
	b := figure("shm."+name+".bytes_per_row", "Bytes of a row of "+name, "B", per.Value, per.Name, per)
	return Table{Name: name, Rows: r, BytesPerRow: b,
		Bytes: figure("shm."+name, name, "B", pages(r.Value*b.Value), "rows x bytes per row, whole pages", of(r), of(b))}
}

func (z *sizer) callTable() Table {
	return z.table("calls", z.b.Calls, z.rows.call)
}

// shardTable is what each shard of the transaction table takes beside its rows. There are
// four for each worker, rounded up to a power of two (proxy/transaction).
func (z *sizer) shardTable() Table {
	n := 1.0
	for n < 256 && n < 4*z.b.TotalWorkers.Value {
		n *= 2
	}
	return z.table("shards", z.term(figure("shards", "Shards of the transaction table", "shards", n,
		"4 x workers.total, rounded up to a power of two, at most 256", of(z.b.TotalWorkers))), z.c.in("shard_bytes"))
}

// addressTable is the addresses that have limits of their own: as many as there are, or
// twice as many as there can be calls.
func (z *sizer) addressTable() (Table, bool) {
	var inputs []Input
	total := 0.0
	for _, x := range z.s.Limits.Sources {
		if !x.PerAddress {
			continue
		}
		n := 0.0
		for _, p := range x.Sources {
			n += math.Exp2(float64(min(p.Addr().BitLen()-p.Bits(), 62)))
		}
		total += n
		inputs = append(inputs, stated("limits.source."+x.Name+".addresses", math.Min(n, exact), "addresses", at(x.SourcesRange, x.Range)))
	}
	if len(inputs) == 0 {
		return Table{}, false
	}
	rows := z.term(figure("addresses.rows", "Addresses with limits of their own", "addresses", math.Min(total, 2*z.b.Calls.Value),
		"sum of the addresses, at most 2 x calls.slots", append(inputs, of(z.b.Calls))...))
	return z.table("addresses", rows, z.c.in("limited_address_bytes")), true
}

func (z *sizer) cacheTable() Table {
	rows, inputs := 0.0, []Input{}
	for _, k := range z.s.Caches {
		rows += float64(k.Rows)
		inputs = append(inputs, stated("cache."+k.Name+".rows", float64(k.Rows), "rows", k.Range))
	}
	return z.table("caches", z.term(figure("caches.rows", "Rows of all caches", "rows", whole(rows), "sum of the caches' rows", inputs...)), z.c.in("cache_row_bytes"))
}

func (z *sizer) workerTable() Table {
	own, batch, largest := z.c.in("worker_bytes"), z.c.in("worker_batch"), z.largestDatagram()
	batches := z.batches()
	return z.table("listeners", z.b.TotalWorkers, of(z.term(figure("workers.bytes", "Memory of a worker", "B", z.workerBytes(),
		"worker_bytes + batches x worker_batch x largest message", own, batches, batch, largest))))
}

// workerBytes is what a worker holds: its own buffers and those of its receive calls.
func (z *sizer) workerBytes() float64 {
	return z.c.at("worker_bytes") + z.batches().Value*z.c.at("worker_batch")*z.largestDatagram().Value
}

// batches is how many batches of datagrams a worker holds: one it receives into,
// and where some listener is steered one more that others hand to it.
func (z *sizer) batches() Input {
	for _, l := range z.b.Listeners {
		if l.Steered {
			return Input{Name: "batches", Value: 2, Unit: "1", Source: "received, and handed over by workers of a steered listener"}
		}
	}
	return Input{Name: "batches", Value: 1, Unit: "1", Source: "received"}
}

// largestDatagram is the largest message of any listener over UDP.
func (z *sizer) largestDatagram() Input {
	worst := Input{Name: "largest message", Value: maxDatagram, Unit: "B", Source: "the most UDP carries over IPv4"}
	if z.b.Sockets != nil {
		return worst
	}
	found := false
	for _, f := range z.t.listeners {
		if f.l.Stream() {
			continue
		}
		in := z.largestMessage(f.l)
		if in.Value >= maxDatagram {
			return worst
		}
		if !found || in.Value > worst.Value {
			worst, found = in, true
		}
	}
	if !found {
		worst.Value, worst.Source = 0, "no listener over UDP"
	}
	return worst
}

// bakedBytes is what the config layer itself carries of caches.
func bakedBytes(s *spec.Spec) float64 {
	n := 0.0
	for _, k := range s.Caches {
		if k.Baked {
			n += float64(len(k.Data))
		}
	}
	return n
}
