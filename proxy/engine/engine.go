// Package engine is the path of a message through the proxy. It owns the
// listeners and wires admission, transactions, limits, calls, routing and
// dispatching in the order a message takes:
//
//	datagram -> source admitted? -> parse -> transaction? -> valid?
//	  new request:    overload, marks -> limits -> call -> route -> dispatch -> forward
//	  within dialog:  Route or Request-URI -> forward
//	  reply:          branch -> transaction -> failover or upstream
//
// It behaves as the stateful proxy of RFC 3261 section 16 with RFC 6026, and
// record-routes every dialog it creates (twice when it leaves by another listener
// than it came in by: outgoing on top).
//
// Strict routers of RFC 2543 are understood before us and behind us (strict.go); a next hop
// by name is not, for nothing is resolved on the path.
//
// A request come back unchanged is refused as a loop (16.3 step 4). A merged one
// (8.2.2.2), which forked before it came here, is for its server to refuse: a proxy
// takes each branch for a request of its own.
//
// # Promises
//
// No goroutine is started, no lock shared by all workers is taken, nothing is
// logged and nothing is allocated for a message that is forwarded. Whatever is
// dropped or refused is counted by reason. A request that moves to another
// destination is told to the log off the path, with both destinations named, up to
// a rate (events.go); with debug lines on, so is every first choice. Messages of one transaction leave in
// the order they were handled, for they are sent with the shard of the transaction
// locked. Nothing waits on the path: names are not resolved there, so a target within
// a dialog must be a literal address, and one that a listener admits. Destinations by
// name are resolved beside it; a request whose target fails as a server does (silence,
// no connection, 5xx) goes to the next target of its destination first, with the leave
// of the set's failover, and else to the next destination.
//
// A packet from a source its listener does not admit leaves no state and gets no
// answer. A call ends exactly once (package call). Past the high-water mark of the
// transaction table, in slots or in bytes of messages, new calls get 503 with
// Retry-After, while dialogs go on; so they do past the mark of the call table, and a share of
// them where workers do not keep up (package overload). Half of what lies above the mark in bytes is for
// the replies of what is in progress; requests within dialogs that find no slot or
// no room below that are forwarded without state.
//
// While it drains (drain.go), nothing new is taken.
//
// Emergency calls are known once their source is let in; no limit refuses them, nor overload,
// draining nor the mark, beyond which there is room for a number of them (emergency.go).
//
// Where a dispatcher calls all its destinations at once, the request forks (fork.go): each
// provisional reply and each 2xx goes to the caller, the rest is cancelled, and of refusals
// the caller gets the best (RFC 3261 16.7). A refusal that the failover rule names is a
// failure of its destination and no answer: when all failed so, the next set is tried.
//
// Over connections a reply leaves by the one its request came by, nothing is sent
// twice, and a destination whose connection cannot be made or ends before it replied is left
// at once (package stream has the rules of connections). The first line of a Record-Route
// pair names the transport a request left by, the second the one it came by, and a request
// within the dialog leaves by the listener they name, and by the connection where its side
// of the dialog can be reached in no other way (RFC 5626 5.3; flow.go says where).
//
// A request too long for UDP leaves over TCP (RFC 3261 section 18.1.1, long.go), with the
// Via of that listener. When no connection can be made it goes to the same destination
// over UDP, and for a while so do the next.
//
// With session timers (session.go) the dialog of each answered call is kept (dialog.go), what
// requests and replies say of the session is checked and put right (RFC 4028 section 8), and a
// call whose session or lifetime is over gets BYE toward both sides (hangup.go) before it ends. Without,
// none of that costs anything, and a call past its lifetime just ends.
//
// The sockets of listeners may come from a process before this one, and go to the next
// (handoff.go); what this one has received by then, it has handled.
//
// Times are those of runtime.Transaction. InviteTimeout runs from an INVITE's
// admission; a destination that has said no more than 100 by then is left for the
// next one once, so that no INVITE outlives twice that time.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/credential"
	"trunkline/proxy/dialog"
	"trunkline/proxy/dispatch"
	"trunkline/proxy/limit"
	"trunkline/proxy/media"
	"trunkline/proxy/policy"
	"trunkline/proxy/record"
	"trunkline/proxy/route"
	"trunkline/proxy/session"
	"trunkline/proxy/shm"
	"trunkline/proxy/transaction"
)

// defaultRetryAfter is what a 503 says when the configuration says nothing, seconds.
const defaultRetryAfter = 5

