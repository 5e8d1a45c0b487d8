// Package route decides which dispatcher sets a new call goes to: the ordered
// routes of the appliance, with longest-prefix tables for those that name a cache.
//
// It promises that Choose, which is on the path of a message, takes no lock and
// allocates nothing, and that a table is swapped as a whole: a call sees the old
// one or the new one. A cache without a table matches nothing. Prefixes are
// compared byte by byte with the user part of the Request-URI (case matters there,
// RFC 3261 section 19.1.4); sets are indexes into runtime.Appliance.Dispatchers.
package route

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"trunkline/appliance/runtime"
)

// Router holds the compiled routes. All its methods may be used concurrently.
type Router struct {
	routes []compiled
	caches map[string]*atomic.Pointer[Table]
	sets   map[string]int
	names  []string
	single [][]int // single[i] is {i}: what a cache's match gives
}

type compiled struct {
	from   []bool // by listener
	prefix string
	to     []int
	cache  *atomic.Pointer[Table] // instead of to
}

// New compiles the routes of cfg. Errors name the route and what it refers to.
func New(cfg *runtime.Appliance) (*Router, error) {
	r := &Router{caches: map[string]*atomic.Pointer[Table]{}, sets: map[string]int{}}
	if len(cfg.Dispatchers) > 1<<16 {
		return nil, fmt.Errorf("%d dispatcher sets are configured, at most %d work", len(cfg.Dispatchers), 1<<16)
	}
	for i, d := range cfg.Dispatchers {
		r.sets[d.Name] = i
		r.names = append(r.names, d.Name)
		r.single = append(r.single, []int{i})
	}
	for _, c := range cfg.Caches {
		r.caches[c.Name] = new(atomic.Pointer[Table])
	}
	listeners := map[string]int{}
	for i, l := range cfg.Listeners {
		listeners[l.Name] = i
	}
	var errs []error
	for _, in := range cfg.Routes {
		c := compiled{from: make([]bool, len(cfg.Listeners)), prefix: in.Prefix}
		for i := range c.from {
			c.from[i] = len(in.From) == 0
		}
		for _, name := range in.From {
			i, ok := listeners[name]
			if !ok {
				errs = append(errs, fmt.Errorf("route %q is from listener %q, which does not exist", in.Name, name))
				continue
			}
			c.from[i] = true
		}
		for _, name := range in.To {
			i, ok := r.sets[name]
			if !ok {
				errs = append(errs, fmt.Errorf("route %q leads to dispatcher %q, which does not exist", in.Name, name))
				continue
			}
			c.to = append(c.to, i)
		}
		switch {
		case in.Cache != "" && len(in.To) > 0:
			errs = append(errs, fmt.Errorf("route %q has both a cache and dispatchers: keep one", in.Name))
		case in.Cache != "":
			p, ok := r.caches[in.Cache]
			if !ok {
				errs = append(errs, fmt.Errorf("route %q uses cache %q, which does not exist", in.Name, in.Cache))
			}
			c.cache = p
		case len(in.To) == 0:
			errs = append(errs, fmt.Errorf("route %q leads nowhere: give it a dispatcher or a cache", in.Name))
		}
		r.routes = append(r.routes, c)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

// Choose gives the sets a new call that came in by a listener (an index into
// runtime.Appliance.Listeners) for user goes to, in the order to try them. The
// slice belongs to the router. An escape in user means the character it stands for.
// It reports false when no route matches.
func (r *Router) Choose(listener int, user []byte) ([]int, bool) {
	var plain [MaxPrefix]byte
	user = unescape(plain[:], user)
	for i := range r.routes {
		c := &r.routes[i]
		if listener < 0 || listener >= len(c.from) || !c.from[listener] {
			continue
		}
		if len(user) < len(c.prefix) || string(user[:len(c.prefix)]) != c.prefix {
			continue
		}
		if c.cache == nil {
			return c.to, true
		}
		if v, _, ok := c.cache.Load().Lookup(user); ok {
			return r.single[v], true
		}
	}
	return nil, false
}

// Swap puts a table in place for a cache. Its values must come from Set.
func (r *Router) Swap(cache string, t *Table) error {
	p, ok := r.caches[cache]
	if !ok {
		return fmt.Errorf("cache %q does not exist", cache)
	}
	if v, prefix := t.most(); v >= len(r.single) {
		return fmt.Errorf("cache %q: prefix %q leads to set %d, there are %d", cache, prefix, v, len(r.single))
	}
	p.Store(t)
	return nil
}

// Table gives the table of a cache, nil before the first Swap.
func (r *Router) Table(cache string) *Table {
	if p, ok := r.caches[cache]; ok {
		return p.Load()
	}
	return nil
}

// Set gives the index of a dispatcher set by its name.
func (r *Router) Set(name []byte) (int, bool) {
	i, ok := r.sets[string(name)]
	return i, ok
}

// SetName is the name of a dispatcher set.
func (r *Router) SetName(i int) string { return r.names[i] }

// SetNames lists the dispatcher sets for messages to people.
func (r *Router) SetNames() string { return strings.Join(r.names, ", ") }
