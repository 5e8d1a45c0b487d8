package dispatch

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"

	"trunkline/appliance/runtime"
	"trunkline/proxy/limit"
	"trunkline/proxy/resolve"
)

// Sets are all dispatcher sets of an appliance.
type Sets struct {
	sets   []*Set
	byName map[string]*Set
	dests  []*Destination
	chains [][]int // by set: it, and the sets that follow it

	changes chan Change // to the Prober, which tells them
	lost    atomic.Uint64
}

// Set is one dispatcher set.
type Set struct {
	cfg       runtime.Dispatcher
	algorithm algorithm
	owner     *Sets
	dests     []*Destination
	seed      uint64 // of algorithm random

	members atomic.Pointer[members]
	turn    atomic.Uint64 // of calls
	again   atomic.Uint64 // of calls that move on

	mu sync.Mutex // guards the health of the destinations and the making of members
}

// Destination is one member of a set.
type Destination struct {
	// Index is its position in Sets.Destinations.
	Index int

	cfg    runtime.Destination
	set    *Set
	place  int    // in the set
	seed   uint64 // of rendezvous hashing
	health health

	name    *resolve.Name // nil: it has an address
	targets []target      // by slot
	// Guarded by the set's lock, except before the first call.
	here     uint32 // the slots in use
	led      bool   // its targets have begun in state first
	first    State  // of its first targets
	disabled bool

	calls atomic.Int64  // that have a place; see Leave
	full  atomic.Uint64 // calls that found none
	rate  *limit.Rate   // max_cps; nil: not stated
}

// New makes the sets of a configuration, every destination in the state it is to
// start in. Its errors name the set and destination that cannot work.
func New(cfg *runtime.Appliance) (*Sets, error) {
	s := &Sets{byName: make(map[string]*Set, len(cfg.Dispatchers)), changes: make(chan Change, 256)}
	for _, c := range cfg.Dispatchers {
		if _, twice := s.byName[c.Name]; twice {
			return nil, fmt.Errorf("dispatcher %q: there are two of this name", c.Name)
		}
		set, err := s.newSet(c)
		if err != nil {
			return nil, fmt.Errorf("dispatcher %q: %w", c.Name, err)
		}
		s.sets = append(s.sets, set)
		s.byName[c.Name] = set
	}
	if len(s.dests) > math.MaxUint16 {
		return nil, fmt.Errorf("%d destinations are configured, at most %d work", len(s.dests), math.MaxUint16)
	}
	return s, s.chain()
}

// chain finds the sets that follow each set.
func (s *Sets) chain() error {
	at := make(map[string]int, len(s.sets))
	for i, set := range s.sets {
		at[set.Name()] = i
	}
	s.chains = make([][]int, len(s.sets))
	for i, set := range s.sets {
		seen := map[int]bool{i: true}
		s.chains[i] = []int{i}
		for set.cfg.Next != "" {
			next, ok := at[set.cfg.Next]
			if !ok {
				return fmt.Errorf("dispatcher %q: next: there is no dispatcher %q", set.Name(), set.cfg.Next)
			}
			if seen[next] {
				return fmt.Errorf("dispatcher %q: next: %q comes before it already: its calls would run in a circle", set.Name(), set.cfg.Next)
			}
			seen[next] = true
			s.chains[i] = append(s.chains[i], next)
			set = s.sets[next]
		}
	}
	return nil
}

func (s *Sets) newSet(c runtime.Dispatcher) (*Set, error) {
	alg, err := algorithmOf(c.Algorithm)
	if err != nil {
		return nil, err
	}
	if c.Probe != nil {
		if err := checkProbe(c.Probe); err != nil {
			return nil, err
		}
	}
	if n := len(c.Destinations); alg == parallel && n > MaxParallel {
		return nil, fmt.Errorf("parallel calls all destinations at once, at most %d; it has %d: spread them over sets that follow each other (next)", MaxParallel, n)
	}
	set := &Set{cfg: c, algorithm: alg, owner: s, seed: rand.Uint64()}
	names := map[string]bool{}
	for _, d := range c.Destinations {
		if names[d.Name] {
			return nil, fmt.Errorf("destination %q: there are two of this name", d.Name)
		}
		names[d.Name] = true
		switch {
		case d.Host != "" && d.Address.IsValid():
			return nil, fmt.Errorf("destination %q: it has a name and an address: leave the one or the other out", d.Name)
		case d.Host != "":
		case !d.Address.IsValid() || d.Address.Port() == 0:
			return nil, fmt.Errorf("destination %q: address %v is not an address with a port", d.Name, d.Address)
		default:
			d.Address = netip.AddrPortFrom(d.Address.Addr().Unmap(), d.Address.Port())
		}
		dest := &Destination{cfg: d, set: set, Index: len(s.dests), place: len(set.dests), seed: mix(hash([]byte(d.Name)))}
		if err := dest.start(); err != nil {
			return nil, fmt.Errorf("destination %q: %w", d.Name, err)
		}
		set.dests = append(set.dests, dest)
		s.dests = append(s.dests, dest)
	}
	set.refresh()
	return set, nil
}

