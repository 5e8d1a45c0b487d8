package sizing

import (
	"math"
	"sort"
	"strconv"
)

// maxCPUs bounds the map of hardware threads, and with it the CPUs that serve
// queues.
const maxCPUs = 1024

// dynamicName is the name of dynamic sockets among workers. No listener can have it.
const dynamicName = "dynamic sockets"

// cpuMap deals receive queues and workers to the hardware threads. CPU numbers run
// over the physical cores first and then over their siblings, so dealing in that
// order keeps a sibling free as long as there is a core.
//
// Queues go on where those of the NIC before ended, so that several NICs share the
// CPUs. A NIC with fewer queues than there are CPUs has its packets steered (RPS):
// all CPUs that take none of its interrupts are dealt to its queues in turn, and a
// queue's own CPU keeps its part, since signalling leaves it idle most of the time
// (kernel: Documentation/networking/scaling.rst). A management NIC is served by
// CPU 0 alone.
func (z *sizer) cpuMap() {
	n := int(math.Min(z.threads.Value, maxCPUs))
	if n == 0 {
		return
	}
	z.b.CPUs = make([]CPU, n)
	for i := range z.b.CPUs {
		z.b.CPUs[i] = CPU{CPU: i, Workers: []string{}, Queues: []string{}, Steers: []string{}}
	}
	next := 0
	for i := range z.b.NICs {
		b := &z.b.NICs[i]
		if z.management[b.NIC] {
			b.Affinity = []QueueShare{{Queue: 0, CPU: 0}}
			z.b.CPUs[0].Queues = append(z.b.CPUs[0].Queues, b.NIC+"/0")
			continue
		}
		b.Affinity = affinity(int(math.Min(b.Queues.Value, float64(n))), n, next)
		next = (next + len(b.Affinity)) % n
		for _, q := range b.Affinity {
			c := &z.b.CPUs[q.CPU]
			c.Queues = append(c.Queues, b.NIC+"/"+strconv.Itoa(q.Queue))
			for _, cpu := range q.RPS {
				z.b.CPUs[cpu].Steers = append(z.b.CPUs[cpu].Steers, b.NIC)
			}
		}
	}
	z.placeWorkers(n)
}

// affinity deals queues to n CPUs from first on, and the CPUs that are left to the
// queues.
func affinity(queues, n, first int) []QueueShare {
	out := make([]QueueShare, queues)
	for q := range out {
		out[q] = QueueShare{Queue: q, CPU: (first + q) % n}
	}
	if queues >= n || queues == 0 {
		return out
	}
	for k := range n {
		q := &out[k%queues]
		q.RPS = append(q.RPS, (first+k)%n)
	}
	for q := range out {
		sort.Ints(out[q].RPS)
	}
	return out
}

// placeWorkers deals workers to the CPUs in turn: listeners in order, then those
// of dynamic sockets.
func (z *sizer) placeWorkers(n int) {
	k := 0
	place := func(name string, workers float64) {
		for w := range int(math.Min(workers, maxThreads)) {
			c := &z.b.CPUs[k%n]
			c.Workers = append(c.Workers, name+"/"+strconv.Itoa(w))
			k++
		}
	}
	for _, l := range z.b.Listeners {
		place(l.Listener, l.Workers.Value)
	}
	if b := z.b.Sockets; b != nil {
		place(dynamicName, b.Workers.Value)
	}
}
