package sizing

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Axes of a ceiling.
const (
	AxisCPS        = "cps"
	AxisConcurrent = "concurrent"
)

// rung is one ceiling with what judging it needs. Hardware rungs make the plan an error when they lie
// below the planned load: the machine cannot do it. The others are choices of
// the spec and only worth a warning.
type rung struct {
	resource, axis string
	at             Figure
	remedy         string
	hardware       bool
	subject        hcl.Range
	told           bool // another finding says it better
}

func (z *sizer) planned(axis string) float64 {
	if axis == AxisConcurrent {
		return z.t.held.Value
	}
	return z.t.cps.Value
}

func (z *sizer) add(r rung) {
	load := z.planned(r.axis)
	if !(load > 0) || math.IsInf(r.at.Value, 0) || math.IsNaN(r.at.Value) {
		return
	}
	r.at.Value = math.Max(math.Floor(r.at.Value+1e-9), 0)
	z.rungs = append(z.rungs, r)
	z.b.Ceilings = append(z.b.Ceilings, Ceiling{Resource: r.resource, Axis: r.axis, At: r.at, Headroom: r.at.Value / load, Remedy: r.remedy})
}

func (z *sizer) ceilings() {
	z.limitCeilings()
	z.scopedCeilings()
	z.cpuCeilings()
	z.socketCeilings()
	z.stateCeilings()
	z.nicCeilings()
	z.memoryCeilings()
	z.backendCeilings()
	z.mediaCeilings()
	for _, r := range z.rungs {
		z.judge(r)
	}
	sort.SliceStable(z.b.Ceilings, func(i, j int) bool { return z.b.Ceilings[i].Headroom < z.b.Ceilings[j].Headroom })
}

// judge turns a rung below the planned load into a finding.
func (z *sizer) judge(r rung) {
	load, unit := z.planned(r.axis), "calls/s"
	if r.axis == AxisConcurrent {
		unit = "concurrent calls"
	}
	head := r.at.Value / load
	id := "ceiling." + strings.TrimPrefix(r.at.ID, "ceiling.")
	switch {
	case r.told:
	case head < 1 && r.hardware:
		z.find(id, SeverityError, r.subject, "Hardware too small: "+r.resource,
			"Saturates at %s %s, the workload plans %s. To fix it: %s.", Count(r.at.Value), unit, Count(load), r.remedy)
	case head < 1:
		z.find(id, SeverityWarning, r.subject, "Below the planned load: "+r.resource,
			"Ends at %s %s, the workload plans %s: calls beyond it fail. To fix it: %s.", Count(r.at.Value), unit, Count(load), r.remedy)
	case head < 1.1 && r.hardware:
		z.find(id, SeverityNote, r.subject, "Little headroom: "+r.resource,
			"Saturates at %s %s, %.0f %% above plan. For more: %s.", Count(r.at.Value), unit, 100*(head-1), r.remedy)
	}
}

func (z *sizer) limitCeilings() {
	l := z.s.Limits
	if l.CPS > 0 {
		in := stated("limits.cps", float64(l.CPS), "calls/s", at(l.CPSRange, l.Range))
		z.add(rung{resource: "limit of calls/s", axis: AxisCPS, subject: at(l.CPSRange, l.Range), remedy: "raise limits.cps" + where(at(l.CPSRange, l.Range)),
			at: figure("limit.cps", "Limit of calls/s", "calls/s", in.Value, "limits.cps", in)})
	}
	if l.ConcurrentCalls > 0 {
		in := stated("limits.concurrent_calls", float64(l.ConcurrentCalls), "calls", at(l.ConcurrentRange, l.Range))
		z.add(rung{resource: "limit of concurrent calls", axis: AxisConcurrent, subject: at(l.ConcurrentRange, l.Range), remedy: "raise limits.concurrent_calls" + where(at(l.ConcurrentRange, l.Range)),
			at: figure("limit.concurrent", "Limit of concurrent calls", "calls", in.Value, "limits.concurrent_calls", in)})
	}
}

