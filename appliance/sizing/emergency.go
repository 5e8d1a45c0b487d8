package sizing

// slotsOfCall is how many transactions of one call live at a time: its INVITE, and one
// request beside it or after it.
const slotsOfCall = 2

// emergency sizes the room for emergency calls, which is beside the slots for all calls:
// it is there when these are full.
func (z *sizer) emergency() Table {
	e := z.s.Limits.Emergency
	reserve := stated("limits.emergency.reserve", float64(e.Reserve), "calls", at(e.ReserveRange, e.Range))
	per := Input{Name: "transactions of a call", Value: slotsOfCall, Unit: "slots", Source: "its INVITE, and one request beside it"}
	slot, stored, call := z.rows.slot, z.rows.stored, z.rows.call
	b := &EmergencyBudget{
		Calls: figure("emergency.calls", "Call slots kept for emergency calls", "slots", reserve.Value, "limits.emergency.reserve", reserve),
		Transactions: figure("emergency.transactions", "Transaction slots kept for emergency calls", "slots", reserve.Value*per.Value,
			"limits.emergency.reserve x transactions of a call", reserve, per),
	}
	b.MessageBytes = figure("emergency.messages", "Bytes of messages kept for emergency calls", "B", pages(b.Transactions.Value*stored.Value),
		"emergency.transactions x "+stored.Name+", whole pages", of(b.Transactions), stored)
	z.b.Emergency = b
	formula, inputs := call.Name, []Input{call}
	if z.s.Session.Enabled {
		dialog := z.c.in("dialog_bytes")
		formula, inputs = formula+" + "+dialog.Name, append(inputs, dialog)
	}
	row := figure("emergency.bytes", "Memory of an emergency call", "B", call.Value+z.dialogBytes()+per.Value*(slot.Value+stored.Value),
		formula+" + transactions of a call x ("+slot.Name+" + "+stored.Name+")", append(inputs, per, slot, stored)...)
	return z.table("emergency", b.Calls, of(z.term(row)))
}
