package sizing

import (
	"math"

	"trunkline/appliance/spec"
)

// maxThreads bounds what the model hands out one by one.
const maxThreads = 1 << 16

// cpu computes what the workload needs and what the machine has.
func (z *sizer) cpu() {
	h, c := z.s.Hardware, z.c
	util, smt := c.in("target_utilisation"), c.in("smt_yield")
	z.costs()
	per := z.perCall()
	cores := stated("hardware.cpu.cores", float64(max(h.Cores, 0)), "cores", h.CPURange)
	tpc := stated("hardware.cpu.threads_per_core", float64(max(h.ThreadsPerCore, 1)), "threads", h.CPURange)

	all := z.perCallInAll()
	busy, formula, inputs := z.t.cps.Value*all.Value, "load.cps x "+all.Name, []Input{of(z.t.cps), all}
	if held := z.held; held.Value > 0 {
		busy, formula, inputs = busy+held.Value, "("+formula+" + cpu.held)", append(inputs, of(held))
	}
	z.b.CoresNeeded = figure("cpu.cores_needed", "Cores needed", "cores", busy/util.Value,
		formula+" / target_utilisation", append(inputs, util)...)
	z.cores = figure("cpu.cores", "Cores' worth of work the machine does", "cores", cores.Value*(1+(tpc.Value-1)*smt.Value),
		"cores x (1 + (threads_per_core - 1) x smt_yield)", cores, tpc, smt)
	z.threads = figure("cpu.threads", "Hardware threads", "threads", cores.Value*tpc.Value,
		"cores x threads_per_core", cores, tpc)
	z.term(z.cores)
	z.term(z.threads)
	z.shared = z.threads
	if wait := z.workerWait(); wait.Value > 0 {
		z.shared = z.term(figure("workers.wanted", "Workers to share out", "workers", math.Min(math.Floor(z.threads.Value*(1+wait.Value/per.Value)), maxThreads),
			"cpu.threads x (1 + worker_wait / "+per.Name+"): while one worker waits, another has the thread; at most 65,536", of(z.threads), wait, per))
	}
}

// perCall is the CPU time of a call in sbcd. Listeners over TLS and WSS add their
// part, and so do forks.
func (z *sizer) perCall() Input {
	if z.callCPU.ID != "" {
		return of(z.callCPU)
	}
	return z.c.in("cpu_per_call")
}

// perCallInAll is the CPU time of a call on the appliance: in sbcd, and in the
// relays beside it.
func (z *sizer) perCallInAll() Input {
	if z.allCPU.ID != "" {
		return of(z.allCPU)
	}
	return z.perCall()
}

// costs computes both, where they are more than the coefficient, and what calls
// held keep busy.
func (z *sizer) costs() {
	base, tls, fork := z.c.in("cpu_per_call"), 0.0, z.forkCPU()
	for _, f := range z.t.listeners {
		tls += z.tlsPerCall(f)
	}
	formula, inputs := base.Name, []Input{base}
	if tls > 0 {
		formula, inputs = formula+" + TLS", append(inputs, Input{Name: "TLS", Value: tls, Unit: "s", Source: tlsSource})
	}
	if fork > 0 {
		formula, inputs = formula+" + forks", append(inputs, Input{Name: "forks", Value: fork, Unit: "s", Source: forkSource})
	}
	if tls+fork > 0 {
		z.callCPU = z.term(figure("cpu.per_call", "CPU time of a call", "s", base.Value+tls+fork, formula, inputs...))
	}
	if media := z.media.callCPU; media.Value > 0 {
		per := z.perCall()
		z.allCPU = z.term(figure("cpu.per_call_in_all", "CPU time of a call, relays included", "s", per.Value+media.Value,
			per.Name+" + media.call_cpu", per, of(media)))
	}
	if z.held = z.heldCPU(); z.held.Value > 0 {
		z.term(z.held)
	}
}

const tlsSource = "sum over the TLS listeners of (datagrams_in + datagrams_out) x tls_message_cpu + share x tls_handshakes_per_call x tls_handshake_cpu"

// tlsPerCall is what TLS of one listener adds to every call.
func (z *sizer) tlsPerCall(f flow) float64 {
	if !f.l.Secure() {
		return 0
	}
	return (f.in.Value+f.out.Value)*z.c.at("tls_message_cpu") + f.share*z.c.at("tls_handshakes_per_call")*z.c.at("tls_handshake_cpu")
}

