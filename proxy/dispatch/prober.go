package dispatch

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/limit"
)

// ProbePrefix begins the branch of every probe, so that its replies are told from
// those of calls.
const ProbePrefix = "z9hG4bKtlprobe"

// firstWithin bounds the wait for a destination's first probe, unless there are many:
// then apart is the mean time between the first probes of two. No more than its
// inverse, 500 probes per second, leave at first.
const (
	firstWithin = 2 * time.Second
	apart       = 2 * time.Millisecond
)

// Lines about changes of state, per second on average and at once. What is beyond
// is counted and told in one line.
const (
	linesRate  = 20
	linesBurst = 100
)

// queued is how many received replies may wait; maxReply is the longest that is
// taken. What exceeds them is dropped, and the probe is sent again.
const (
	queued   = 128
	maxReply = 16 << 10
)

// Sender sends a packet from a listener's socket, named as in the configuration.
type Sender func(listener string, pkt []byte, to netip.AddrPort) error

// Prober sends OPTIONS to the destinations of the sets that ask for it.
type Prober struct {
	sets     *Sets
	log      *slog.Logger
	subjects []*subject
	sources  sources // whose replies are taken
	replies  chan reply
	pending  pending

	// Observe, when set before Run, is called for every change of state, in order,
	// on a goroutine of Run's.
	Observe func(Change)

	start  time.Time
	rate   *limit.Rate // of lines
	unsaid int         // changes since the last line that got none

	delivered, dropped, stray atomic.Uint64
}

type reply struct {
	listener string
	pkt      []byte
}

// NewProber makes a prober; it sends nothing before Run. Its errors name the
// listener or destination that cannot be probed.
func NewProber(sets *Sets, listeners []runtime.Listener, send Sender, log *slog.Logger) (*Prober, error) {
	p := &Prober{
		sets: sets, log: log,
		sources: sources{count: map[source]int{}},
		replies: make(chan reply, queued),
		start:   time.Now(), rate: limit.NewRate(linesRate, linesBurst, nil),
	}
	p.pending.byKey = map[string]exchange{}
	byName := map[string]runtime.Listener{}
	for _, l := range listeners {
		byName[l.Name] = l
	}
	for _, d := range sets.Destinations() {
		if !d.set.Probed() {
			continue
		}
		l, ok := byName[d.Listener()]
		if !ok {
			return nil, fmt.Errorf("dispatcher %q: destination %q: there is no listener %q", d.set.Name(), d.Name(), d.Listener())
		}
		x, err := newSubject(d, l, send)
		if err != nil {
			return nil, fmt.Errorf("dispatcher %q: destination %q: %w", d.set.Name(), d.Name(), err)
		}
		p.subjects = append(p.subjects, x)
		if d.cfg.Host == "" {
			p.sources.add(source{l.Name, d.Address().Addr()})
		}
	}
	return p, nil
}

// Run probes until ctx ends and all it started has ended. It is for after READY:
// a destination's reply must find its listener open. It also writes the changes of
// state to the log, so it is to run even when no set is probed.
func (p *Prober) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { p.tellChanges(ctx) })
	wg.Go(func() { p.receive(ctx) })
	phases := max(firstWithin, time.Duration(p.targets())*apart)
	for _, x := range p.subjects {
		wg.Go(func() { p.probeLoop(ctx, x, phases) })
	}
	wg.Wait()
}

// Deliver takes a received reply whose topmost branch begins with ProbePrefix. It
// copies pkt and never blocks. It reports whether the reply was taken: not when it
// comes from an address nobody is probed at through that listener, or when too many
// wait.
func (p *Prober) Deliver(listener string, pkt []byte, src netip.AddrPort) bool {
	// The port is not looked at: a reply may leave by another than it was asked at
	// (RFC 3261 18.2.2 says where it goes, not where from).
	if len(pkt) > maxReply || !p.sources.has(source{listener, src.Addr().Unmap()}) || len(p.replies) == cap(p.replies) {
		p.dropped.Add(1)
		return false
	}
	select {
	case p.replies <- reply{listener, append([]byte(nil), pkt...)}:
		p.delivered.Add(1)
		return true
	default:
		p.dropped.Add(1)
		return false
	}
}

