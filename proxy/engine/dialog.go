package engine

import (
	"bytes"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/dialog"
	"trunkline/proxy/message"
	"trunkline/proxy/shm"
	"trunkline/proxy/transaction"
)

// Dialogs are kept where there are session timers: of each call, from its 2xx to its end, what
// it takes to send BYE to both sides (hangup.go). Each 2xx to a forked INVITE makes a dialog of a
// call of its own; those that the caller does not want it ends by itself (RFC 3261 13.2.2.4). The
// locks of the calls guard the dialogs. A call whose dialog finds no room goes on and, when its
// time is over, ends without BYE.

// maxRecordRoutes is how many proxies a dialog may pass to be kept, this one included.
const maxRecordRoutes = 16

func newDialogs(cfg *runtime.Appliance, calls *call.Table, a *shm.Arena) (*dialog.Table, error) {
	if cfg.Session == nil {
		return nil, nil
	}
	return dialog.New(a, calls.Shards(), calls.Capacity()/calls.Shards())
}

// dropDialog gives back what is kept of a call that ends, whose shard is locked.
func (e *Engine) dropDialog(h call.Holds) {
	if e.dialogs != nil {
		e.dialogs.Drop(e.calls.Row(h.ID))
	}
}

// recoverDialogs goes on with the dialogs of the calls that do.
func (e *Engine) recoverDialogs() {
	if e.dialogs == nil {
		return
	}
	live := make([]bool, e.calls.Capacity())
	e.calls.Each(func(id call.ID, _ call.Holds) { live[e.calls.Row(id)] = true })
	e.dialogs.Recover(func(row int) bool { return live[row] })
	for n := range live {
		if !live[n] {
			continue
		}
		// BYEs may not have been sent: those that were are found (sendBye), the others go now.
		if row := e.dialogs.Row(n); row.Ending {
			row.Ending, row.Deadline = false, 0
			if call.Cause(row.Cause) == call.SessionExpired {
				row.Deadline = 1
			}
		}
	}
}

// dialogRequest notes the CSeq of the request within a dialog that is being handled: a BYE of
// ours goes above it. All calls of a forked INVITE share the numbers of their caller.
func (w *worker) dialogRequest() {
	if w.e.dialogs == nil {
		return
	}
	v := &w.v
	side := dialog.Caller
	l, ok := w.e.calls.LockKey(w.callKey(v, v.Get(v.From.Tag)))
	if !ok {
		side = dialog.Callee
		if l, ok = w.e.calls.LockKey(w.callKey(v, v.Get(v.To.Tag))); !ok {
			return
		}
	}
	for more := true; more; more = l.Older() {
		row := w.e.dialogs.Row(l.Row())
		row.CSeq[side] = max(row.CSeq[side], v.CSeq)
	}
	l.Unlock()
}

// lockDialog finds the kept dialog that a message belongs to and locks its call. from is the side
// that sent the message or, of a reply, its request. The text is in w.dialog.
func (w *worker) lockDialog(v *message.View) (l call.Locked, from dialog.Side, ok bool) {
	a, b := v.Get(v.From.Tag), v.Get(v.To.Tag)
	if l, ok = w.e.calls.LockKey(w.callKey(v, a)); !ok {
		from = dialog.Callee
		if l, ok = w.e.calls.LockKey(w.callKey(v, b)); !ok {
			return l, from, false
		}
	}
	x := &w.dialog
	for more := true; more; more = l.Older() {
		if w.dialogText, ok = w.e.dialogs.Get(l.Row(), x, w.dialogText[:0]); !ok {
			continue
		}
		if bytes.Equal(x.Parties[from].Tag, a) && bytes.Equal(x.Parties[from.Other()].Tag, b) {
			return l, from, true
		}
	}
	l.Unlock()
	return l, from, false
}

// dialogAnswered takes the 2xx being handled, the first of its transaction: it makes the dialog of
// a call, or refreshes the one it belongs to.
func (w *worker) dialogAnswered(tx transaction.Tx) {
	switch {
	case w.e.dialogs == nil || !refreshes(w.v.CSeqMethod) || tx.Request() == nil:
	case tx.Call != 0:
		w.keepDialog(tx, call.ID(tx.Call))
	case !w.v.To.Tag.Empty():
		w.refreshDialog(tx)
	}
}

