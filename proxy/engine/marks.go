package engine

import (
	"math"

	"trunkline/proxy/transaction"
)

// marks are the levels of the transaction table past which it is kept for what is
// in progress.
type marks struct {
	slots       int   // new requests are refused from here
	bytes       int64 // of messages: the same
	dialogBytes int64 // requests within dialogs leave no state from here
}

// newMarks puts the marks at a share of the table; a share outside (0..1) is the
// whole table.
func newMarks(share float64, t *transaction.Table) marks {
	if !(share > 0 && share < 1) {
		return marks{t.Capacity(), t.ByteLimit(), t.ByteLimit()}
	}
	m := marks{
		slots: int(math.Ceil(share * float64(t.Capacity()))),
		bytes: int64(math.Ceil(share * float64(t.ByteLimit()))),
	}
	m.dialogBytes = m.bytes + (t.ByteLimit()-m.bytes)/2
	return m
}

// crowded reports whether new requests are to be refused.
func (e *Engine) crowded() bool {
	return e.table.Live() >= e.marks.slots || e.table.Bytes() >= e.marks.bytes
}
