package cmd

import "trunkline/proxy/engine"

// recovered shows what the process took over from the one before it.
func (g sink) recovered(r *engine.RecoveredStats) {
	g.gauge("trunkline_processes_before", "How many processes had the state of calls before this one; absent when it began anew.", float64(r.Generation))
	g.gauge("trunkline_recovered_calls", "Calls that this process took over.", float64(r.Calls))
	g.gauge("trunkline_recovered_transactions", "Transactions that this process took over.", float64(r.Transactions))
	g.gauge("trunkline_recovered_broken", "Calls and transactions of the process before that could not go on.", float64(r.Broken+r.Dropped))
}
