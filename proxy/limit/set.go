package limit

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"

	"trunkline/appliance/runtime"
	"trunkline/proxy/shm"
)

// Set is all limits of an appliance: those of all calls, of listeners, of carriers and of
// sources. A call must pass each that it belongs to, by the listener and the address it comes
// from, and has a place under each until Release. Its methods are for the path of a message.
type Set struct {
	all       *counter
	listeners []*counter // by index; nil: it has no limits
	// classes are the combinations of carriers and groups of sources that addresses are in;
	// the first is that of addresses in none.
	classes  []class
	prefixes *bart.Table[uint16] // class by the longest prefix; nil: there is none
	each     *addresses          // nil: no limit is for each address alone
	counters []*counter          // all of them
}

// class is what an address belongs to beside all calls and a listener.
type class struct {
	counters []*counter // narrowest limits first to be asked
	each     *rule      // nil: no limit is for each of its addresses alone
}

// counter is one limit and what it counts.
type counter struct {
	scope, name string
	*Concurrent
	*Rate
	refusal Refusal
}

// Scopes of limits.
const (
	ScopeAll      = "all"
	ScopeListener = "listener"
	ScopeCarrier  = "carrier"
	ScopeSource   = "source"
)

// Refusal is what a call that a limit refuses is told.
type Refusal struct {
	Code   int
	Reason string // "": the usual phrase of the code
}

// Why says what a call was refused for.
type Why uint8

// Reasons of a refusal.
const (
	Admitted Why = iota
	Crowded      // concurrent calls
	TooFast      // new calls per second
	NoRoom       // no row for one more address
)

// Held is what a call takes: the zero Held is a place under the limits of all calls alone.
// It means the same to a later process with the same configuration.
type Held uint64

func makeHeld(listener, class int, row uint32) Held {
	return Held(uint64(row)<<32 | uint64(class)<<16 | uint64(listener+1))
}

func (h Held) split() (listener, class int, row uint32) {
	return int(h&0xffff) - 1, int(h >> 16 & 0xffff), uint32(h >> 32)
}

// NewSet makes the limits of a configuration, with what must outlive the process in the arena.
// Its errors name what cannot work.
func NewSet(cfg *runtime.Appliance, a *shm.Arena) (*Set, error) {
	l := cfg.Limits
	n := 1 + len(l.Listeners) + len(l.Carriers) + len(l.Sources)
	buckets, err := shm.Take[Bucket](a, "rates", n)
	if err != nil {
		return nil, err
	}
	s := &Set{listeners: make([]*counter, len(cfg.Listeners))}
	add := func(scope string, x runtime.ScopedLimits) *counter {
		c := &counter{scope: scope, name: x.Name, Concurrent: NewConcurrent(x.ConcurrentCalls), refusal: Refusal{503, ""}}
		cps := x.CPS
		if x.PerAddress { // it counts; each address has a limit of its own
			c.Concurrent, cps = NewConcurrent(0), 0
		}
		c.Rate = NewRate(cps, x.Burst, &buckets[len(s.counters)])
		for _, r := range []*runtime.Refusal{l.Refusal, x.Refusal} {
			if r != nil {
				c.refusal = Refusal{r.Code, r.Reason}
			}
		}
		s.counters = append(s.counters, c)
		return c
	}
	s.all = add(ScopeAll, runtime.ScopedLimits{CPS: l.CPS, Burst: l.Burst, ConcurrentCalls: l.ConcurrentCalls})
	for _, x := range l.Listeners {
		i := slices.IndexFunc(cfg.Listeners, func(l runtime.Listener) bool { return l.Name == x.Name })
		if i < 0 {
			return nil, fmt.Errorf("limits of listener %q: there is no such listener", x.Name)
		}
		s.listeners[i] = add(ScopeListener, x)
	}
	var groups []group
	for _, x := range l.Sources {
		groups = append(groups, group{add(ScopeSource, x), x})
	}
	for _, x := range l.Carriers {
		groups = append(groups, group{add(ScopeCarrier, x), x})
	}
	if err := s.classify(groups); err != nil {
		return nil, err
	}
	if rows := Rows(cfg); rows > 0 {
		if s.each, err = newAddresses(a, rows); err != nil {
			return nil, err
		}
	}
	return s, nil
}

type group struct {
	*counter
	cfg runtime.ScopedLimits
}

// classify finds the class of each prefix that is written down: the groups with a prefix
// around it. An address is in the class of the longest prefix it has.
func (s *Set) classify(groups []group) error {
	s.classes = []class{{}}
	if len(groups) == 0 {
		return nil
	}
	s.prefixes = &bart.Table[uint16]{}
	index := map[string]uint16{"": 0}
	for _, g := range groups {
		for _, p := range g.cfg.Prefixes {
			if !p.IsValid() {
				return fmt.Errorf("limits of %s %q: a prefix is not valid: write it as 192.0.2.0/24", g.scope, g.name)
			}
			var key string
			var c class
			for i, o := range groups {
				if !slices.ContainsFunc(o.cfg.Prefixes, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) }) {
					continue
				}
				key += fmt.Sprint(i, " ")
				c.counters = append(c.counters, o.counter)
				if o.cfg.PerAddress {
					c.each = c.each.and(o)
				}
			}
			n, ok := index[key]
			if !ok {
				if len(s.classes) > 1<<16-1 {
					return fmt.Errorf("limits of sources and carriers overlap in more than %d ways", len(s.classes))
				}
				n = uint16(len(s.classes))
				index[key] = n
				s.classes = append(s.classes, c)
			}
			s.prefixes.Insert(p.Masked(), n)
		}
	}
	return nil
}

