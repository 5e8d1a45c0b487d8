package engine

import (
	"trunkline/proxy/message"
	"trunkline/proxy/overload"
	"trunkline/proxy/transaction"
)

// closed says why the new request being handled is not taken, 0 when it is: first what
// costs one atomic load, then the marks of the tables. Requests within dialogs, repeated
// ones, ACK and CANCEL never come here.
func (w *worker) closed(tx *transaction.Tx) counter {
	e := w.e
	if w.gate.Judge(tx.Key()) == overload.Busy {
		return cRefusedOverload
	}
	if e.crowded() || w.v.Method == message.INVITE && e.calls.Live() >= e.marks.calls {
		return cRefusedHighWater
	}
	return 0
}
