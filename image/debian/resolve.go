package debian

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// ResolveError says why a profile has no closed set of packages. Problems are
// sorted and complete: each is one missing dependency or one conflict.
type ResolveError struct {
	Profile  string
	Suite    string
	Problems []string
}

func (e *ResolveError) Error() string {
	return fmt.Sprintf("packages of profile %q cannot be resolved in %s:\n  %s", e.Profile, e.Suite, strings.Join(e.Problems, "\n  "))
}

// Resolve closes the profile's seeds over Depends and Pre-Depends. Recommends
// and Suggests are not followed. The result is sorted by name and depends on
// nothing but its inputs.
//
// Of alternatives the first that the archive can satisfy is taken, unless one is
// there already: dependencies without a choice are followed first, so that what
// is needed anyway decides. There is no backtracking. Debian's stable archive
// needs none for a set this small, and the choice stays explainable.
func Resolve(ix *Index, p Profile) ([]Package, error) {
	r := &resolver{ix: ix, chosen: map[string]*Entry{}, why: map[string]string{}, excluded: map[string]bool{}}
	for _, x := range p.Exclude {
		r.excluded[x.Name] = true
	}
	for _, name := range p.Without {
		r.excluded[name] = true
	}
	for _, seed := range slices.Concat(p.Seeds, p.Hardware) {
		if r.excluded[seed] {
			r.problem("%s is wanted and excluded at once", seed)
			continue
		}
		r.follow(Dependency{{Name: seed}}, "")
	}
	r.run()
	r.conflicts()
	if len(r.problems) > 0 {
		sort.Strings(r.problems)
		return nil, &ResolveError{Profile: p.Name, Suite: ix.Suite, Problems: slices.Compact(r.problems)}
	}
	out := make([]Package, 0, len(r.chosen))
	for _, e := range r.chosen {
		out = append(out, e.Package)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out, nil
}

type resolver struct {
	ix       *Index
	excluded map[string]bool
	chosen   map[string]*Entry
	why      map[string]string // package -> the package that pulled it in; "" for a seed
	queue    []*Entry          // chosen, dependencies not yet looked at
	choices  []pending         // dependencies with alternatives, for later
	problems []string
}

type pending struct {
	dep Dependency
	by  string
}

func (r *resolver) problem(format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// run works the queue off, then takes one choice at a time: each may add
// packages whose dependencies must be known before the next choice.
func (r *resolver) run() {
	for {
		for len(r.queue) > 0 {
			e := r.queue[0]
			r.queue = r.queue[1:]
			for _, field := range []struct{ name, value string }{{"Pre-Depends", e.PreDepends}, {"Depends", e.Depends}} {
				deps, err := ParseDependencies(field.value)
				if err != nil {
					r.problem("%s %s: %s: %v", e.Name, e.Version, field.name, err)
					continue
				}
				for _, d := range deps {
					r.follow(d, e.Name)
				}
			}
		}
		if len(r.choices) == 0 {
			return
		}
		c := r.choices[0]
		r.choices = r.choices[1:]
		r.choose(c.dep, c.by)
	}
}

// follow takes a dependency that leaves no choice, and puts others off.
func (r *resolver) follow(d Dependency, by string) {
	for _, alt := range d {
		if r.excluded[alt.Name] {
			return
		}
	}
	if len(d) == 1 && r.ix.entries[d[0].Name] != nil {
		r.choose(d, by)
		return
	}
	r.choices = append(r.choices, pending{d, by})
}

// choose makes sure that one alternative of d is among the chosen.
func (r *resolver) choose(d Dependency, by string) {
	var first *Entry
	for _, alt := range d {
		for _, e := range r.candidates(alt) {
			if r.chosen[e.Name] == e {
				return
			}
			if first == nil && !r.excluded[e.Name] && (len(d) == 1 || !r.clashes(e)) {
				first = e
			}
		}
	}
	if first == nil {
		r.missing(d, by)
		return
	}
	r.chosen[first.Name] = first
	r.why[first.Name] = by
	r.queue = append(r.queue, first)
}

// candidates are the packages that satisfy one alternative: the package of that
// name, then those that provide it, the more important ones first.
func (r *resolver) candidates(alt Relation) []*Entry {
	var out []*Entry
	if e := r.ix.entries[alt.Name]; e != nil && alt.Allows(e.Version) {
		out = append(out, e)
	}
	var virtual []*Entry
	for _, p := range r.ix.provided[alt.Name] {
		// An unversioned Provides meets no versioned dependency (Policy 7.5).
		if p.by.Name != alt.Name && (alt.Op == "" || p.version != "" && alt.Allows(p.version)) {
			virtual = append(virtual, p.by)
		}
	}
	sort.Slice(virtual, func(i, j int) bool {
		a, b := virtual[i], virtual[j]
		if x, y := rank(a.Priority), rank(b.Priority); x != y {
			return x < y
		}
		return a.Name < b.Name
	})
	return append(out, slices.Compact(virtual)...)
}

func rank(priority string) int {
	if i := slices.Index([]string{"required", "important", "standard", "optional"}, priority); i >= 0 {
		return i
	}
	return 4
}

// missing explains an unmet dependency with the chain that led to it.
func (r *resolver) missing(d Dependency, by string) {
	var found []string
	for _, alt := range d {
		if e := r.ix.entries[alt.Name]; e != nil {
			found = append(found, e.Name+" "+e.Version)
		}
	}
	has := "the archive has nothing of that name"
	if len(found) > 0 {
		has = "the archive has " + strings.Join(found, ", ")
	}
	if by == "" {
		r.problem("%s is wanted by the profile, but %s", d, has)
		return
	}
	r.problem("%s needs %s, but %s (%s)", by, d, has, r.chain(by))
}

// chain renders how a package came in: "seed -> a -> b".
func (r *resolver) chain(name string) string {
	names := []string{name}
	for by := r.why[name]; by != "" && len(names) < 20; by = r.why[by] {
		names = append(names, by)
	}
	slices.Reverse(names)
	return strings.Join(names, " -> ")
}

// clashes reports whether e and the chosen exclude one another.
func (r *resolver) clashes(e *Entry) bool {
	for _, o := range r.chosen {
		if _, bad := r.clash(e, o); bad {
			return true
		}
		if _, bad := r.clash(o, e); bad {
			return true
		}
	}
	return false
}

// clash returns the relationship of a that b offends.
func (r *resolver) clash(a, b *Entry) (string, bool) {
	if a.Name == b.Name {
		return "", false // a package may conflict with what it provides itself
	}
	for _, field := range []struct{ verb, value string }{{"conflicts with", a.Conflicts}, {"breaks", a.Breaks}} {
		deps, err := ParseDependencies(field.value)
		if err != nil {
			return fmt.Sprintf("has an unreadable relationship: %v", err), true
		}
		for _, d := range deps {
			rel := d[0]
			if rel.Name == b.Name && rel.Allows(b.Version) {
				return field.verb + " " + rel.String(), true
			}
			for _, p := range r.ix.provided[rel.Name] {
				if p.by == b && (rel.Op == "" || p.version != "" && rel.Allows(p.version)) {
					return fmt.Sprintf("%s %s, which %s provides", field.verb, rel, b.Name), true
				}
			}
		}
	}
	return "", false
}

func (r *resolver) conflicts() {
	for _, a := range r.chosen {
		for _, b := range r.chosen {
			if why, bad := r.clash(a, b); bad {
				r.problem("%s %s %s, and %s %s is needed too (%s; %s)", a.Name, a.Version, why, b.Name, b.Version, r.chain(a.Name), r.chain(b.Name))
			}
		}
	}
}
