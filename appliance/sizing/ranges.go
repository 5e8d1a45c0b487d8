package sizing

import "math"

// ends are the outermost of what was measured and what is stated: a stated value
// with room beyond the measurements is an end of its own.
func (c Coefficient) ends() (low, high float64) {
	if len(c.Range) != 2 {
		return c.Value, c.Value
	}
	return math.Min(c.Range[0], c.Value), math.Max(c.Range[1], c.Value)
}

// corner is the set with every coefficient at its better end, or at its worse
// one. ok is false when none has a range: then the set is c itself.
func (c *Coefficients) corner(better bool) (out *Coefficients, ok bool) {
	out = &Coefficients{values: make(map[string]Coefficient, len(c.values))}
	for name, v := range c.values {
		low, high := v.ends()
		ok = ok || low != high
		if better == (known[name].better == more) {
			v.Value = high
		} else {
			v.Value = low
		}
		out.values[name] = v
	}
	return out, ok
}

// bands fills Low and High of every figure from the same figure of the budgets
// at the two corners of the coefficients. A figure that one of them does not
// have, or has without a bound, stays without.
func (b *Budget) bands(corners ...*Budget) {
	at := make([]map[string]float64, len(corners))
	for i, c := range corners {
		at[i] = map[string]float64{}
		c.Each(func(f *Figure) { at[i][f.ID] = f.Value })
	}
	b.Each(func(f *Figure) {
		low, high := f.Value, f.Value
		for _, values := range at {
			v, ok := values[f.ID]
			if !ok || math.IsNaN(v) || math.IsInf(v, 0) {
				return
			}
			low, high = math.Min(low, v), math.Max(high, v)
		}
		if low != high {
			f.Low, f.High = low, high
		}
	})
}

// Each calls fn with every figure of the budget, in the order of its JSON. A
// figure that stands in two places is passed twice.
func (b *Budget) Each(fn func(*Figure)) {
	some := func(list ...*Figure) {
		for _, f := range list {
			if f != nil && f.ID != "" {
				fn(f)
			}
		}
	}
	some(&b.OfferedCalls, &b.CallsHeld, &b.CoresNeeded, &b.TotalWorkers)
	for i := range b.Listeners {
		l := &b.Listeners[i]
		some(&l.Workers, &l.RecvBuffer, &l.SendBuffer, l.Connections, l.Reconnect)
	}
	some(&b.Transactions, &b.MessageBytes, &b.Calls)
	if e := b.Emergency; e != nil {
		some(&e.Calls, &e.Transactions, &e.MessageBytes)
	}
	for i := range b.SHM {
		some(&b.SHM[i].Rows, &b.SHM[i].BytesPerRow, &b.SHM[i].Bytes)
	}
	some(&b.SHMTotal, &b.Arena)
	for i := range b.Memory {
		some(&b.Memory[i].Bytes)
	}
	some(&b.ProcessLimit, &b.OpenFiles, &b.SourceRate)
	for i := range b.NICs {
		n := &b.NICs[i]
		some(&n.Bandwidth, &n.Packets, &n.Sent, &n.Queues)
	}
	if m := b.Media; m != nil {
		some(&m.Sessions, &m.Commands, &m.Sockets, &m.Bandwidth, &m.Packets, &m.CPU)
		for i := range m.Instances {
			some(&m.Instances[i].Sessions, &m.Instances[i].Rate, &m.Instances[i].Ports)
		}
	}
	for i := range b.Databases {
		some(&b.Databases[i].Connections, &b.Databases[i].Limit)
	}
	if s := b.Sockets; s != nil {
		some(&s.Sockets, &s.Workers, &s.RecvBuffer, &s.SendBuffer)
	}
	if p := b.Persistence; p != nil {
		some(&p.Bytes, &p.Writes, &p.Rows)
	}
	for i := range b.Terms {
		some(&b.Terms[i])
	}
	for i := range b.Ceilings {
		some(&b.Ceilings[i].At)
	}
}
