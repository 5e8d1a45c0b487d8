package engine

import (
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// Nothing is allocated for calls with session timers: what is put into requests and replies, the
// dialog that is kept, its refresh, and its end by BYE to both sides.
func TestSessionPathAllocatesNothing(t *testing.T) {
	timers := func(a *runtime.Appliance) {
		a.Session = &runtime.Session{MinSE: duration(90 * time.Second), Expires: duration(1800 * time.Second), Insert: true}
	}
	p := newPaths(t, timers)
	contact := []byte("Contact: <sip:bob@" + p.bob.String() + ">\r\n")
	recorded := func(req *message.View) []byte { // as a callee copies them
		all, _ := req.RecordRoutes(make([]message.Address, 0, 4))
		out := []byte{}
		for _, a := range all {
			out = append(append(append(out, "Record-Route: "...), req.Get(a.Value)...), "\r\n"...)
		}
		return append(out, contact...)
	}
	p.begin(t)
	extra := recorded(&p.first)
	p.reply(486)
	ok := func() {
		p.sentBytes = append(p.sentBytes[:0], p.w.out...)
		if err := p.sent.Parse(p.sentBytes); err != nil || !p.sent.IsRequest() {
			t.Fatalf("the worker forwarded no request (%v):\n%s", err, p.sentBytes)
		}
		p.pkt = message.AppendReply(p.pkt[:0], &p.sent, message.ReplyParams{Status: 200, ToTag: p.tag, Extra: extra})
		p.w.handle(p.in, p.pkt, p.bob)
	}
	sweep := newSweeper(p.w)
	call := func() {
		p.n++
		p.from(&p.invite)
		ok()
		p.from(&p.ack)
		p.from(&p.reinvite)
		ok()
		p.from(&p.ackAgain)
		p.from(&p.info)
		ok()
		if p.n%2 == 0 {
			p.from(&p.bye)
			ok()
			return
		}
		l, found := p.e.calls.LockKey(p.w.callKey(&p.w.v, p.w.v.Get(p.w.v.From.Tag)))
		if !found {
			t.Fatal("there is no call")
		}
		id := l.ID()
		p.e.dialogs.Row(l.Row()).Deadline = 1
		l.Unlock()
		for p.e.calls.Answered(id) && p.e.dialogs.Stats().Kept > 0 && !p.ending() {
			sweep.turn()
		}
		ok()
		p.e.calls.Release(id, 0) // that of the caller is not answered here
		if p.n%64 == 1 {
			p.e.table.Advance(p.e.now(), p.w.fire)
		}
	}
	for range 500 {
		call()
	}
	if n := testing.AllocsPerRun(500, call); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
	got := sum([]*worker{p.w})
	if st := p.e.dialogs.Stats(); st.Lost != 0 || st.Kept != 0 || got["byes_sent"] < 900 || got["byes_answered"] < 450 || got["sessions_inserted"] < p.n || got["sessions_answered"] < p.n-1 {
		t.Errorf("%+v %v", st, nonZero(got))
	}
}

// ending reports whether the worker has just sent a BYE of ours.
func (p *paths) ending() bool {
	return len(p.w.out) > 4 && string(p.w.out[:4]) == "BYE "
}
