package resolve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how names are resolved. Servers must not be empty; whatever else is
// zero has a default.
type Options struct {
	Servers  []netip.AddrPort // asked in this order
	Timeout  time.Duration    // of one question to one server; 0: 2 s
	Attempts int              // rounds through the servers; 0: 2
	Parallel int              // names resolved at one time; 0: 8
	Own      []netip.Addr     // addresses of the appliance itself, which no name may lead to
	Log      *slog.Logger     // nil: nothing is told

	// Observe is called when a name leads elsewhere than before, on the goroutine
	// that resolved it, before others see it. It may take a moment.
	Observe func(*Name, *Result)
}

// Names are the names of an appliance's destinations.
type Names struct {
	opts   Options
	memory *memory
	stats  counters
	names  []*Name
	busy   chan struct{} // holds as many as may resolve at one time
}

// Name is one name in use.
type Name struct {
	label   string
	query   Query
	current atomic.Pointer[Result]

	mu    sync.Mutex // of one resolution at a time
	told  string     // the last trouble told, so that it is told once
	pause time.Duration
	slots slots
}

type counters struct {
	questions, failures, truncated, stale, cut, refused, changes atomic.Uint64
}

// New makes names without any; it asks nobody. Its errors name what is missing.
func New(o Options) (*Names, error) {
	if len(o.Servers) == 0 {
		return nil, errors.New("name servers: there is none to ask: give hardware a dns attribute with the addresses of your resolvers and build again")
	}
	for _, s := range o.Servers {
		if !s.IsValid() || s.Port() == 0 {
			return nil, fmt.Errorf("name servers: %v is not an address with a port", s)
		}
	}
	if o.Timeout <= 0 {
		o.Timeout = 2 * time.Second
	}
	if o.Attempts <= 0 {
		o.Attempts = 2
	}
	if o.Parallel <= 0 {
		o.Parallel = 8
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Names{opts: o, busy: make(chan struct{}, o.Parallel)}
	n.memory = &memory{stats: &n.stats, known: map[question]*known{}, client: &client{
		via: wire{}, servers: o.Servers, timeout: o.Timeout, attempts: o.Attempts, stats: &n.stats,
	}}
	return n, nil
}

// errPending is why there are no targets before the first resolution.
var errPending = errors.New("not resolved yet")

// Add adds a destination's name; label says in the log whose it is. It is for before
// Warm. Its error says what no answer could make usable.
func (n *Names) Add(label string, q Query) (*Name, error) {
	if err := q.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", label, err)
	}
	x := &Name{label: label, query: q}
	x.current.Store(&Result{Err: errPending})
	n.names = append(n.names, x)
	return x, nil
}

// Label is what Add was given.
func (x *Name) Label() string { return x.label }

// Host is the name itself.
func (x *Name) Host() string { return x.query.Host }

// Current is what the name leads to now; never nil. It takes no lock.
func (x *Name) Current() *Result { return x.current.Load() }

// Warm resolves every name once, and returns when each has an answer or a failure,
// or when within has passed. Its error names those without targets: it is to be
// told, and nothing to refuse the start for, as Run goes on asking.
func (n *Names) Warm(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("%w: %s have passed", errTimeout, within))
	defer cancel()
	n.each(func(x *Name) { n.refresh(ctx, x) })
	var errs []error
	for _, x := range n.names {
		if r := x.Current(); len(r.Targets) == 0 {
			errs = append(errs, fmt.Errorf("%s: %w", x.label, r.Err))
		}
	}
	return errors.Join(errs...)
}

// Run keeps names fresh until ctx ends, and all it started has ended.
func (n *Names) Run(ctx context.Context) {
	n.each(func(x *Name) {
		for {
			// Never in haste: an answer that was kept may have a moment left.
			t := time.NewTimer(max(time.Until(x.Current().Expires), time.Second))
			select {
			case <-ctx.Done():
				t.Stop()
				return
			case <-t.C:
			}
			n.refresh(ctx, x)
		}
	})
}

func (n *Names) each(f func(*Name)) {
	var wg sync.WaitGroup
	for _, x := range n.names {
		wg.Go(func() { f(x) })
	}
	wg.Wait()
}