// Engine is one proxy.
type Engine struct {
	cfg    *runtime.Appliance
	log    *slog.Logger
	dir    *directory
	groups []group
	lost   *lostConnections
	router *route.Router
	sets   *dispatch.Sets
	prober *dispatch.Prober

	table      *transaction.Table
	arena      *shm.Arena // holds table, beside, calls and rates; nil: they are on the heap
	*beside               // slots and forkSlots
	marks      marks
	calls      *call.Table
	session    *session.Rules // nil: no session timers
	dialogs    *dialog.Table  // nil: none are kept
	limits     *limit.Set
	dests      []*destination
	book       *record.Book   // nil: no records of calls are wanted
	records    *record.Writer // nil: RecordTo was not called
	lasting    *lasting       // nil: calls end with the machine
	callHash   transaction.Hasher
	emergency  *emergency // nil: no request goes first
	retryAfter []byte
	policy     *policy.Policy // nil: messages are forwarded as they are
	long       *long
	flows      flowTokens

	timerWorker  *worker
	media        *media.Client      // nil: calls are signalling alone
	mediaWorkers []*worker          // of its goroutines
	inherited    []map[int]*os.File // by listener, between Adopt and Bind
	handingOver  atomic.Bool
	watcher      *watcher // nil: load is not looked at
	teller       *teller
	tellChoices  bool       // the log wants every chosen destination
	reloading    sync.Mutex // held by ReloadCertificates
	mu           sync.Mutex // guards workers and draining
	workers      []*worker
	draining     bool
	start        time.Time
	recovered    RecoveredStats
}

// New makes an engine for a configuration; it opens nothing yet. Its errors name
// what in the configuration cannot work.
//
// Its tables are in the arena; nil: on the heap. One that was adopted must hold the tables of
// this very configuration: then its calls and transactions go on (recover.go).
func New(cfg *runtime.Appliance, router *route.Router, sets *dispatch.Sets, arena *shm.Arena, log *slog.Logger) (*Engine, error) {
	if len(cfg.Listeners) == 0 {
		return nil, errors.New("no listener is configured")
	}
	if len(cfg.Listeners) > transaction.MaxListeners {
		return nil, fmt.Errorf("%d listeners are configured, at most %d work", len(cfg.Listeners), transaction.MaxListeners)
	}
	e := &Engine{cfg: cfg, log: log, router: router, sets: sets, arena: arena, start: time.Now(), lost: newLostConnections()}
	var err error
	if e.dir, err = newDirectory(cfg.Listeners); err != nil {
		return nil, err
	}
	if e.flows, err = newFlowTokens(arena); err != nil {
		return nil, err
	}
	if e.policy, err = policy.Compile(cfg.Messages); err != nil {
		return nil, err
	}
	if e.long, err = newLong(cfg, e.dir); err != nil {
		return nil, err
	}
	if e.dests, err = newDestinations(cfg, sets); err != nil {
		return nil, err
	}
	e.prober, err = dispatch.NewProber(sets, cfg.Listeners, e.sendFrom, log)
	if err != nil {
		return nil, err
	}
	workers := 0
	for _, l := range cfg.Listeners {
		workers += max(l.Workers, 1)
	}
	tr := cfg.Transaction
	e.table, err = transaction.New(transaction.Config{
		Slots: cfg.State.Transactions, Bytes: cfg.State.MessageBytes, Workers: workers, Forks: forks(sets),
		T1: tr.T1.D(), T2: tr.T2.D(), Reply: tr.ReplyTimeout.D(), Invite: tr.InviteTimeout.D(), Wait: tr.Wait.D(),
		Now: e.now(), Arena: arena,
	})
	if err != nil {
		return nil, err
	}
	places := 1
	if forks(sets) {
		places = dispatch.MaxParallel
	}
	if e.beside, err = newBeside(arena, e.table, forks(sets)); err != nil {
		return nil, err
	}
	if e.limits, err = limit.NewSet(cfg, arena); err != nil {
		return nil, err
	}
	e.calls, err = call.New(call.Config{Calls: cfg.State.Calls, Places: places, Lifetime: tr.CallLifetime.D(), Release: e.releaseCall, Arena: arena})
	if err != nil {
		return nil, err
	}
	if err := e.newMedia(); err != nil {
		return nil, err
	}
	e.session = newSession(cfg.Session)
	if e.dialogs, err = newDialogs(cfg, e.calls, arena); err != nil {
		return nil, err
	}
	if err := e.newBook(); err != nil {
		return nil, err
	}
	if err := e.newLasting(); err != nil {
		return nil, err
	}
	e.marks = newMarks(cfg.State.HighWater, e.table, e.calls.Capacity(), cfg.Limits.Emergency)
	e.emergency = newEmergency(cfg.Limits.Emergency)
	seconds := cfg.Limits.RetryAfter
	if seconds <= 0 {
		seconds = defaultRetryAfter
	}
	e.retryAfter = []byte("Retry-After: " + strconv.Itoa(seconds) + "\r\n")
	e.teller = newTeller(e)
	e.tellChoices = log.Enabled(context.Background(), slog.LevelDebug)
	e.timerWorker = e.newWorker()
	e.watcher = newWatcher(e)
	if arena.Adopted() {
		e.recover()
	}
	return e, nil
}

