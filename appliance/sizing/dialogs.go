package sizing

// dialogTable is what is kept of the calls in progress so that both sides can be sent BYE: where
// there are session timers, a row for each call slot, with its share of the text.
func (z *sizer) dialogTable() (Table, bool) {
	if !z.s.Session.Enabled {
		return Table{}, false
	}
	return z.table("dialogs", z.b.Calls, z.c.in("dialog_bytes")), true
}

// dialogBytes is what a call takes beside its slot, bytes.
func (z *sizer) dialogBytes() float64 {
	if !z.s.Session.Enabled {
		return 0
	}
	return z.c.at("dialog_bytes")
}