// refresh resolves a name and puts the result in place.
func (n *Names) refresh(ctx context.Context, x *Name) {
	select {
	case n.busy <- struct{}{}:
		defer func() { <-n.busy }()
	case <-ctx.Done():
		x.mu.Lock()
		defer x.mu.Unlock()
		n.put(x, x.failed(context.Cause(ctx)))
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	r, err := resolve(ctx, x.query, n.opts.Own, n.memory)
	var no *noneError
	switch {
	case err == nil:
		x.pause = 0
	case errors.As(err, &no):
		x.pause = 0
		r = &Result{Expires: r.Expires, Stale: r.Stale, Left: r.Left, Err: err}
	default:
		r = x.failed(err)
	}
	// Nothing asked, as for an address, or nothing answered.
	if r.Expires.IsZero() {
		r.Expires = time.Now().Add(MaxTTL)
	}
	n.put(x, r)
}

// failed is the result after a failure: what was known before, due again soon.
func (x *Name) failed(err error) *Result {
	x.pause = min(max(2*x.pause, firstRetry), lastRetry)
	r := *x.Current()
	r.Expires, r.Err, r.Stale = time.Now().Add(x.pause), err, len(r.Targets) > 0
	return &r
}

func (n *Names) put(x *Name, r *Result) {
	old := x.Current()
	x.slots.assign(r.Targets, time.Now())
	changed := !r.same(old)
	n.tell(x, r, changed)
	if changed {
		n.stats.changes.Add(1)
		if n.opts.Observe != nil {
			n.opts.Observe(x, r)
		}
	}
	x.current.Store(r)
}

// tell writes to the log what is new about a name, once.
func (n *Names) tell(x *Name, r *Result, changed bool) {
	log := n.opts.Log.With("destination", x.label, "name", x.query.Host)
	if changed && len(r.Targets) > 0 {
		log.Info("destination resolved", "targets", r.String())
	}
	trouble := ""
	switch {
	case len(r.Targets) == 0 && r.Err != nil:
		trouble = r.Err.Error()
	case r.Stale:
		trouble = "stale"
	case len(r.Left) > 0:
		trouble = strings.Join(r.Left, "; ")
	}
	if trouble == x.told {
		return
	}
	switch x.told = trouble; {
	case trouble == "":
		log.Info("destination resolves without trouble again")
	case len(r.Targets) == 0:
		log.Warn("destination has no targets, it takes no calls", "error", r.Err)
	case r.Stale:
		log.Warn("name servers say nothing of use, the last known targets stay in use", "error", r.Err)
	default:
		log.Warn("targets of a destination are left out", "why", trouble)
	}
}

// String is the targets, as far as a line has room.
func (r *Result) String() string {
	var b strings.Builder
	for i, t := range r.Targets {
		if i == 8 {
			fmt.Fprintf(&b, " and %d more", len(r.Targets)-i)
			break
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(t.Transport + ":" + t.Addr.String())
	}
	return b.String()
}

// Stats are the figures of names. Counters never fall.
type Stats struct {
	Names      int    `json:"names"`
	Unresolved int    `json:"unresolved"` // names without targets now
	Stale      int    `json:"stale"`      // names whose targets are older than their TTL now
	Changes    uint64 `json:"changes"`    // times a name led elsewhere than before
	Questions  uint64 `json:"questions"`  // sent to name servers
	Failures   uint64 `json:"failures"`   // questions a server gave nothing of use to
	Truncated  uint64 `json:"truncated"`  // answers asked for again over TCP
	ServedOld  uint64 `json:"served_old"` // times records were used beyond their TTL
	Refused    uint64 `json:"refused"`    // addresses that must not be sent to
	Cut        uint64 `json:"cut"`        // records and targets beyond what is taken
}

// Stats returns the figures as they are now.
func (n *Names) Stats() Stats {
	s := Stats{
		Names: len(n.names), Changes: n.stats.changes.Load(), Questions: n.stats.questions.Load(),
		Failures: n.stats.failures.Load(), Truncated: n.stats.truncated.Load(), ServedOld: n.stats.stale.Load(),
		Refused: n.stats.refused.Load(), Cut: n.stats.cut.Load(),
	}
	for _, x := range n.names {
		r := x.Current()
		if len(r.Targets) == 0 {
			s.Unresolved++
		}
		if r.Stale {
			s.Stale++
		}
	}
	return s
}
