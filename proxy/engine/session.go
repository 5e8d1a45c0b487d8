package engine

import (
	"strconv"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/dialog"
	"trunkline/proxy/message"
	"trunkline/proxy/session"
	"trunkline/proxy/transaction"
)

// Session timers (RFC 4028 section 8): package session decides, here is where it is asked. A
// request that is forwarded without state, for want of room, goes as it is.

// newSession reads the rules; nil: there are no session timers.
func newSession(cfg *runtime.Session) *session.Rules {
	if cfg == nil {
		return nil
	}
	seconds := func(d runtime.Duration) uint32 { return uint32(d.D() / time.Second) }
	return &session.Rules{MinSE: seconds(cfg.MinSE), Expires: max(seconds(cfg.Expires), seconds(cfg.MinSE)), Insert: cfg.Insert}
}

// sessionScratch is what a worker needs for session timers and dialogs.
type sessionScratch struct {
	session    []byte            // header lines
	agreed     session.Agreed    // by the 2xx being handled
	dialog     dialog.Text       // the one being looked at,
	dialogText []byte            // its bytes,
	sets       []byte            // and its route sets
	recorded   []message.Address // of the reply being handled
}

func newSessionScratch(e *Engine) (s sessionScratch) {
	if e.cfg.Session != nil { // the rules may not be read yet
		s.session = make([]byte, 0, 128)
		s.dialogText = make([]byte, 0, dialog.MaxText)
		s.sets = make([]byte, 0, dialog.MaxText)
		s.recorded = make([]message.Address, 0, maxRecordRoutes)
	}
	return s
}

// refreshes reports whether requests of a method begin or refresh a session (RFC 4028 section 7).
func refreshes(m message.Method) bool { return m == message.INVITE || m == message.UPDATE }

// tooSmall refuses the request being handled with 422 when it asks for a session below the
// minimum. An INVITE within a dialog gets it with state: its ACK has the tag of the callee.
func (w *worker) tooSmall(tx *transaction.Tx, upstream transaction.Endpoint, inDialog bool) bool {
	e, v := w.e, &w.v
	if e.session == nil || !refreshes(v.Method) || !e.session.Judge(session.Of(v)).Refused {
		return false
	}
	w.c.add(cRefusedInterval)
	w.session = e.session.AppendTooSmall(w.session[:0])
	if inDialog && v.Method == message.INVITE && w.open(tx, v.Method, upstream) {
		*e.slot(*tx) = slotData{}
		w.localFinalWith(*tx, v, 422, w.session, e.now())
		return true
	}
	w.reject(upstream, 422, w.session)
	return true
}

// askSession puts into a request that is forwarded what the rules make of its session.
func (w *worker) askSession(req *message.View, ed *message.RequestEdits) {
	ask := w.e.session.Judge(session.Of(req))
	w.session = ask.Edit(ed, w.session[:0])
}

// answerSession puts into the reply being handled what its request's sender is to know of the
// session, and leaves in agreed until when it lasts.
func (w *worker) answerSession(tx transaction.Tx, ed *message.ResponseEdits) {
	w.agreed = session.Agreed{}
	v := &w.v
	if code := v.Status(); code < 200 || code > 299 || !refreshes(v.CSeqMethod) {
		return
	}
	reply := session.Of(v)
	if tx.Request() == nil { // a 2xx sent again says what it said before
		if l, _, ok := w.lockDialog(v); ok {
			if row := w.e.dialogs.Row(l.Row()); !reply.Asks && row.Answered > 0 {
				w.agreed = session.Agreed{Interval: row.Answered, Answered: true}
			}
			l.Unlock()
		}
	} else {
		ask := w.e.session.Judge(session.Read(tx.Request()))
		w.agreed = session.Agree(ask, reply)
		if tx.Pending() {
			w.countSession(ask, w.agreed)
		}
	}
	if w.agreed.Answered {
		w.session = session.AppendAnswer(w.session[:0], w.agreed.Interval)
		ed.Put = w.session
	}
}

func (w *worker) countSession(ask session.Ask, agreed session.Agreed) {
	switch {
	case ask.Inserted:
		w.c.add(cSessionsInserted)
	case ask.Raised:
		w.c.add(cSessionsRaised)
	}
	if agreed.Answered {
		w.c.add(cSessionsAnswered)
	}
}

// reasonOf is the Reason line of a BYE of ours (RFC 3326).
func reasonOf(text string) []byte {
	return []byte("Reason: SIP;cause=408;text=" + strconv.Quote(text) + "\r\n")
}
