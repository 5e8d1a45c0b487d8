// Package route decides which dispatcher sets a new call goes to, and what number it goes
// there with: the ordered routes of the appliance, with longest-prefix tables for those that
// name a cache.
//
// It promises that Choose, which is on the path of a message, takes no lock and
// allocates nothing, and that a table is swapped as a whole: a call sees the old
// one or the new one. A cache without a table matches nothing. Prefixes are
// compared byte by byte with the user part of the Request-URI (case matters there,
// RFC 3261 section 19.1.4); sets are indexes into runtime.Appliance.Dispatchers.
//
// A route may change the number: characters taken off and others put before, or what a
// regular expression takes out of it. Its cache is then searched for what the number becomes. A
// number that would be left empty does not match. A rule depends on the configuration alone, so
// that whoever sends a request again has the same one.
package route

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
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
	rules  []*rule // of routes that change the number, from 1
	of     *Carriers
	any    bool // a route is for carriers
}

type compiled struct {
	name     string
	from     []bool // by listener
	carriers []bool // by carrier; nil: any source
	rule     *rule  // nil: the number is as it came
	number   uint8  // of the rule, from 1; 0: the number stays as it came
	prefix   string
	to       []int
	cache    *atomic.Pointer[Table] // instead of to
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
	of, err := NewCarriers(cfg.Limits.Carriers)
	if err != nil {
		errs = append(errs, err)
	}
	r.of, r.rules = of, []*rule{nil}
	for _, in := range cfg.Routes {
		c := compiled{name: in.Name, from: make([]bool, len(cfg.Listeners)), prefix: in.Prefix}
		if err := r.compile(&c, &in); err != nil {
			errs = append(errs, fmt.Errorf("route %q: %w", in.Name, err))
		}
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

// maxRules is how many routes may change numbers: a request keeps the number of its rule in a byte.
const maxRules = 255

// compile compiles what of a route is about the caller and the number.
func (r *Router) compile(c *compiled, in *runtime.Route) (err error) {
	if c.rule, err = compileRule(in); err != nil {
		return err
	}
	if c.rule != nil && c.rule.changes {
		if len(r.rules) > maxRules {
			return fmt.Errorf("it is the %dth that changes the number, at most %d work: use a pattern for several of them", len(r.rules), maxRules)
		}
		r.rules = append(r.rules, c.rule)
		c.number = uint8(len(r.rules) - 1)
	}
	for _, name := range in.Carriers {
		i, ok := r.of.index(name)
		if !ok {
			return fmt.Errorf("it is for carrier %q, which does not exist", name)
		}
		if c.carriers == nil {
			c.carriers = make([]bool, len(r.of.names))
		}
		c.carriers[i], r.any = true, true
	}
	return nil
}

// Choice is where a new call goes.
type Choice struct {
	Sets []int // in the order to try them; the slice belongs to the router
	// Rule is for Rewrite, which gives the user part the call goes on with; 0: the one it came with.
	Rule uint8
}

// Choose gives the choice for a new call that came in by a listener (an index into
// runtime.Appliance.Listeners) from an address for user. An escape in user means the character
// it stands for. It reports false when no route matches.
func (r *Router) Choose(listener int, from netip.Addr, user []byte) (Choice, bool) {
	m, ok := r.match(listener, from, user)
	return m.choice, ok
}

// service begins what is no number (RFC 5031).
var service = []byte("urn:")

// match is what matched: a route and, of its cache, a prefix.
type match struct {
	choice Choice
	route  *compiled
	prefix int // length, of what the number became; without a cache 0
}

func (r *Router) match(listener int, from netip.Addr, user []byte) (match, bool) {
	var decoded, changed [MaxPrefix]byte
	long := len(user) > MaxPrefix
	user = unescape(decoded[:], user)
	carrier := NoCarrier
	if r.any {
		carrier = r.of.Of(from)
	}
	for i := range r.routes {
		c := &r.routes[i]
		switch {
		case listener < 0 || listener >= len(c.from) || !c.from[listener]:
			continue
		case c.carriers != nil && (carrier < 0 || !c.carriers[carrier]):
			continue
		case len(user) < len(c.prefix) || string(user[:len(c.prefix)]) != c.prefix:
			continue
		}
		key := user
		if c.rule != nil {
			number, _ := split(user)
			to, ok := c.rule.apply(changed[:0], number)
			if !ok || long || len(number) == 0 || bytes.HasPrefix(user, service) {
				continue
			}
			if c.rule.changes {
				key = to
			}
		}
		if c.cache == nil {
			return match{Choice{c.to, c.number}, c, 0}, true
		}
		if v, n, ok := c.cache.Load().Lookup(key); ok {
			return match{Choice{r.single[v], c.number}, c, n}, true
		}
	}
	return match{}, false
}

// Rewrite appends the user part that a call goes on with by a rule to dst: the number changed,
// its parameters as they came. It reports false when there is nothing to change.
func (r *Router) Rewrite(dst []byte, rule uint8, user []byte) ([]byte, bool) {
	if rule == 0 || int(rule) >= len(r.rules) || len(user) > MaxPrefix {
		return dst, false
	}
	var decoded, changed [MaxPrefix]byte
	raw, parameters := split(user)
	to, ok := r.rules[rule].apply(changed[:0], unescape(decoded[:], raw))
	if !ok {
		return dst, false
	}
	return append(appendEscaped(dst, to), parameters...), true
}

// Carriers tells whose an address is.
func (r *Router) Carriers() *Carriers { return r.of }

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
