package spec

import (
	"fmt"
	"sort"
	"strings"

	"github.com/agext/levenshtein"
)

// closest gives the candidate someone who wrote given most likely meant, or "".
// Differences in case and in - against _ alone always match; beyond that the
// distance must be small against the length.
func closest(given string, candidates []string) string {
	fold := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "-")) }
	best, bestDistance := "", 3
	if n := len(given); n < 4 {
		bestDistance = 2
	}
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	for _, c := range sorted {
		if c != "" && fold(c) == fold(given) {
			return c
		}
		if d := levenshtein.Distance(fold(given), fold(c), nil); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	return best
}

// didYouMean ends a detail: the likely name, or else all there is to choose from.
func didYouMean(given string, candidates []string, what string) string {
	if c := closest(given, candidates); c != "" {
		return fmt.Sprintf("Did you mean %q?", c)
	}
	if len(candidates) == 0 {
		return fmt.Sprintf("There is no %s yet.", what)
	}
	return fmt.Sprintf("There is %s.", quoteList(candidates, "and"))
}

// quoteList renders names as "a", "b" and "c", sorted; a long list is cut.
func quoteList(names []string, and string) string {
	const most = 12
	q := make([]string, 0, len(names))
	for _, n := range names {
		q = append(q, fmt.Sprintf("%q", n))
	}
	sort.Strings(q)
	if len(q) > most {
		return fmt.Sprintf("%s %s %d more", strings.Join(q[:most], ", "), and, len(q)-most)
	}
	if len(q) < 2 {
		return strings.Join(q, "")
	}
	return fmt.Sprintf("%s %s %s", strings.Join(q[:len(q)-1], ", "), and, q[len(q)-1])
}
