package load

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"trunkline/tools/sipload/agent"
	"trunkline/tools/sipload/result"
	"trunkline/tools/sipload/udp"
	"trunkline/tools/sipload/wire"
)

// Engine holds the sockets and agents of one or several runs.
type Engine struct {
	o       Options
	set     *udp.Set
	caller  *agent.Caller // nil: no calls are placed
	callee  *agent.Callee
	flood   *flood // nil: no garbage is sent
	sockets int    // of the caller
	base    time.Time
	last    time.Duration // when the last turn ended
	msg     wire.Message
}

// Open opens the sockets for runs of at most rate calls a second, and at most so
// many calls in one run (0: no bound). Its errors say what to do.
func Open(o Options, rate float64, calls int64) (*Engine, error) {
	if err := o.normalise(); err != nil {
		return nil, err
	}
	locals := o.locals()
	set, err := udp.Open(locals, o.buffer(len(locals)))
	if err != nil {
		return nil, err
	}
	e := &Engine{o: o, set: set, base: time.Now()}
	for i := range locals { // with the ports the kernel chose
		locals[i] = set.Local(i)
	}
	slots, run := o.slots(rate, calls), rand.Uint32()
	if o.Flow == FlowGarbage {
		e.sockets = o.Spread
		e.flood = newFlood(&e.o, set)
	} else if o.Target.IsValid() {
		e.sockets = o.Sockets
		e.caller = agent.NewCaller(agent.CallerConfig{
			Target: o.Target, Locals: locals[:e.sockets], Slots: slots, Run: run, Options: o.Flow == FlowOptions, Hold: o.Hold,
			RejectAs: o.Reject, Cancel: o.CancelShare, CancelIn: o.CancelAfter, AnswerIn: o.Ring + 64*o.Timers.T1, Timers: o.Timers,
			Texts: o.Texts, Permitted: permitted,
		}, set)
	}
	lifetime := MaxDuration
	if e.caller != nil {
		lifetime = o.Hold + 2*64*o.Timers.T1
	}
	e.callee = agent.NewCallee(agent.CalleeConfig{
		Locals: locals, Slots: slots, Ended: max(1, min(int(rate*(64*o.Timers.T1).Seconds()), 500_000)), Run: run, Ring: o.Ring,
		RejectAs: o.Reject, Reject: o.RejectShare, Lifetime: lifetime, Timers: o.Timers, Texts: o.Texts, Permitted: permitted,
	}, set)
	return e, nil
}

// Close closes the sockets.
func (e *Engine) Close() error { return e.set.Close() }

// Callee is the address callee i answers at, with the port the kernel chose.
func (e *Engine) Callee(i int) netip.AddrPort { return e.set.Local(e.sockets + i) }

// Settings are what the engine was opened with.
func (e *Engine) Settings() result.Settings { return e.o.Settings() }

// clock is the time since the engine was opened.
func (e *Engine) clock() time.Duration { return time.Since(e.base) }

// Receive takes a datagram from the sockets.
func (e *Engine) Receive(socket int, from netip.AddrPort, b []byte) {
	if e.flood != nil && socket < e.sockets {
		e.flood.receive(b)
		return
	}
	if len(bytes.Trim(b, "\r\n\x00")) == 0 {
		return // keep-alive (RFC 5626 4.4.1)
	}
	now := e.clock()
	err := e.msg.Parse(b)
	switch {
	case err != nil && (e.caller == nil || socket >= e.sockets):
		e.callee.Malformed(err, b)
	case err != nil:
		e.caller.Malformed(err, b)
	case e.msg.Status == 0:
		e.callee.Receive(now, socket, from, &e.msg, b)
	case e.caller != nil:
		e.caller.Receive(now, socket, &e.msg, b)
	}
}

// maxBurst is how many overdue calls are started before replies are looked at.
const maxBurst = 16

// maxWait bounds a wait, so that the end of the context is seen.
const maxWait = 50 * time.Millisecond

// run is one pass of the loop.
type run struct {
	e       *Engine
	step    Step
	begin   time.Duration // of the schedule
	total   int64
	next    int64 // the call to be started
	late    time.Duration
	meter   *meter
	edge    int // edges of the window seen: 0, 1, 2
	edges   [2]uint64
	stopped bool // by the context
	done    time.Duration
	live    int // calls up at the end
}

// due is when call k is to be started.
func (r *run) due(k int64) time.Duration {
	k -= k % max(r.step.Group, 1)
	return r.begin + time.Duration(float64(k)/r.step.Rate*float64(time.Second))
}

