package engine

import (
	"trunkline/proxy/message"
	"trunkline/proxy/overload"
	"trunkline/proxy/transaction"
)

// closed says why the new request being handled is not taken, 0 when it is: first what
// costs one atomic load, then the marks of the tables. Requests within dialogs, repeated
// ones, ACK and CANCEL never come here. For an emergency call only the room counts.
func (w *worker) closed(tx *transaction.Tx, emergency bool) counter {
	e, call := w.e, w.v.Method == message.INVITE
	k := counter(0)
	switch verdict := w.gate.Judge(tx.Key()); {
	case verdict == overload.Draining:
		k = cRefusedDraining
	case verdict == overload.Busy:
		k = cRefusedOverload
	case e.crowded(&e.marks.open, call):
		k = cRefusedHighWater
	}
	if k == 0 || !emergency {
		return k
	}
	if e.crowded(&e.marks.emergency, call) {
		return cRefusedHighWater
	}
	w.c.add(cEmergencyPassed)
	return 0
}
