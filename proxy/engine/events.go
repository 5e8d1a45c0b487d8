package engine

import (
	"context"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"trunkline/proxy/limit"
	"trunkline/proxy/message"
	"trunkline/proxy/transaction"
)

// What becomes of a request at its destinations is told to the log off the path: a
// worker leaves an event in a ring of its own, and one goroutine makes lines of
// what all rings hold, no more than a journal bears.
const (
	ringSize   = 64                     // events of one worker between two looks
	lookEvery  = 100 * time.Millisecond // how often the rings are looked at
	linesRate  = 20                     // lines per second, on average
	linesBurst = 100
	callIDMax  = 64 // bytes of a Call-ID that are kept
)

// reason says why an attempt ended without an answer for the caller.
type reason uint8

const (
	reasonNone       reason = iota // there was no attempt before
	reasonCode                     // a final reply that fails over
	reasonSilent                   // no reply at all within ReplyTimeout
	reasonUnanswered               // 100 and no more within InviteTimeout
	reasonTransport                // it could not be sent to
	reasonFull                     // it takes no more calls
	reasonTooLong                  // the request is too long for UDP, and TCP is not to be had
)

// failure is the attempt that ended: at which destination and target, and why.
type failure struct {
	dest   uint16
	code   uint16 // of reasonCode
	reason reason
	to     transaction.Endpoint // zero where nothing was sent
}

// at notes the target of the attempt that failed.
func (f *failure) at(tx transaction.Tx) {
	if f.reason != reasonNone && tx.Tried() > 0 {
		f.to = tx.Attempts[tx.Current()].To
	}
}

// noDest is no destination.
const noDest = ^uint16(0)

// event is one thing that became of a request at its destinations. It holds no
// pointer, so that leaving it costs a copy.
type event struct {
	failed failure
	next   uint16               // destination tried now, or noDest: none was left
	to     transaction.Endpoint // of its target
	others bool                 // none was left but those called at the same time
	tried  uint8                // attempts so far
	method message.Method
	idLen  uint8
	callID [callIDMax]byte
}

// ring passes events from one worker to the goroutine that tells them, without a
// lock: put is for the worker alone, take for the teller alone.
type ring struct {
	events [ringSize]event
	put    atomic.Uint32 // events ever put
	_      [60]byte
	taken  atomic.Uint32 // events ever taken
}

// next is where the next event goes, nil when the ring is full. It is passed on by
// publish.
func (r *ring) next() *event {
	n := r.put.Load()
	if n-r.taken.Load() == ringSize {
		return nil
	}
	return &r.events[n%ringSize]
}

func (r *ring) publish() { r.put.Add(1) }

// drain hands all events over.
func (r *ring) drain(tell func(*event)) {
	for n := r.taken.Load(); n != r.put.Load(); n++ {
		tell(&r.events[n%ringSize])
		r.taken.Store(n + 1)
	}
}

// note leaves an event for the log. It never waits: with the ring full the event
// is counted as lost.
func (w *worker) note(failed failure, next hop, tried int, req *message.View) {
	w.leave(failed, next, false, tried, req)
}

// noteOthers is note where the request is still at other destinations.
func (w *worker) noteOthers(failed failure, tried int, req *message.View) {
	w.leave(failed, hop{}, true, tried, req)
}

func (w *worker) leave(failed failure, next hop, others bool, tried int, req *message.View) {
	ev := w.events.next()
	if ev == nil {
		w.c.add(cEventsLost)
		return
	}
	ev.failed, ev.next, ev.to, ev.others, ev.tried, ev.method = failed, noDest, next.to, others, uint8(tried), req.Method
	if next.dest != nil {
		ev.next = uint16(next.dest.Index)
	}
	ev.idLen = uint8(copy(ev.callID[:], req.Get(req.CallID)))
	w.events.publish()
}

// teller makes log lines of events.
type teller struct {
	e      *Engine
	rate   *limit.Rate
	unsaid int // events since the last line that got none
}

func newTeller(e *Engine) *teller {
	return &teller{e: e, rate: limit.NewRate(linesRate, linesBurst, nil)}
}

// run tells events until ctx ends.
func (t *teller) run(ctx context.Context) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.look()
		}
	}
}

// look tells what the rings hold.
func (t *teller) look() {
	for _, w := range t.e.allWorkers() {
		w.events.drain(t.tell)
	}
	// What was not said is made up for in one line, once a line is free again.
	if t.unsaid > 0 && t.rate.Allow(int64(t.e.clock())) {
		t.e.log.Warn("failovers beyond the log's rate", "count", t.unsaid)
		t.unsaid = 0
	}
}

func (t *teller) tell(ev *event) {
	if !t.rate.Allow(int64(t.e.clock())) {
		t.unsaid++
		return
	}
	level, text := slog.LevelWarn, "request moved to another destination"
	switch {
	case ev.others:
		text = "destination failed, the others go on"
	case ev.next == noDest:
		text = "destinations exhausted"
	case ev.failed.reason == reasonNone:
		level, text = slog.LevelDebug, "destination chosen"
	}
	var b [12]slog.Attr
	attrs := append(b[:0], slog.String("method", ev.method.String()), slog.String("call_id", string(ev.callID[:ev.idLen])))
	if ev.failed.reason != reasonNone {
		d := t.e.dests[ev.failed.dest]
		attrs = append(attrs, slog.String("failed", d.Name()), slog.String("failed_set", d.Set().Name()),
			slog.String("failed_address", where(d, ev.failed.to)), slog.String("cause", t.cause(ev.failed)))
	} else if ev.next == noDest {
		attrs = append(attrs, slog.String("cause", "no destination takes calls"))
	}
	if ev.next != noDest {
		d := t.e.dests[ev.next]
		attrs = append(attrs, slog.String("next", d.Name()), slog.String("next_set", d.Set().Name()), slog.String("next_address", where(d, ev.to)))
	}
	attrs = append(attrs, slog.Int("attempts", int(ev.tried)))
	t.e.log.LogAttrs(context.Background(), level, text, attrs...)
}

// where is the address something was sent to; what is configured where nothing was.
func where(d *destination, to transaction.Endpoint) string {
	if to == (transaction.Endpoint{}) {
		return d.Where()
	}
	return to.AddrPort().String()
}

// cause is a failure's cause in words.
func (t *teller) cause(f failure) string {
	tr := t.e.cfg.Transaction
	switch f.reason {
	case reasonCode:
		return strconv.Itoa(int(f.code))
	case reasonSilent:
		return "no reply within " + tr.ReplyTimeout.D().String()
	case reasonFull:
		return "full"
	case reasonUnanswered:
		return "only 100 within " + tr.InviteTimeout.D().String()
	case reasonTooLong:
		return "too long for UDP, and there is no TCP"
	}
	return "cannot be sent to"
}