// cpuCeilings are those of all workers together, on both axes, and of each
// listener's.
func (z *sizer) cpuCeilings() {
	per, util, held := z.perCallInAll(), z.c.in("target_utilisation"), z.held
	h := z.s.Hardware
	z.twoAxes(axes{resource: "worker CPU", id: "ceiling.cpu", subject: at(h.CPURange, h.Range),
		remedy:   fmt.Sprintf("raise hardware.cpu.cores from %d to %d", h.Cores, z.coresFor(h.Cores)) + where(h.CPURange),
		capacity: z.cores.Value * util.Value, formula: "cpu.cores x target_utilisation", inputs: []Input{of(z.cores), util},
		perCall: per.Value, held: held.Value, terms: []Input{per, of(held)}})
	media, mediaCall := z.media.heldCPU.Value, z.media.callCPU.Value
	for i, f := range z.t.listeners {
		cost, wait, kept := z.cpuPerCall(f), z.waitPerCall(f), z.heldPerListener(f)
		if cost <= 0 || f.l.Address.IsLoopback() {
			continue
		}
		w := z.b.Listeners[i].Workers
		// A worker that waits has its thread for the rest of the time; all of them
		// together have no more of the cores than media leaves.
		busy := (w.Value*util.Value - kept) / (cost + wait)
		cpu := (z.cores.Value*util.Value - media - kept) / (cost + mediaCall)
		var remedy string
		if f.l.Workers > 0 {
			remedy = fmt.Sprintf("raise workers of listener %q from %d to %d", f.l.Name, f.l.Workers, max(f.l.Workers+1, int(z.workersFor(f))))
			remedy += where(f.l.WorkersRange)
		} else if !z.figures {
			cores := z.coresFor(h.Cores)
			if busy <= cpu {
				cores = max(cores, z.coresForWorker(i, w.Value))
			}
			remedy = fmt.Sprintf("raise hardware.cpu.cores from %d to %d", h.Cores, cores) + where(h.CPURange)
		}
		if media > 0 && cpu <= 0 {
			continue // media takes all: the ceiling of all workers says so
		}
		formula := "min(workers, cpu.cores) x target_utilisation / (cpu_per_call x datagrams_in / load.datagrams_in)"
		inputs := []Input{of(w), of(z.cores), util, z.c.in("cpu_per_call"), of(f.in), of(z.t.perCallIn)}
		if wait > 0 || media > 0 || kept > 0 || f.l.Secure() {
			formula = "min((workers x target_utilisation - refreshes) / (time of a call here + wait), (cpu.cores x target_utilisation - media - refreshes) / (time of a call here + relays))"
			inputs = append(inputs, Input{Name: "time of a call here", Value: cost, Unit: "s", Source: "cpu_per_call x datagrams_in / load.datagrams_in, and TLS"},
				Input{Name: "wait", Value: wait, Unit: "s", Source: "worker_wait x datagrams_in / load.datagrams_in"},
				Input{Name: "refreshes", Value: kept, Unit: "cores", Source: "cpu_per_call x refreshes_in / load.datagrams_in"},
				Input{Name: "media", Value: media, Unit: "cores", Source: "media.held_cpu"},
				Input{Name: "relays", Value: mediaCall, Unit: "s", Source: "media.call_cpu"})
		}
		// Fixed workers are a choice of the spec: workerFindings judges them. Cores that
		// media takes are told by the ceiling of all workers.
		z.add(rung{resource: "workers of listener " + f.l.Name, axis: AxisCPS, hardware: f.l.Workers == 0, told: f.l.Workers > 0 || media > 0 && cpu < busy,
			subject: at(f.l.WorkersRange, f.l.Range), remedy: remedy,
			at: figure("ceiling.listener."+f.l.Name+".cpu", "Workers of "+f.l.Name, "calls/s", math.Min(busy, cpu), formula, inputs...)})
	}
}

// coresFor is the next worthwhile number of cores: enough for the plan, at least one more.
func (z *sizer) coresFor(cores int) int {
	tpc := float64(max(z.s.Hardware.ThreadsPerCore, 1))
	need := whole(z.b.CoresNeeded.Value / (1 + (tpc-1)*z.c.at("smt_yield")))
	return max(cores+1, int(math.Min(need, 1<<20)))
}

// coresForWorker is the number of cores at which listener i gets a further
// worker, and enough of them for the plan: others may be served before it.
func (z *sizer) coresForWorker(i int, has float64) int {
	h := z.s.Hardware
	need := math.Max(has+1, z.workersFor(z.t.listeners[i]))
	threads := float64(z.threadsFor(i, need))
	if z.shared.ID != z.threads.ID && z.threads.Value > 0 { // several workers a thread
		threads = math.Ceil(threads * z.threads.Value / math.Max(z.shared.Value, 1))
	}
	tpc := max(h.ThreadsPerCore, 1)
	return max(h.Cores+1, (int(threads)+tpc-1)/tpc)
}

