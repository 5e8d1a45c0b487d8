package sizing

import "math"

// maxThreads bounds what the model hands out one by one.
const maxThreads = 1 << 16

// cpu computes what the workload needs and what the machine has.
func (z *sizer) cpu() {
	h, c := z.s.Hardware, z.c
	per, util, smt := c.in("cpu_per_call"), c.in("target_utilisation"), c.in("smt_yield")
	cores := stated("hardware.cpu.cores", float64(max(h.Cores, 0)), "cores", h.CPURange)
	tpc := stated("hardware.cpu.threads_per_core", float64(max(h.ThreadsPerCore, 1)), "threads", h.CPURange)

	z.b.CoresNeeded = figure("cpu.cores_needed", "Cores needed", "cores", z.t.cps.Value*per.Value/util.Value,
		"load.cps x cpu_per_call / target_utilisation", of(z.t.cps), per, util)
	z.cores = figure("cpu.cores", "Cores' worth of work the machine does", "cores", cores.Value*(1+(tpc.Value-1)*smt.Value),
		"cores x (1 + (threads_per_core - 1) x smt_yield)", cores, tpc, smt)
	z.threads = figure("cpu.threads", "Hardware threads", "threads", cores.Value*tpc.Value,
		"cores x threads_per_core", cores, tpc)
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
	n := z.shareOut(int(math.Min(z.threads.Value, maxThreads)))
	total, inputs := 0.0, []Input{}
	for i, f := range z.t.listeners {
		w := z.workerFigure(f, n[i])
		z.b.Listeners = append(z.b.Listeners, ListenerBudget{Listener: f.l.Name, Workers: w})
		total += w.Value
		inputs = append(inputs, of(w))
	}
	z.b.TotalWorkers = figure("workers.total", "Receive workers", "workers", total, "sum over the listeners", inputs...)
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
	return figure(id, name, "workers", float64(n),
		"at least one, then one worker per hardware thread in all, shared out by datagrams received",
		of(z.threads), of(f.in), of(z.t.perCallIn))
}

// cpuPerCall is the worker time one call of the appliance costs this listener.
func (z *sizer) cpuPerCall(f flow) float64 {
	return z.c.at("cpu_per_call") * f.in.Value / z.t.perCallIn.Value
}

// workerFindings says where an override contradicts the model (K1, T1, B3).
func (z *sizer) workerFindings() {
	threads := int(z.threads.Value)
	for _, f := range z.t.listeners {
		if f.l.Workers == 0 {
			continue
		}
		r := at(f.l.WorkersRange, f.l.Range)
		if f.l.Workers > threads {
			z.find("workers.above-threads", SeverityWarning, r, "More workers than hardware threads",
				"Listener %q asks for %d workers on %d hardware threads. A worker never waits for anything but its socket, so more workers than threads only add switches and memory (%s each). Write workers = \"auto\" or at most %d.",
				f.l.Name, f.l.Workers, threads, Bytes(z.c.at("worker_bytes")), threads)
		}
		need := whole(z.t.cps.Value * z.cpuPerCall(f) / z.c.at("target_utilisation"))
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
	if over := int(z.b.TotalWorkers.Value) - threads; over > 0 && auto > threads {
		z.find("workers.shared-threads", SeverityNote, z.s.Hardware.CPURange, "Listeners share hardware threads",
			"%d listeners with one worker each run on %d hardware threads. That works while the worker CPU ceiling holds; for a thread of its own each, raise hardware.cpu.cores.", auto, threads)
	}
}