// Run measures one step. It returns early, with what there is, when ctx ends.
func (e *Engine) Run(ctx context.Context, step Step) (*result.Run, error) {
	if err := step.Check(); err != nil {
		return nil, err
	}
	udp.LockThread()
	defer unlockThread()
	m, err := newMeter(e.o.Watch, e.o.Target)
	if err != nil {
		return nil, err
	}
	defer m.close()
	if e.caller != nil {
		e.caller.Reset()
	}
	e.callee.Reset()
	if e.flood != nil {
		e.flood = newFlood(&e.o, e.set)
	}
	before, err := e.set.Stats()
	if err != nil {
		return nil, err
	}
	r := &run{e: e, step: step, meter: m, begin: e.clock() + time.Millisecond}
	if e.caller != nil || e.flood != nil {
		r.total = step.Total()
		if r.total == 0 {
			return nil, fmt.Errorf("a rate of %g a second for %v starts no call: raise one of them", step.Rate, step.Warmup+step.Duration)
		}
	}
	if err := r.loop(ctx); err != nil {
		return nil, err
	}
	readings, err := m.result()
	if err != nil {
		return nil, err
	}
	after, err := e.set.Stats()
	if err != nil {
		return nil, err
	}
	return r.result(readings, before, after), nil
}

// Idle answers what comes for a while, and places no calls: between two steps.
func (e *Engine) Idle(ctx context.Context, d time.Duration) error {
	udp.LockThread()
	defer unlockThread()
	for end := e.clock() + d; e.clock() < end && ctx.Err() == nil; {
		if err := e.turn(end); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// turn works off what is due and waits for more, no longer than until.
func (e *Engine) turn(until time.Duration) error {
	now := e.clock()
	if err := e.catchUp(now - e.last); err != nil {
		return err
	}
	until = min(until, now+maxWait)
	if e.caller != nil {
		e.caller.Advance(now)
		if at, ok := e.caller.Next(); ok {
			until = min(until, at)
		}
	}
	e.callee.Advance(now)
	if at, ok := e.callee.Next(); ok {
		until = min(until, at)
	}
	e.set.Flush()
	if _, err := e.set.Receive(until-e.clock(), e); err != nil {
		return err
	}
	e.last = e.clock()
	if err := e.catchUp(e.last - until); err != nil {
		return err
	}
	e.set.Flush()
	return nil
}

// catchUp reads all that came while this process did not run, before a timer says that it did
// not come: what is sent again then, long after its answer, would be new to the proxy.
func (e *Engine) catchUp(late time.Duration) error {
	if late < e.o.Timers.T1/4 {
		return nil
	}
	for range maxCatchUp {
		e.set.Flush() // one side may be waiting for what the other has just written
		n, err := e.set.Receive(0, e)
		if n == 0 || err != nil {
			return err
		}
	}
	return nil
}

// maxCatchUp bounds the reads of one catchUp: more than all receive queues hold.
const maxCatchUp = 10000

func (r *run) loop(ctx context.Context) error {
	e := r.e
	quiet := time.Duration(-1) // since when the caller has nothing to do
	for {
		now := e.clock()
		r.window(now)
		for burst := 0; r.next < r.total && burst < maxBurst; burst++ {
			due := r.due(r.next)
			if due > now {
				break
			}
			r.late = max(r.late, now-due)
			if e.flood != nil {
				e.flood.next()
			} else {
				e.caller.Start(due, now, due-r.begin >= r.step.Warmup)
			}
			r.next++
		}
		if ctx.Err() != nil {
			r.stopped = true
			break
		}
		until := now + maxWait
		switch {
		case r.next < r.total:
			until = r.due(r.next)
		case e.caller == nil: // garbage: wait for replies; callees alone: serve until the end
			end := r.begin + r.step.Warmup + r.step.Duration
			if e.flood != nil {
				end = r.due(r.total) + floodTail
			}
			if now >= end {
				r.finish(now)
				return nil
			}
			until = end
		case e.caller.Live() > 0:
			quiet = -1
		case quiet < 0:
			quiet = now
		case e.callee.Live() == 0 || now-quiet >= 2*e.o.Timers.T1:
			r.finish(now)
			return nil
		}
		if err := e.turn(until); err != nil {
			return err
		}
	}
	r.finish(e.clock())
	return nil
}

// floodTail is how long replies to garbage are waited for.
const floodTail = 500 * time.Millisecond

// window asks for readings at the edges of the measured window: after the warm-up
// and when all calls are started.
func (r *run) window(now time.Duration) {
	if r.edge == 0 && now-r.begin >= r.step.Warmup {
		r.mark()
	}
	end := r.step.Warmup + r.step.Duration
	if r.edge == 1 && (now-r.begin >= end || r.total > 0 && r.next == r.total && now >= r.due(r.total)) {
		r.mark()
	}
}

func (r *run) mark() {
	r.edges[r.edge] = r.started()
	r.edge++
	r.meter.read()
}

func (r *run) started() uint64 {
	switch {
	case r.e.flood != nil:
		return uint64(r.next)
	case r.e.caller != nil:
		return r.e.caller.Counts.Started
	}
	return r.e.callee.Counts.Invites
}

func (r *run) finish(now time.Duration) {
	for r.edge < 2 {
		r.mark()
	}
	r.done = now - r.begin
	if r.e.caller != nil {
		r.live = r.e.caller.Live()
	}
	if r.e.callee != nil && r.e.caller != nil {
		r.live = max(r.live, r.e.callee.Live())
	}
}