func (z *sizer) socketCeilings() {
	per := z.c.in("socket_packets")
	for _, f := range z.t.listeners {
		if f.in.Value <= 0 || f.l.Stream() { // connections are spread by the kernel: none is the only one
			continue
		}
		formula, inputs := "socket_packets / datagrams_in: one trunk is one flow, and a flow meets one socket", []Input{per, of(f.in)}
		if f.heldIn.Value > 0 {
			formula, inputs = "(socket_packets - refreshes_in) / datagrams_in: one trunk is one flow, and a flow meets one socket", append(inputs, of(f.heldIn))
		}
		// One trunk is one flow and meets one socket: the others do not help it.
		z.add(rung{resource: "socket of listener " + f.l.Name, axis: AxisCPS, hardware: true, subject: f.l.Range,
			remedy: fmt.Sprintf("give part of the carriers of listener %q a second listener address", f.l.Name) + where(f.l.Range),
			at:     figure("ceiling.listener."+f.l.Name+".socket", "Socket of "+f.l.Name, "calls/s", (per.Value-f.heldIn.Value)/f.in.Value, formula, inputs...)})
	}
}

func (z *sizer) stateCeilings() {
	high, slots := z.highWater(), z.b.Transactions
	r := at(z.s.State.MemoryRange, z.s.State.Range)
	remedy := "raise workload.cps: slots follow it" + where(z.s.Workload.Range)
	switch {
	case z.s.State.Memory > 0:
		remedy = "raise state.memory, or write \"auto\"" + where(z.s.State.MemoryRange)
	case z.s.Limits.CPS > z.s.Workload.CPS:
		remedy = "raise limits.cps: slots follow it" + where(at(z.s.Limits.CPSRange, z.s.Limits.Range))
	}
	worst := figure("ceiling.transactions.worst", "Transaction slots, nobody answers", "calls/s", slots.Value*high.Value/math.Max(z.st.perCPS, 1e-3),
		"transactions.slots x high_water / (terms x invite_timeout + wait + 64 x T1)", of(slots), high, Input{Name: "terms x invite_timeout + wait + 64 x T1", Value: z.st.perCPS, Unit: "s"})
	z.add(rung{resource: "transaction slots, nobody answers", axis: AxisCPS, at: worst, remedy: remedy, subject: r, told: z.s.State.Memory > 0})
	typical := figure("ceiling.transactions.typical", "Transaction slots, usual calls", "calls/s", slots.Value*high.Value/math.Max(z.st.perCPSTy, 1e-3),
		"transactions.slots x high_water / (ring_time + 2 x wait)", of(slots), high, Input{Name: "ring_time + 2 x wait", Value: z.st.perCPSTy, Unit: "s"})
	z.add(rung{resource: "transaction slots, usual calls", axis: AxisCPS, at: typical, remedy: remedy, subject: r, told: z.s.State.Memory > 0})

	remedy = "raise workload.concurrent_calls above " + Count(z.t.held.Value) + ": slots follow it" + where(z.s.Workload.Range)
	if z.s.Limits.ConcurrentCalls > 0 {
		remedy = "raise limits.concurrent_calls: slots follow it" + where(at(z.s.Limits.ConcurrentRange, z.s.Limits.Range))
	}
	z.add(rung{resource: "call slots", axis: AxisConcurrent, remedy: remedy, subject: z.s.State.Range, told: z.s.Limits.ConcurrentCalls > 0,
		at: figure("ceiling.calls", "Call slots", "calls", z.b.Calls.Value*high.Value, "calls.slots x high_water", of(z.b.Calls), high)})
}

func (z *sizer) memoryCeilings() {
	remedy := "raise hardware.memory" + where(z.s.Hardware.MemoryRange)
	r := at(z.s.Hardware.MemoryRange, z.s.Hardware.Range)
	perCPS := Input{Name: "bytes per call/s", Value: z.memoryPerCPS(), Unit: "B"}
	perCall := Input{Name: "bytes per held call", Value: z.memoryPerCall(), Unit: "B"}
	z.add(rung{resource: "memory, by rate", axis: AxisCPS, hardware: true, told: z.free.Value < 0, remedy: remedy, subject: r,
		at: figure("ceiling.memory.cps", "Memory, by rate", "calls/s", z.t.cps.Value+z.free.Value/perCPS.Value,
			"load.cps + memory.free / bytes per call/s", of(z.t.cps), of(z.free), perCPS)})
	z.add(rung{resource: "memory, by calls held", axis: AxisConcurrent, hardware: true, told: z.free.Value < 0, remedy: remedy, subject: r,
		at: figure("ceiling.memory.concurrent", "Memory, by calls held", "calls", z.t.held.Value+z.free.Value/perCall.Value,
			"load.calls_held + memory.free / bytes per held call", of(z.t.held), of(z.free), perCall)})
}

func where(r hcl.Range) string {
	if l := Location(r); l != "" {
		return " (" + l + ")"
	}
	return ""
}
