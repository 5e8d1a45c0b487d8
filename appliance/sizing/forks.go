package sizing

import (
	"math"

	"trunkline/appliance/spec"
)

// forks is how many calls beside the first one call becomes at most: those of the
// largest set with algorithm parallel. Each of them costs as many messages as a whole
// call: INVITE, CANCEL and ACK out, 180, 200 and 487 in. The zero Figure: no set forks.
func (z *sizer) forks() Figure {
	most, in := 0, Input{}
	for _, d := range z.s.Dispatchers {
		if d.Algorithm != spec.AlgorithmParallel {
			continue
		}
		if n := len(newParts(d).order); n > most {
			most, in = n, stated("destinations of dispatcher "+d.Name, float64(n), "destinations", d.Range)
		}
	}
	if most == 0 {
		return Figure{}
	}
	return figure("load.forks", "Calls that one call becomes beside the first", "calls", float64(most-1),
		"destinations of the largest set with algorithm parallel - 1", in)
}

// forkCPU is what the forks of a call cost sbcd: by datagrams received.
func (z *sizer) forkCPU() float64 {
	return z.t.forks.Value * z.c.at("cpu_per_call") * z.c.at("replies_in_per_call") / z.t.perCallIn.Value
}

const forkSource = "load.forks x cpu_per_call x replies_in_per_call / load.datagrams_in"

// rows are the bytes that the rows of the tables of state take. Where calls may fork
// each row has room for it, so that a fork never finds none.
type rows struct {
	slot, stored Input // of a transaction, and of its messages
	call         Input
}

func (z *sizer) rowBytes() rows {
	return rows{
		slot:   z.withFork("transaction_slot_bytes", "fork_bytes", "transactions.slot_bytes", "Slot of a transaction that may fork"),
		stored: z.withFork("message_bytes_stored", "fork_reply_bytes", "messages.stored_bytes", "Stored messages of a transaction that may fork"),
		call:   z.withFork("call_slot_bytes", "fork_call_bytes", "calls.slot_bytes", "Slot of a call that may fork"),
	}
}

func (z *sizer) withFork(base, more, id, name string) Input {
	in := z.c.in(base)
	if z.t.forks.ID == "" {
		return in
	}
	extra := z.c.in(more)
	return of(z.term(figure(id, name, "B", in.Value+extra.Value, base+" + "+more, in, extra)))
}

// inDialog is the part of the calls of a listener that are answered through it: a
// forked call is answered once.
func (f flow) inDialog() float64 { return math.Min(f.egress, 1) }