// heldCPU is what the calls held keep busy: session refreshes, and the media of
// those that are relayed here.
func (z *sizer) heldCPU() Figure {
	per, share := z.c.in("cpu_per_call"), z.refreshShare()
	refresh := z.t.refresh.Value * per.Value * share.Value
	inputs := []Input{of(z.t.refresh), per, share}
	formula := "load.refreshes x cpu_per_call x refresh's share of a call"
	if z.media.heldCPU.Value > 0 {
		formula += " + media.held_cpu"
		inputs = append(inputs, of(z.media.heldCPU))
		refresh += z.media.heldCPU.Value
	}
	return figure("cpu.held", "Cores busy with calls held", "cores", refresh, formula, inputs...)
}

// workerWait is what a call makes a worker wait; nothing unless the spec says so.
func (z *sizer) workerWait() Input {
	w := z.s.Workload
	return stated("workload.worker_wait", math.Max(w.WorkerWait.Seconds(), 0), "s", at(w.WorkerWaitRange, w.Range))
}

// shareOut gives out one worker per hardware thread. Overrides (K1) and the
// single worker of a loopback listener (K3) are set first; every other listener
// gets one and the rest goes, one at a time, to whoever has the most datagrams
// per worker (highest averages: adding a thread never takes a worker away).
func (z *sizer) shareOut(threads int) []int {
	n := make([]int, len(z.t.listeners))
	left := threads
	var auto []int
	for i, f := range z.t.listeners {
		switch {
		case f.l.Workers > 0:
			n[i] = f.l.Workers
		case f.l.Address.IsLoopback():
			n[i] = 1
		default:
			n[i] = 1
			auto = append(auto, i)
		}
		left -= n[i]
	}
	for ; left > 0 && len(auto) > 0; left-- {
		best, most := auto[0], -1.0
		for _, i := range auto {
			if avg := z.t.listeners[i].in.Value / float64(n[i]); avg > most {
				best, most = i, avg
			}
		}
		n[best]++
	}
	return n
}

// threadsFor is how many threads shareOut needs before listener i, one it gives
// workers to, has want of them (at least two).
func (z *sizer) threadsFor(i int, want float64) int {
	flows, total := z.t.listeners, want
	least := flows[i].in.Value / (want - 1) // datagrams per worker at which the last one is given
	for j, f := range flows {
		switch {
		case j == i:
		case f.l.Workers > 0:
			total += float64(f.l.Workers)
		case f.l.Address.IsLoopback():
			total++
		default:
			// As many as are given at a higher figure; at the same one the first goes first.
			k := math.Floor(f.in.Value/least) + 1
			for k > 0 && !(f.in.Value/k > least || f.in.Value/k == least && j < i) {
				k--
			}
			total += 1 + k
		}
	}
	return int(math.Min(total, maxThreads))
}

func (z *sizer) workers() {
	n := z.shareOut(int(math.Min(z.shared.Value, maxThreads)))
	total, inputs := 0.0, []Input{}
	for i, f := range z.t.listeners {
		w := z.workerFigure(f, n[i])
		z.b.Listeners = append(z.b.Listeners, ListenerBudget{Listener: f.l.Name, Workers: w, Steered: z.steered(f, n[i])})
		total += w.Value
		inputs = append(inputs, of(w))
	}
	formula := "sum over the listeners"
	if b := z.b.Sockets; b != nil {
		formula += ", and those of dynamic sockets"
		total += b.Workers.Value
		inputs = append(inputs, of(b.Workers))
	}
	z.b.TotalWorkers = figure("workers.total", "Receive workers", "workers", total, formula, inputs...)
}

// steered reports whether a listener's datagrams are spread over its workers by
// call. All of one trunk come from one source port, and the kernel gives them to one
// socket: where one worker cannot carry the listener, the others would look on.
func (z *sizer) steered(f flow, workers int) bool {
	switch {
	case f.l.Stream() || workers < 2 || f.l.Steering == spec.SteeringOff:
		return false
	case f.l.Steering == spec.SteeringCallID:
		return true
	}
	return z.workersFor(f) > 1
}

func (z *sizer) workerFigure(f flow, n int) Figure {
	id, name := "listener."+f.l.Name+".workers", "Workers of "+f.l.Name
	switch {
	case f.l.Workers > 0:
		return figure(id, name, "workers", float64(n), "as the spec says",
			stated("listener."+f.l.Name+".workers", float64(n), "workers", at(f.l.WorkersRange, f.l.Range)))
	case f.l.Address.IsLoopback():
		return figure(id, name, "workers", 1, "one: a loopback listener",
			stated("listener."+f.l.Name+".address", 1, "loopback", at(f.l.AddressRange, f.l.Range)))
	}
	formula := "at least one, then one worker per hardware thread in all, shared out by datagrams received"
	if z.shared.ID != z.threads.ID {
		formula = "at least one, then workers.wanted in all, shared out by datagrams received"
	}
	return figure(id, name, "workers", float64(n), formula, of(z.shared), of(f.in), of(z.t.perCallIn))
}

