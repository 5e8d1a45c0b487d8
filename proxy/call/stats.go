package call

// Stats are the figures of a table at one moment.
type Stats struct {
	Live     int64             `json:"live"`
	Peak     int64             `json:"peak"`
	Capacity int               `json:"capacity"`
	Ended    map[string]uint64 `json:"ended"` // by cause, causes that occurred
}

// Stats reads the figures. It allocates; it is not for the path of a message.
func (t *Table) Stats() Stats {
	st := Stats{Live: t.live.Load(), Peak: t.peak.Load(), Capacity: t.Capacity(), Ended: map[string]uint64{}}
	for c := range NumCauses {
		if n := t.ended[c].Load(); n > 0 {
			st.Ended[c.String()] = n
		}
	}
	return st
}

// Live is the number of calls.
func (t *Table) Live() int64 { return t.live.Load() }

// Capacity is the number of slots.
func (t *Table) Capacity() int { return len(t.shards) * len(t.shards[0].slots) }
