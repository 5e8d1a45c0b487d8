package spec

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// checkRoutes resolves what routes name and finds routes never reached.
func (d *decoder) checkRoutes(s *Spec) {
	var listeners, sets, caches, carriers []string
	for _, c := range s.Limits.Carriers {
		carriers = append(carriers, c.Name)
	}
	for _, l := range s.Listeners {
		listeners = append(listeners, l.Name)
	}
	for _, set := range s.Dispatchers {
		sets = append(sets, set.Name)
	}
	for _, c := range s.Caches {
		caches = append(caches, c.Name)
	}
	for i, r := range s.Routes {
		d.references(r, r.From, r.FromRanges, listeners, "listener")
		d.references(r, r.To, r.ToRanges, sets, "dispatcher")
		d.references(r, r.Carriers, r.CarrierRanges, carriers, "carrier")
		if r.Cache != "" {
			d.references(r, []string{r.Cache}, []hcl.Range{r.CacheRange}, caches, "cache")
		}
		for _, earlier := range s.Routes[:i] {
			if shadows(earlier, r) {
				d.errorf(r.Range, "Route never reached", "Route %q (%s) takes every call this one could: routes are tried in order. Move this one above it, or remove it.", earlier.Name, at(earlier.Range))
				break
			}
		}
	}
	d.checkUnused(s)
}

// references checks a list of names in a route.
func (d *decoder) references(r *Route, names []string, places []hcl.Range, known []string, what string) {
	seen := map[string]bool{}
	for i, n := range names {
		if i >= len(places) {
			return // the implied route
		}
		switch {
		case seen[n]:
			d.errorf(places[i], "Named twice", "Route %q names %s %q twice. Remove one of the two.", r.Name, what, n)
		case !slices.Contains(known, n) && !d.isBroken(what, n):
			d.errorf(places[i], "Unknown "+what, "Route %q names %s %q. %s", r.Name, what, n, didYouMean(n, known, what))
		}
		seen[n] = true
	}
}

// shadows reports whether a takes every call b could. A route by cache passes on
// what its table does not know, so it shadows nothing.
func shadows(a, b *Route) bool {
	if a.Cache != "" || len(a.To) == 0 || !strings.HasPrefix(b.Prefix, a.Prefix) {
		return false
	}
	changes := a.Strip > 0 || a.Add != ""
	if a.Pattern != "" || a.Rewrite != "" || changes && a.Prefix == "" || a.Strip > len(a.Prefix) || changes && a.Strip == len(a.Prefix) && a.Add == "" {
		return false // it passes on what does not match, what has no number, and that of which nothing would be left
	}
	return includesAll(a.From, b.From) && includesAll(a.Carriers, b.Carriers)
}

// includesAll reports whether all that b names is in a; naming nothing means everything.
func includesAll(a, b []string) bool {
	if len(a) == 0 {
		return true
	}
	return len(b) > 0 && !slices.ContainsFunc(b, func(n string) bool { return !slices.Contains(a, n) })
}

// checkUnused warns of dispatchers and caches no call can come to: what is left
// over from an edit, or the route that was forgotten.
func (d *decoder) checkUnused(s *Spec) {
	if len(s.Routes) == 0 || d.diags.HasErrors() {
		return
	}
	usedSets, usedCaches := map[string]bool{}, map[string]bool{}
	for _, r := range s.Routes {
		usedCaches[r.Cache] = true
		for _, t := range r.To {
			usedSets[t] = true
		}
	}
	unknown := false
	for _, c := range s.Caches {
		switch {
		case !usedCaches[c.Name]:
			d.warnf(c.Range, "Cache not used", "No route uses cache %q. Add a route with cache = %q, or remove it.", c.Name, c.Name)
		case !c.Baked || c.Database != "":
			unknown = true // its rows may name any set
		default:
			for _, set := range d.src.cacheSets(c) {
				usedSets[set] = true
			}
		}
	}
	next := map[string]string{}
	for _, set := range s.Dispatchers {
		next[set.Name] = set.Next
	}
	for _, set := range s.Dispatchers {
		if !usedSets[set.Name] {
			continue
		}
		for n := set.Next; n != "" && !usedSets[n]; n = next[n] {
			usedSets[n] = true
		}
	}
	for _, set := range s.Dispatchers {
		if !usedSets[set.Name] && !unknown {
			d.warnf(set.Range, "Dispatcher not used", "No route and no cache leads to dispatcher %q. Add a route with to = [%q], or remove it.", set.Name, set.Name)
		}
	}
}

// cacheSets lists them once for all appliances of a fleet.
func (s *source) cacheSets(c *Cache) []string {
	sets, known := s.sets[c.File]
	if !known {
		sets = cacheSets(c.Data)
		s.sets[c.File] = sets
	}
	return sets
}

// cacheSets lists the sets a checked table names.
func cacheSets(data []byte) []string {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment = '#'
	r.FieldsPerRecord = 2
	r.TrimLeadingSpace = true
	r.ReuseRecord = true
	seen := map[string]bool{}
	var sets []string
	for {
		rec, err := r.Read()
		if err != nil {
			return sets
		}
		if set := strings.TrimSpace(rec[1]); !seen[set] {
			seen[set] = true
			sets = append(sets, set)
		}
	}
}