// cpuPerCall is the worker time one call of the appliance costs this listener.
func (z *sizer) cpuPerCall(f flow) float64 {
	return z.c.at("cpu_per_call")*f.in.Value/z.t.perCallIn.Value + z.tlsPerCall(f)
}

// waitPerCall is the time one call of the appliance makes a worker of this
// listener wait.
func (z *sizer) waitPerCall(f flow) float64 {
	return z.workerWait().Value * f.in.Value / z.t.perCallIn.Value
}

// heldPerListener is the worker time per second that refreshes take here.
func (z *sizer) heldPerListener(f flow) float64 {
	return z.c.at("cpu_per_call") * f.heldIn.Value / z.t.perCallIn.Value
}

// workersFor is how many workers a listener needs for the planned load.
func (z *sizer) workersFor(f flow) float64 {
	return whole((z.t.cps.Value*(z.cpuPerCall(f)+z.waitPerCall(f)) + z.heldPerListener(f)) / z.c.at("target_utilisation"))
}

// workerFindings says where an override contradicts the model (K1, T1, B3).
func (z *sizer) workerFindings() {
	threads := int(z.shared.Value)
	z.waitFinding()
	for _, f := range z.t.listeners {
		if f.l.Workers == 0 {
			continue
		}
		r := at(f.l.WorkersRange, f.l.Range)
		switch {
		case f.l.Workers > threads && z.shared.ID != z.threads.ID:
			z.find("workers.above-threads", SeverityWarning, r, "More workers than can run or wait",
				"Listener %q asks for %d workers. With worker_wait, %d keep %s hardware threads busy; more only add switches and memory (%s each). Write workers = \"auto\" or at most %d.",
				f.l.Name, f.l.Workers, threads, Count(z.threads.Value), Bytes(z.workerBytes()), threads)
		case f.l.Workers > threads:
			z.find("workers.above-threads", SeverityWarning, r, "More workers than hardware threads",
				"Listener %q asks for %d workers on %d hardware threads. A worker never waits for anything but its socket, so more workers than threads only add switches and memory (%s each). Write workers = \"auto\" or at most %d.",
				f.l.Name, f.l.Workers, threads, Bytes(z.workerBytes()), threads)
		}
		need := z.workersFor(f)
		if float64(f.l.Workers) < need {
			z.find("workers.too-few", SeverityWarning, r, "Too few workers",
				"Listener %q is held to %d, but %s calls/s need %.0f at %.0f %% use of a thread: datagrams queue and are retransmitted. Write workers = %.0f or \"auto\".",
				f.l.Name, f.l.Workers, Count(z.t.cps.Value), need, 100*z.c.at("target_utilisation"), need)
		}
	}
	// Listeners beyond the threads get a worker each all the same; that is only
	// worth a word when nobody asked for it.
	auto := 0
	for _, f := range z.t.listeners {
		if f.l.Workers == 0 && !f.l.Address.IsLoopback() {
			auto++
		}
	}
	listeners := 0.0
	for _, l := range z.b.Listeners {
		listeners += l.Workers.Value
	}
	if over := int(listeners) - threads; over > 0 && auto > threads {
		z.find("workers.shared-threads", SeverityNote, z.s.Hardware.CPURange, "Listeners share hardware threads",
			"%d listeners with one worker each run on %d hardware threads. That works while the worker CPU ceiling holds; for a thread of its own each, raise hardware.cpu.cores.", auto, threads)
	}
}

// waitFinding says why there are more workers than threads (T1).
func (z *sizer) waitFinding() {
	wait := z.workerWait()
	if wait.Value <= 0 {
		return
	}
	w, per := z.s.Workload, z.perCall()
	z.find("workers.wait", SeverityNote, at(w.WorkerWaitRange, w.Range), "Workers wait: more of them than hardware threads",
		"worker_wait says that each call makes a worker wait %s ms beside %s ms of work. So that %s hardware threads stay busy, %s workers are planned: threads x (1 + wait / work). Each holds memory, and a call is late by what it waits. Without waiting on workers, leave worker_wait out.",
		Count(1000*wait.Value), Count(1000*per.Value), Count(z.threads.Value), Count(z.shared.Value))
}