func (s *Set) classOf(src netip.Addr) int {
	if s.prefixes == nil {
		return 0
	}
	n, _ := s.prefixes.Lookup(src)
	return int(n)
}

// Admit takes places for a call that came in by a listener (an index) from an address, at the
// time now. When a limit refuses it, nothing but that is taken: the narrowest that does says what
// the call is told. What was taken of the rates of narrower limits is spent.
func (s *Set) Admit(now int64, listener int, src netip.Addr) (Held, *Refusal, Why) {
	n := s.classOf(src)
	c := &s.classes[n]
	h := makeHeld(listener, n, 0)
	if c.each != nil {
		row, why := s.each.take(now, src, c.each)
		if why != Admitted {
			c.each.counter.note(why)
			return 0, &c.each.refusal, why
		}
		h = makeHeld(listener, n, row)
	}
	var refused *counter
	why := Admitted
	took := 0
	for i := 0; ; i++ {
		x, ok := s.at(h, i)
		if !ok {
			return h, nil, Admitted
		}
		if !x.Acquire() {
			refused, why, took = x, Crowded, i
			break
		}
		if !x.Allow(now) {
			refused, why, took = x, TooFast, i+1
			break
		}
	}
	for i := range took {
		x, _ := s.at(h, i)
		x.Concurrent.Release()
	}
	s.each.leave(h)
	return 0, &refused.refusal, why
}

// note counts a refusal by the limits of each address at the group they are of.
func (c *counter) note(why Why) {
	if why == TooFast {
		c.Rate.refused.Add(1)
	} else {
		c.Concurrent.refused.Add(1)
	}
}

// at is the i-th limit that a call with h belongs to: the narrowest first, that of all
// calls last.
func (s *Set) at(h Held, i int) (*counter, bool) {
	listener, n, _ := h.split()
	c := s.classes[n].counters
	if i < len(c) {
		return c[i], true
	}
	i -= len(c)
	if listener >= 0 && s.listeners[listener] != nil {
		if i == 0 {
			return s.listeners[listener], true
		}
		i--
	}
	return s.all, i == 0
}

// AdmitAny takes places for a call that no limit may refuse. It reports whether each limit
// would have let it in.
func (s *Set) AdmitAny(now int64, listener int, src netip.Addr) (h Held, room bool) {
	n := s.classOf(src)
	h, room = makeHeld(listener, n, 0), true
	if each := s.classes[n].each; each != nil {
		row, why := s.each.take(now, src, each)
		room = why == Admitted
		h = makeHeld(listener, n, row)
	}
	for i := 0; ; i++ {
		x, ok := s.at(h, i)
		if !ok {
			return h, room
		}
		free, slow := x.AcquireAny(), x.Allow(now)
		room = room && free && slow
	}
}

// Again takes the places of a call once more, for one that came of it: a second dialog of one
// INVITE. No rate counts it.
func (s *Set) Again(h Held) bool {
	took := 0
	for ; ; took++ {
		x, ok := s.at(h, took)
		if !ok {
			s.each.again(h)
			return true
		}
		if !x.Acquire() {
			break
		}
	}
	for i := range took {
		x, _ := s.at(h, i)
		x.Concurrent.Release()
	}
	return false
}

// Restore takes places for a call that began in another boot: no limit refuses it, and no rate
// counts it.
func (s *Set) Restore(now int64, listener int, src netip.Addr) Held {
	n := s.classOf(src)
	h := makeHeld(listener, n, 0)
	if each := s.classes[n].each; each != nil {
		row, _ := s.each.take(now, src, &rule{counter: each.counter})
		h = makeHeld(listener, n, row)
	}
	for i := 0; ; i++ {
		x, ok := s.at(h, i)
		if !ok {
			return h
		}
		x.AcquireAny()
	}
}

// Return takes the places of a call that had them in the process before.
func (s *Set) Return(h Held) {
	for i := 0; ; i++ {
		x, ok := s.at(h, i)
		if !ok {
			s.each.again(h)
			return
		}
		x.AcquireAny()
	}
}

// Release gives back what a call took.
func (s *Set) Release(h Held) {
	for i := 0; ; i++ {
		x, ok := s.at(h, i)
		if !ok {
			s.each.leave(h)
			return
		}
		x.Concurrent.Release()
	}
}

// Recover forgets the places of the process before; Return takes those of each call again.
func (s *Set) Recover() { s.each.recover() }

// Stats are the figures of one limit.
type Stats struct {
	Scope             string `json:"scope"` // "all", "listener", "carrier", "source"
	Name              string `json:"name,omitempty"`
	Live              int64  `json:"live"`
	Peak              int64  `json:"peak"`
	RefusedConcurrent uint64 `json:"refused_concurrent"`
	RefusedRate       uint64 `json:"refused_rate"`
}

// Stats reads the figures of all limits, that of all calls first.
func (s *Set) Stats() []Stats {
	var out []Stats
	for _, c := range s.counters {
		out = append(out, Stats{c.scope, c.name, c.Live(), c.Peak(), c.Concurrent.Refused(), c.Rate.Refused()})
	}
	return out
}

// Live is how many calls have a place.
func (s *Set) Live() int64 { return s.all.Live() }
