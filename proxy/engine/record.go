package engine

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"trunkline/proxy/call"
	"trunkline/proxy/message"
	"trunkline/proxy/record"
	"trunkline/proxy/transaction"
)

// Call records (package record): a row is opened when a call is registered, with its shard
// locked, told of the answer, of the final reply and of who hung up, and ended by the call's one
// exit. Without control.cdr there is no book, and nothing of this costs anything.

// finishWithin bounds how long the end of the process waits for records.
const finishWithin = 5 * time.Second

// newBook makes the book of records where the configuration wants one.
func (e *Engine) newBook() (err error) {
	if e.cfg.Control.CDR != nil {
		e.book, err = record.NewBook(e.arena, e.calls.Capacity())
	}
	return err
}

// RecordTo has the records of calls go to a sink, which is the engine's own from here on. It
// comes before Run, where the configuration wants records.
func (e *Engine) RecordTo(s record.Sink) {
	e.records = record.NewWriter(e.book, s, record.Names{
		Appliance: e.cfg.Name,
		Listener:  func(i int) string { return e.dir.faces[min(i, len(e.dir.faces)-1)].name },
		Carrier:   e.carrierName,
		Destination: func(i int) (set, name string) {
			d := e.dests[min(i, len(e.dests)-1)]
			return d.Set().Name(), d.Name()
		},
		Cause: func(c uint8) string { return call.Cause(c).String() },
		Ends:  endedBy,
		Wall:  func(ns int64) time.Time { return time.Now().Add(time.Duration(ns - int64(e.clock()))) },
	}, e.log)
}

var errNoSink = errors.New("the configuration wants call records: RecordTo comes before Run")

func (e *Engine) carrierName(a netip.Addr) string {
	all := e.router.Carriers()
	return all.Name(all.Of(a))
}

// endedBy is who ends calls of a cause.
func endedBy(c uint8) record.Side {
	switch call.Cause(c) {
	case call.Bye, call.ByeLost, call.Broken: // the row says, or nobody knows
		return record.Nobody
	case call.Rejected:
		return record.Callee
	case call.Cancelled:
		return record.Caller
	}
	return record.Proxy
}

// recoverRecords goes on with the records of the process before; its calls are in order.
func (e *Engine) recoverRecords() {
	if e.book == nil {
		return
	}
	e.book.Recover(func(id uint64) (int, bool) {
		if _, ok := e.calls.Limits(call.ID(id)); !ok {
			return 0, false
		}
		return e.calls.Row(call.ID(id)), true
	}, int64(e.clock()), uint8(call.Broken))
}

// finishRecords writes what waits when the engine ends.
func (e *Engine) finishRecords() {
	if e.records == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), finishWithin)
	defer cancel()
	if err := e.records.Finish(ctx); err != nil {
		e.log.Error("call records not closed", "error", err)
	}
}

// keeper is told by call.Table of the call being registered, whose INVITE begun says.
func (w *worker) keeper() call.Keeper {
	if w.e.book == nil && w.e.lasting == nil {
		return nil
	}
	return w
}

// Keep implements call.Keeper.
func (w *worker) Keep(id call.ID, now int64) {
	row := w.e.calls.Row(id)
	w.keepOrigin(row)
	if w.e.book != nil {
		w.e.book.Open(row, uint64(id), now, w.begun)
	}
}

// beginRecord notes what the INVITE being handled says, for Keep.
func (w *worker) beginRecord(f *face, upstream transaction.Endpoint, first bool) {
	if w.e.book == nil && w.e.lasting == nil {
		return
	}
	v := &w.v
	u, _ := message.ParseURI(v.Get(v.URI))
	w.begun = record.Fields{
		CallID: v.Get(v.CallID), Caller: v.Get(v.From.URI), Callee: v.Get(v.To.URI), Called: u.User,
		Source: upstream.AddrPort(), Listener: f.index, Emergency: first,
	}
}

// beginRecordAgain is beginRecord for a further 2xx of a forked INVITE, which is being
// handled: a call beside the one whose request is stored.
func (w *worker) beginRecordAgain(tx transaction.Tx) {
	if w.e.book == nil && w.e.lasting == nil {
		return
	}
	v := &w.v
	w.begun = record.Fields{
		CallID: v.Get(v.CallID), Caller: v.Get(v.From.URI), Callee: v.Get(v.To.URI),
		Source: tx.Upstream.AddrPort(), Listener: int(tx.Upstream.Listener),
	}
	if tx.Request() != nil {
		req := w.storedRequest(tx)
		u, _ := message.ParseURI(req.Get(req.URI))
		w.begun.Called = u.User
	}
}

// recordAnswer notes who answered a call with which 2xx.
func (w *worker) recordAnswer(id call.ID, code int, dest uint16) {
	if b := w.e.book; b != nil {
		b.Answered(w.e.calls.Row(id), uint64(id), int64(w.e.clock()), code, dest)
	}
}

// recordFinal notes the final reply to the INVITE of a call that was not answered.
func (w *worker) recordFinal(tx transaction.Tx) {
	if b := w.e.book; b != nil && tx.Invite {
		b.Final(w.e.calls.Row(call.ID(tx.Call)), tx.Call, w.final, w.lastDestination(tx))
	}
}

// recordBye notes that a side of a call sends BYE.
func (w *worker) recordBye(id call.ID, by record.Side) {
	if b := w.e.book; b != nil {
		b.HungUp(w.e.calls.Row(id), uint64(id), by)
	}
}

// lastDestination is where an INVITE was sent last.
func (w *worker) lastDestination(tx transaction.Tx) uint16 {
	switch n := tx.Tried(); {
	case n == 0 || !w.e.slot(tx).routed:
		return record.NoDestination
	case tx.Forked:
		return w.e.fork(tx).at[n-1].dest
	}
	return w.e.slot(tx).dest
}

// refuseCall ends a call that was registered and goes nowhere.
func (w *worker) refuseCall(id call.ID, code int) {
	if id == 0 {
		return
	}
	if b := w.e.book; b != nil {
		b.Final(w.e.calls.Row(id), uint64(id), code, record.NoDestination)
	}
	w.e.calls.Release(id, call.Refused)
}