// start puts a new destination into its first state.
func (d *Destination) start() error {
	if d.set.algorithm == callLoad && d.cfg.MaxCalls <= 0 {
		return errors.New("call-load goes by max_calls, which is not stated")
	}
	if d.cfg.MaxCPS > 0 {
		d.rate = limit.NewRate(d.cfg.MaxCPS, burst(d.cfg.MaxCPS), nil)
	}
	d.health.wake = make(chan struct{}, 1)
	if d.cfg.State != "" {
		state, err := ParseState(d.cfg.State)
		if err != nil {
			return err
		}
		if err := d.mayBecome(state); err != nil {
			return err
		}
		if d.disabled = state == Disabled; !d.disabled {
			d.first = state
		}
	}
	if d.cfg.Host != "" {
		d.targets = make([]target, resolve.MaxTargets)
	} else {
		d.targets, d.here, d.led = make([]target, 1), 1, true
		d.targets[0].state.Store(int32(d.first))
	}
	state := d.first
	switch {
	case d.disabled:
		state = Disabled
	case d.here == 0:
		state = Inactive
	}
	d.health.state.Store(int32(state))
	return nil
}

func checkProbe(p *runtime.Probe) error {
	switch {
	case p.Interval <= 0:
		return errors.New("probe: interval must be above 0")
	case p.Timeout <= 0:
		return errors.New("probe: timeout must be above 0")
	case p.FailThreshold < 1:
		return errors.New("probe: fail_threshold must be at least 1")
	case p.RecoverThreshold < 1:
		return errors.New("probe: recover_threshold must be at least 1")
	case len(p.Accept) == 0:
		return errors.New("probe: accept names no code, so that no probe could succeed: \"2xx\" is usual")
	}
	return nil
}

// Set returns set i of the configuration's Dispatchers.
func (s *Sets) Set(i int) *Set { return s.sets[i] }

// Chain is set i and the sets that take its calls, one after the other, when none
// of its destinations does. None is in it twice.
func (s *Sets) Chain(i int) []int { return s.chains[i] }

// Len is the number of sets.
func (s *Sets) Len() int { return len(s.sets) }

// Named returns the set of a name.
func (s *Sets) Named(name string) (*Set, bool) {
	set, ok := s.byName[name]
	return set, ok
}

// Destinations returns the destinations of all sets; each is at its Index.
func (s *Sets) Destinations() []*Destination { return s.dests }

// Name is the set's name.
func (s *Set) Name() string { return s.cfg.Name }

// ID is the set's number in the configuration.
func (s *Set) ID() int { return s.cfg.ID }

// Failover says which outcomes move a call to the next destination.
func (s *Set) Failover() runtime.Failover { return s.cfg.Failover }

// Probed reports whether the set's destinations are probed.
func (s *Set) Probed() bool { return s.cfg.Probe != nil }

// Destinations returns the set's destinations in the order of the configuration.
func (s *Set) Destinations() []*Destination { return s.dests }

// Set is the set it belongs to.
func (d *Destination) Set() *Set { return d.set }

// Name is its name, unique within the set.
func (d *Destination) Name() string { return d.cfg.Name }

// URI is its SIP URI as the spec wrote it.
func (d *Destination) URI() string { return d.cfg.URI }

// Address is where its packets go; the zero value when that is by a name.
func (d *Destination) Address() netip.AddrPort { return d.cfg.Address }

// Listener is the name of the listener that reaches it.
func (d *Destination) Listener() string { return d.cfg.Listener }