// ProberStats are the figures of the prober. Counters never fall.
type ProberStats struct {
	Targets     int    `json:"targets"`      // probed now: a name has as many as it leads to
	Delivered   uint64 `json:"delivered"`    // replies taken
	Dropped     uint64 `json:"dropped"`      // replies not taken: source, size, too many waiting
	Stray       uint64 `json:"stray"`        // replies taken that no probe waits for: late, repeated, malformed
	ChangesLost uint64 `json:"changes_lost"` // changes of state that are missing in the log
}

// Stats returns the prober's figures.
func (p *Prober) Stats() ProberStats {
	return ProberStats{
		Targets: p.targets(), Delivered: p.delivered.Load(), Dropped: p.dropped.Load(),
		Stray: p.stray.Load(), ChangesLost: p.sets.lost.Load(),
	}
}

// targets is how many targets are probed now.
func (p *Prober) targets() (n int) {
	for _, x := range p.subjects {
		n += len(x.dest.known())
	}
	return n
}

// probeLoop probes one destination, the next time an interval after the last was begun,
// or at once when somebody sets a state that waits for probes or its name leads to a
// new target. Each destination has its own phase, and each interval varies by a tenth,
// so that many destinations and many appliances do not probe in step. A disabled one is
// left alone. phases is the time over which the first probes of all are spread.
func (p *Prober) probeLoop(ctx context.Context, x *subject, phases time.Duration) {
	interval := x.probe.Interval.D()
	timer := time.NewTimer(rand.N(min(interval, phases)))
	defer timer.Stop()
	named := following{all: &p.sources, listener: x.listener}
	defer named.set(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-x.dest.health.wake:
		}
		timer.Reset(jitter(interval))
		if x.dest.State() == Disabled {
			continue
		}
		targets := x.dest.known()
		if x.dest.Host() != "" {
			named.set(targets)
		}
		p.round(ctx, x, targets)
	}
}

// round probes all targets of a destination at one time, and returns when each has an
// outcome or ctx has ended.
func (p *Prober) round(ctx context.Context, x *subject, targets []Target) {
	var wg sync.WaitGroup
	for _, t := range targets {
		wg.Go(func() {
			if o, done := p.probe(ctx, x, t); done {
				x.dest.probed(t, o)
			}
		})
	}
	wg.Wait()
}

// jitter varies d by up to a tenth either way.
func jitter(d time.Duration) time.Duration {
	tenth := d / 10
	return d - tenth + rand.N(2*tenth+1)
}

// tellChanges writes changes of state to the log and to Observe.
func (p *Prober) tellChanges(ctx context.Context) {
	for {
		var soon <-chan time.Time
		if p.unsaid > 0 {
			soon = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			p.makeUp()
			return
		case c := <-p.sets.changes:
			p.tell(c)
			if p.Observe != nil {
				p.Observe(c)
			}
		case <-soon:
			p.makeUp()
		}
	}
}

// level is how much a change matters.
func (c Change) level() slog.Level {
	switch {
	case c.To == Inactive:
		return slog.LevelWarn
	case c.From.TakesCalls() && c.To.TakesCalls():
		return slog.LevelDebug // to trying and back: the calls do not notice
	}
	return slog.LevelInfo
}

func (p *Prober) tell(c Change) {
	if !p.log.Enabled(context.Background(), c.level()) {
		return
	}
	if !p.rate.Allow(int64(time.Since(p.start))) {
		p.unsaid++
		return
	}
	d := c.Destination
	p.log.Log(context.Background(), c.level(), "destination "+c.To.String(), "set", d.set.Name(), "destination", d.Name(),
		"address", d.Where(), "listener", d.Listener(), "was", c.From.String(),
		"cause", c.Cause, "failures", c.Failures, "usable", d.set.Usable())
}

// makeUp tells how many changes got no line, once a line is free again.
func (p *Prober) makeUp() {
	if p.unsaid > 0 && p.rate.Allow(int64(time.Since(p.start))) {
		p.log.Warn("changes of destinations beyond the log's rate", "count", p.unsaid)
		p.unsaid = 0
	}
}
