package html

import (
	"fmt"

	"trunkline/appliance/plan"
	"trunkline/appliance/sizing"
)

// memoryMap is the chart of the host's memory: all of it, and the used part
// enlarged, since most of a machine is often free.
type memoryMap struct {
	Title     string
	All, Used []segment
	Installed string // where the machine's memory ends when the plan needs more; empty: it fits
	Items     []memoryItem
	Total     string
}

type segment struct{ X, Width, Class, Title string }

type memoryItem struct{ Name, Bytes, Share, Class string }

// colours is how many classes the style has for parts of a whole.
const colours = 10

func makeMemory(p *plan.Plan) memoryMap {
	total := float64(p.Appliance.Hardware.MemoryBytes)
	used := 0.0
	items := p.Budget.Memory
	last := len(items) - 1 // free, by the contract of the budget
	for _, m := range items[:max(last, 0)] {
		used += m.Bytes.Value
	}
	scale := max(total, used)
	m := memoryMap{Total: sizing.Bytes(total),
		Title: fmt.Sprintf("%s of %s are used", sizing.Bytes(used), sizing.Bytes(total))}
	if used > total {
		m.Title = fmt.Sprintf("%s are needed, the machine has %s", sizing.Bytes(used), sizing.Bytes(total))
		m.Installed = share(total / scale)
	}
	at := 0.0
	for i, it := range items {
		v := it.Bytes.Value
		class := fmt.Sprintf("part%d", i%colours)
		if i == last {
			class = "free"
		}
		row := memoryItem{it.Name, it.Bytes.Format(), percent(ratio(v, total)), class}
		if v < 0 {
			row.Share = ""
		}
		m.Items = append(m.Items, row)
		if v <= 0 {
			continue
		}
		title := fmt.Sprintf("%s: %s", it.Name, it.Bytes.Format())
		m.All = append(m.All, segment{share(ratio(at, scale)), share(ratio(v, scale)), class, title})
		if i != last {
			m.Used = append(m.Used, segment{share(ratio(at, used)), share(ratio(v, used)), class, title})
		}
		at += v
	}
	if ratio(used, total) > 0.6 { // enlarged, it would be the same picture twice
		m.Used = nil
	}
	return m
}

// ratio is part / whole; nothing of nothing is 0.
func ratio(part, whole float64) float64 {
	if !(whole > 0) {
		return 0
	}
	return part / whole
}
