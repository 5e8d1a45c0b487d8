package engine

import (
	"math"

	"trunkline/appliance/runtime"
	"trunkline/proxy/transaction"
)

// marks are the levels of the tables past which they are kept for what is in progress.
type marks struct {
	open, emergency mark  // new requests are refused from here: any, and emergency calls
	dialogBytes     int64 // requests within dialogs leave no state from here
}

// mark is a level of each table.
type mark struct {
	slots int   // transactions
	bytes int64 // of messages
	calls int64
}

// newMarks puts the marks at a share of the tables without what is kept for emergency
// calls; a share outside (0..1) is all of that.
func newMarks(share float64, t *transaction.Table, calls int, first *runtime.Emergency) marks {
	if !(share > 0 && share < 1) {
		share = 1
	}
	kept := runtime.Emergency{}
	if first != nil {
		kept = *first
	}
	part := func(of, kept int64) int64 { return int64(math.Ceil(share * float64(max(of-kept, 0)))) }
	m := mark{
		slots: int(part(int64(t.Capacity()), int64(kept.Transactions))),
		bytes: part(t.ByteLimit(), int64(kept.MessageBytes)),
		calls: part(int64(calls), int64(kept.Calls)),
	}
	above := mark{m.slots + kept.Transactions, m.bytes + int64(kept.MessageBytes), m.calls + int64(kept.Calls)}
	return marks{open: m, emergency: above, dialogBytes: above.bytes + (t.ByteLimit()-above.bytes)/2}
}

// crowded reports whether a mark of the tables is reached; that of the calls matters to
// calls alone.
func (e *Engine) crowded(m *mark, call bool) bool {
	return e.table.Live() >= m.slots || e.table.Bytes() >= m.bytes || call && e.calls.Live() >= m.calls
}
