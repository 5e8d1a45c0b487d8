package sizing

// journalRecords is how many records a second the journal of an appliance takes: 10,000 lines
// within 30 s (RateLimitBurst= and RateLimitIntervalSec= of journald.conf(5), as the image has
// them).
const journalRecords = 10_000.0 / 30

// recordShare is how many rows of records there are beyond those of the calls in progress
// (proxy/record): records of ended calls wait in them.
const recordShare = 1.0 / 8

// recordTable is what the records of calls are made of, where the spec wants them: a row for
// each call in progress, and room for records that wait.
func (z *sizer) recordTable() (Table, bool) {
	c := z.s.Control.CDR
	if c == nil {
		return Table{}, false
	}
	if c.To == "journal" && z.t.peak.Value > journalRecords {
		z.find("control.cdr", SeverityWarning, c.Range, "More call records than the journal takes",
			"The journal takes %s records/s in the long run, and %s calls/s end at the planned peak: records beyond it are lost. Write to = \"file\", or to = \"database\".", Count(journalRecords), Count(z.t.peak.Value))
	}
	share := Input{Name: "rows that wait", Value: recordShare, Unit: "1", Source: "proxy/record: one for eight calls"}
	inputs, calls, formula := []Input{of(z.b.Calls)}, z.b.Calls.Value, "calls.slots"
	if e := z.b.Emergency; e != nil {
		inputs, calls, formula = append(inputs, of(e.Calls)), calls+e.Calls.Value, "(calls.slots + emergency.calls)"
	}
	rows := z.term(figure("records.rows", "Rows of call records", "rows", whole(calls*(1+share.Value)), formula+" x (1 + rows that wait)", append(inputs, share)...))
	return z.table("records", rows, z.c.in("record_bytes")), true
}

// recordPerCall is what one more call held takes for its record, bytes.
func (z *sizer) recordPerCall() float64 {
	if z.s.Control.CDR == nil {
		return 0
	}
	return z.c.at("record_bytes") * (1 + recordShare)
}
