package engine

import (
	"math"

	"trunkline/proxy/transaction"
)

// marks are the levels of the tables past which they are kept for what is in progress.
type marks struct {
	slots       int   // new requests are refused from here
	bytes       int64 // of messages: the same
	calls       int64 // the same
	dialogBytes int64 // requests within dialogs leave no state from here
}

// newMarks puts the marks at a share of the tables; a share outside (0..1) is the
// whole of them.
func newMarks(share float64, t *transaction.Table, calls int) marks {
	if !(share > 0 && share < 1) {
		return marks{t.Capacity(), t.ByteLimit(), int64(calls), t.ByteLimit()}
	}
	m := marks{
		slots: int(math.Ceil(share * float64(t.Capacity()))),
		bytes: int64(math.Ceil(share * float64(t.ByteLimit()))),
		calls: int64(math.Ceil(share * float64(calls))),
	}
	m.dialogBytes = m.bytes + (t.ByteLimit()-m.bytes)/2
	return m
}

// crowded reports whether new requests are to be refused, for the tables' sake.
func (e *Engine) crowded() bool {
	return e.table.Live() >= e.marks.slots || e.table.Bytes() >= e.marks.bytes
}
