package html

import (
	"fmt"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
)

// cpuMap is the chart of hardware threads: the workers that want one, and the
// queues of network cards that interrupt it. Workers are not pinned: the kernel
// places them, and the chart says so.
type cpuMap struct {
	Threads []thread
	More    int // threads not drawn
	Note    string
	Legend  string // what the lines about queues mean; empty: there are none
}

type thread struct {
	cpu         int // as Linux counts
	Name, Title string
	Workers     []worker
	More        int    // workers not drawn
	Queues      []line // receive queues it serves, and cards whose packets it gets
}

type worker struct {
	Label, Load, Fill, Class string
	Y                        int
}

// Bounds of the picture.
const (
	maxThreads       = 64
	workersPerThread = 3
	workerHeight     = 34
	queuesPerThread  = 3
	queueHeight      = 15
)

// Height is that of the drawing, in pixels.
func (t thread) Height() int { return t.workersEnd() + queueHeight*len(t.Queues) }

// MoreAt is where the count of workers not drawn stands.
func (t thread) MoreAt() int { return t.workersEnd() - 6 }

func (t thread) workersEnd() int {
	return 26 + workerHeight*max(1, len(t.Workers)) + 16*min(t.More, 1)
}

// serve adds what the budget says of one CPU beside its workers.
func (t *thread) serve(c sizing.CPU) {
	var texts []string
	for i, q := range c.Queues {
		if i == queuesPerThread-1 && len(c.Queues) > queuesPerThread {
			texts = append(texts, fmt.Sprintf("and %d more queues", len(c.Queues)-i))
			break
		}
		texts = append(texts, "queue "+q)
	}
	for i, n := range c.Steers {
		if i == queuesPerThread-1 && len(c.Steers) > queuesPerThread {
			texts = append(texts, fmt.Sprintf("and %d more cards", len(c.Steers)-i))
			break
		}
		texts = append(texts, "packets of "+n)
	}
	for i, s := range texts {
		t.Queues = append(t.Queues, line{t.workersEnd() + queueHeight*i + 4, fit(s, 20)})
	}
}

func makeCPU(p *plan.Plan) cpuMap {
	n := max(p.Appliance.Hardware.Threads, 1)
	all, place := threads(p.Budget.CPUs, n)
	drawn := map[int]*thread{}
	for i := range all {
		drawn[all[i].cpu] = &all[i]
	}
	loads := map[string]float64{}
	for _, c := range p.Budget.Ceilings {
		if c.Headroom > 0 {
			loads[c.At.ID] = 1 / c.Headroom
		}
	}
	next, workers := 0, 0
	for i, l := range p.Appliance.Listeners {
		load, known := loads["ceiling.listener."+l.Name+".cpu"]
		if !known && len(p.Appliance.Listeners) == 1 { // its workers are all there are
			load, known = loads["ceiling.cpu"]
		}
		for w := range l.Workers {
			workers++
			cpu, planned := place[fmt.Sprintf("%s/%d", l.Name, w)]
			if !planned {
				cpu = next % n
			}
			next++
			t := drawn[cpu]
			if t == nil {
				continue
			}
			if len(t.Workers) == workersPerThread {
				t.More++
				continue
			}
			v := worker{Label: fit(fmt.Sprintf("%s/%d", l.Name, w), 16), Class: fmt.Sprintf("part%d", i%colours), Y: 20 + workerHeight*len(t.Workers)}
			if known {
				v.Load, v.Fill = percent(load), fmt.Sprintf("%.1f", 118*min(load, 1))
				if load > 1 {
					v.Class = "error"
				}
			}
			t.Workers = append(t.Workers, v)
		}
	}
	served := false
	for _, c := range p.Budget.CPUs {
		if t := drawn[c.CPU]; t != nil {
			t.serve(c)
			served = served || len(c.Queues)+len(c.Steers) > 0
		}
	}
	for i := range all {
		t := &all[i]
		t.Title = t.Name + ": "
		for k, w := range t.Workers {
			if k > 0 {
				t.Title += ", "
			}
			t.Title += "worker " + w.Label
			if w.Load != "" {
				t.Title += " at " + w.Load
			}
		}
		if len(t.Workers) == 0 {
			t.Title += "no worker"
		}
		for _, q := range t.Queues {
			t.Title += ", " + q.Text
		}
	}
	m := cpuMap{Threads: all, More: n - len(all)}
	m.Note = fmt.Sprintf("%s on %s. The kernel places workers on threads, none is pinned; a bar shows the planned load as a share of what the workers of that listener carry.",
		plural(workers, "worker"), plural(n, "hardware thread"))
	if served {
		m.Legend = "A queue of a card interrupts the thread it stands at; packets of a card are handed on to the threads that say so (receive packet steering)."
	}
	return m
}

// threads are those to draw, and which of them each worker wants: as the budget
// says, which names those of a large machine that have something to do, or else
// one after the other.
func threads(cpus []sizing.CPU, n int) ([]thread, map[string]int) {
	place := map[string]int{}
	var all []thread
	for _, c := range cpus {
		for _, w := range c.Workers {
			place[w] = c.CPU
		}
		if len(all) < maxThreads {
			all = append(all, thread{cpu: c.CPU})
		}
	}
	if len(cpus) == 0 {
		for i := range min(n, maxThreads) {
			all = append(all, thread{cpu: i})
		}
	}
	for i := range all {
		all[i].Name = fmt.Sprintf("thread %d", all[i].cpu)
	}
	return all, place
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// fit shortens s to n characters.
func fit(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
