package html

import (
	"fmt"

	"trunkline/appliance/plan"
)

// cpuMap is the chart of hardware threads with the workers that want one.
// Workers are not pinned: the kernel places them, and the chart says so.
type cpuMap struct {
	Threads []thread
	More    int // threads not drawn
	Note    string
}

type thread struct {
	Name, Title string
	Workers     []worker
	More        int // workers not drawn
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
)

// Height is that of the drawing, in pixels.
func (t thread) Height() int { return 26 + workerHeight*max(1, len(t.Workers)) + 16*min(t.More, 1) }

// MoreAt is where the count of workers not drawn stands.
func (t thread) MoreAt() int { return t.Height() - 6 }

func makeCPU(p *plan.Plan) cpuMap {
	n := max(p.Appliance.Hardware.Threads, 1)
	all := make([]thread, min(n, maxThreads))
	for i := range all {
		all[i].Name = fmt.Sprintf("thread %d", i)
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
			slot := next % n
			next++
			if slot >= len(all) {
				continue
			}
			t := &all[slot]
			if len(t.Workers) == workersPerThread {
				t.More++
				continue
			}
			v := worker{Label: fit(fmt.Sprintf("%s %d", l.Name, w+1), 16), Class: fmt.Sprintf("part%d", i%colours), Y: 20 + workerHeight*len(t.Workers)}
			if known {
				v.Load, v.Fill = percent(load), fmt.Sprintf("%.1f", 118*min(load, 1))
				if load > 1 {
					v.Class = "error"
				}
			}
			t.Workers = append(t.Workers, v)
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
	}
	m := cpuMap{Threads: all, More: n - len(all)}
	m.Note = fmt.Sprintf("%s on %s. The kernel places workers on threads, none is pinned; a bar shows the planned load as a share of what the workers of that listener carry.",
		plural(workers, "worker"), plural(n, "hardware thread"))
	return m
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
