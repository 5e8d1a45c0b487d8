package modules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// UnknownModule is a module that is neither in the kernel package nor built in.
type UnknownModule struct {
	Name string
	Near []string // names the kernel has that are written alike, nearest first
}

func (e *UnknownModule) Error() string {
	if len(e.Near) == 0 {
		return fmt.Sprintf("the kernel package has no module %s", e.Name)
	}
	return fmt.Sprintf("the kernel package has no module %s; it has %s", e.Name, strings.Join(e.Near, ", "))
}

// named returns those of the names that are modules; what is built in needs none.
func (l *Library) named(names []string) ([]string, error) {
	var out []string
	for _, n := range names {
		n = underscores(n)
		switch {
		case l.byName[n] != "":
			out = append(out, n)
		case !l.Builtin(n):
			return nil, &UnknownModule{Name: n, Near: l.near(n)}
		}
	}
	return out, nil
}

// near are the names most like one that is not there, three at most.
func (l *Library) near(name string) []string {
	const most, far = 3, 4 // names, and letters they may differ in
	distance := func(n string) int { return distance(name, n) }
	out := slices.DeleteFunc(slices.Sorted(maps.Keys(l.byName)), func(n string) bool {
		return distance(n) > min(far, len(name)/2)
	})
	slices.SortStableFunc(out, func(a, b string) int { return distance(a) - distance(b) })
	return out[:min(most, len(out))]
}

// distance is how many letters must be added, removed or changed to make b of a
// (Levenshtein). A library for it would count among what shapes a base layer.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := last
			if a[i] != b[j] {
				cost++
			}
			last = row[j+1]
			row[j+1] = min(cost, last+1, row[j]+1)
		}
	}
	return row[len(b)]
}