// newWorker makes the scratch of one more goroutine; its counters join the sums and
// its events the log.
func (e *Engine) newWorker() *worker {
	w := newWorker(e)
	e.mu.Lock()
	e.workers = append(e.workers, w)
	w.gate.Drain(e.draining)
	e.mu.Unlock()
	return w
}

func (e *Engine) allWorkers() []*worker {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.workers)
}

// clock is the monotonic time since New, or since the arena was made.
func (e *Engine) clock() time.Duration {
	if e.arena != nil {
		return e.arena.Clock()
	}
	return time.Since(e.start)
}

// now is the clock in milliseconds, as transactions count.
func (e *Engine) now() int64 { return e.clock().Milliseconds() }

// releaseCall gives back what a call held. It is the only place that does.
func (e *Engine) releaseCall(h call.Holds, cause call.Cause) {
	if e.book != nil {
		e.book.End(e.calls.Row(h.ID), uint64(h.ID), int64(e.clock()), uint8(cause))
	}
	e.dropDialog(h)
	e.endMedia(h.ID)
	e.limits.Release(limit.Held(h.Limits))
	for _, d := range h.Destinations {
		if d != call.NoDestination {
			e.dests[d].Leave()
		}
	}
}

// Bind opens the sockets of all listeners, or none: secrets are read before the first is
// opened, and when one fails, those opened before it are closed again.
func (e *Engine) Bind() error {
	secrets := credential.New(e.cfg.Secrets)
	if err := e.checkSecrets(secrets); err != nil {
		e.unadopt(0)
		return err
	}
	for i := range e.cfg.Listeners {
		g, err := e.open(i, secrets)
		if err != nil {
			_ = e.Close() // the error that matters is the one at hand
			e.groups = nil
			e.unadopt(i + 1)
			return err
		}
		e.groups = append(e.groups, g)
	}
	if err := e.openMedia(); err != nil {
		_ = e.Close()
		e.groups = nil
		return err
	}
	return nil
}

// Run serves until ctx ends or a listener fails, then closes the sockets and ends
// all calls. Bind comes first.
func (e *Engine) Run(ctx context.Context) error {
	if len(e.groups) == 0 {
		return errors.New("the listeners are not open: call Bind before Run")
	}
	if e.book != nil && e.records == nil {
		return errNoSink
	}
	if e.lasting != nil && e.lasting.keeper == nil {
		return errNoStore
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	failed := make(chan error, 1)
	for i, g := range e.groups {
		f := e.dir.faces[i]
		var own []*worker
		for k := range g.Workers() {
			w := e.newWorker()
			own = append(own, w)
			wg.Go(func() {
				if err := g.serve(k, func(pkt []byte, src netip.AddrPort, flow uint32) {
					w.flow = flow
					w.handle(f, pkt, src)
				}); err != nil {
					select {
					case failed <- err:
					default: // the first says enough
					}
					cancel()
				}
			})
		}
		if e.watcher != nil {
			e.watcher.add(g, own, e.cfg.Listeners[i].Steering != "")
		}
	}
	if e.watcher != nil {
		wg.Go(func() { e.watcher.run(ctx) })
	}
	endMedia := e.runMedia()
	wg.Go(func() { e.runTimers(ctx) })
	wg.Go(func() { e.teller.run(ctx) })
	if e.records != nil {
		wg.Go(func() { e.records.Run(ctx) })
	}
	if e.lasting != nil && e.lasting.keeper != nil {
		wg.Go(func() { e.lasting.keeper.Run(ctx) })
	}
	<-ctx.Done()
	// What is being handled is sent before a socket closes: a send that failed for the closing
	// would fail the call.
	closed := e.finish()
	wg.Wait()
	if !e.handingOver.Load() {
		closed = errors.Join(closed, e.Close())
	}
	e.teller.look()
	e.finishCalls()
	if e.arena == nil && !e.handingOver.Load() { // or a process after this one goes on with them
		e.calls.ReleaseAll()
	}
	endMedia()
	e.finishRecords()
	select {
	case err := <-failed:
		return err
	default:
		return closed
	}
}

// Probe probes the destinations and logs what becomes of them, until ctx ends. It
// runs beside Run, and starts after readiness was announced.
func (e *Engine) Probe(ctx context.Context) { e.prober.Run(ctx) }

// sendFrom sends a packet from the socket of a listener.
func (e *Engine) sendFrom(listener string, pkt []byte, to netip.AddrPort) error {
	for _, g := range e.groups {
		if g.Name() == listener {
			return g.Send(pkt, to)
		}
	}
	return fmt.Errorf("listener %s is not open", listener)
}

// Close closes the sockets; Run returns. Closing twice is harmless.
func (e *Engine) Close() error {
	var errs []error
	for _, g := range e.groups {
		errs = append(errs, g.Close())
	}
	return errors.Join(errs...)
}