// keepDialog keeps the dialog that the 2xx being handled makes.
func (w *worker) keepDialog(tx transaction.Tx, id call.ID) {
	if w.e.dialogs == nil || tx.Request() == nil {
		return
	}
	v, req := &w.v, w.storedRequest(tx)
	x := &w.dialog
	*x = dialog.Text{CallID: v.Get(v.CallID)}
	caller, callee := &x.Parties[dialog.Caller], &x.Parties[dialog.Callee]
	*caller = dialog.Party{URI: v.Get(v.From.URI), Tag: v.Get(v.From.Tag), Target: req.Get(req.Contact), At: w.heardFrom(tx, req)}
	*callee = dialog.Party{URI: v.Get(v.To.URI), Tag: v.Get(v.To.Tag), Target: v.Get(v.Contact), At: w.sentTo(tx)}
	routes := w.routeSets(v, x)
	l, ok := w.e.calls.Lock(id)
	if !ok {
		return
	}
	if !routes {
		callee.Target = nil // it cannot be reached: Put counts it
	}
	if w.e.dialogs.Put(l.Row(), x) {
		w.agree(l, v.CSeq, dialog.Caller)
	}
	l.Unlock()
}

// refreshDialog takes the 2xx being handled to a re-INVITE or UPDATE: both Contacts may be new
// (12.2.1.2), and the session begins again.
func (w *worker) refreshDialog(tx transaction.Tx) {
	v, req := &w.v, w.storedRequest(tx)
	l, from, ok := w.lockDialog(v)
	if !ok {
		return
	}
	defer l.Unlock()
	if w.e.dialogs.Row(l.Row()).Ending {
		return
	}
	x := w.dialog
	asked, answered := &x.Parties[from], &x.Parties[from.Other()]
	if !req.Contact.Empty() {
		asked.Target = req.Get(req.Contact)
	}
	if !v.Contact.Empty() {
		answered.Target = v.Get(v.Contact)
	}
	asked.At, answered.At = w.heardFrom(tx, req), w.sentTo(tx)
	if !x.Equal(&w.dialog) {
		w.e.dialogs.Put(l.Row(), &x)
	}
	w.agree(l, v.CSeq, from)
}

// agree notes until when the session lasts that the 2xx being handled has agreed on.
func (w *worker) agree(l call.Locked, cseq uint32, from dialog.Side) {
	row := w.e.dialogs.Row(l.Row())
	row.CSeq[from] = max(row.CSeq[from], cseq)
	row.Answered, row.Deadline = 0, 0
	if w.agreed.Answered {
		row.Answered = w.agreed.Interval
	}
	if w.agreed.Interval > 0 {
		row.Deadline = int64(w.e.clock()) + int64(w.agreed.Interval)*1e9
	}
}

// heardFrom is where requests to the sender of a request go: by its connection where they must.
func (w *worker) heardFrom(tx transaction.Tx, req *message.View) transaction.Endpoint {
	if w.needsFlow(req, tx.Upstream) {
		return tx.Upstream
	}
	return tx.Upstream.WithFlow(0)
}

// sentTo is where the request went to which the reply being handled belongs.
func (w *worker) sentTo(tx transaction.Tx) transaction.Endpoint {
	id, _ := w.e.table.ParseBranch(w.v.Get(w.v.Via.Branch))
	to := tx.Attempts[min(id.Attempt(), max(tx.Tried()-1, 0))].To
	if w.e.dir.stoodIn(to) {
		to.Reliable = false // for the length of that request alone
	}
	return to
}

// routeSets reads the route sets beyond this proxy from the Record-Route values of a 2xx: those
// below ours lead to the caller as they stand, those above to the callee, the last first
// (RFC 3261 12.1). It reports false for what cannot be read.
func (w *worker) routeSets(v *message.View, x *dialog.Text) bool {
	all, ok := v.RecordRoutes(w.recorded[:0:maxRecordRoutes])
	if !ok {
		return false
	}
	first, last := -1, -1
	for i := range all {
		if u, err := message.ParseURI(v.Get(all[i].URI)); err == nil && w.e.dir.findURI(&w.tmp, u) >= 0 {
			if last = i; first < 0 {
				first = i
			}
		}
	}
	if first < 0 {
		return len(all) == 0
	}
	w.sets = w.sets[:0]
	add := func(a message.Address) {
		w.sets = append(append(append(w.sets, '<'), v.Get(a.URI)...), ">,"...)
	}
	for i := first - 1; i >= 0; i-- {
		add(all[i])
	}
	n := len(w.sets)
	for _, a := range all[last+1:] {
		add(a)
	}
	x.Parties[dialog.Callee].Routes = bytes.TrimSuffix(w.sets[:n:n], []byte(","))
	x.Parties[dialog.Caller].Routes = bytes.TrimSuffix(w.sets[n:], []byte(","))
	return true
}
