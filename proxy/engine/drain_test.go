package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// drained waits for the end of a drain, at most d.
func (r *rig) drained(d time.Duration) (last int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	err = r.e.Drained(ctx, func(n int) { last = n })
	return last, err
}

// options asks the proxy itself how it is.
func (r *rig) options(code int) *sipMsg {
	r.t.Helper()
	c := r.alice.newCall(r.out)
	c.uri = "sip:" + r.out.String()
	c.send(r.out, c.build("OPTIONS", c.newBranch(), 1, "", ""))
	return c.reply(code, "OPTIONS")
}

// While the proxy drains nothing new is taken but emergency calls, and everything that has
// begun goes on to its end, upon which the drain is over.
func TestDrain(t *testing.T) {
	t.Parallel()
	r := emergencyRig(t, nil)
	c, uas, _ := r.answerCall()
	ringing := r.alice.newCall(r.out)
	raw := ringing.invite("")
	inv := uas.request("INVITE")
	uas.respond(inv, 180, "Ringing")
	ringing.reply(180, "INVITE")

	r.e.Drain(true)
	if m := r.options(503); m.get("Retry-After") != "7" {
		t.Errorf("Retry-After %q of the reply to OPTIONS, want 7", m.get("Retry-After"))
	}
	refused := r.dial("sip:1@example.net", "")
	if m := refused.reply(503, "INVITE"); m.get("Retry-After") != "7" {
		t.Errorf("Retry-After %q, want 7", m.get("Retry-After"))
	}
	message := r.alice.newCall(r.out)
	message.send(r.out, message.build("MESSAGE", message.newBranch(), 1, "", "hello"))
	message.reply(503, "MESSAGE")
	r.count("refused_draining", 3)
	r.taken(r.dial("sip:112@example.net", ""))
	if last, err := r.drained(3 * drainLook); !errors.Is(err, context.DeadlineExceeded) || last == 0 {
		t.Errorf("drained with a call that rings: %v, %d left", err, last)
	}
	if st := r.e.Stats().Drain; !st.Draining || st.Unfinished == 0 {
		t.Errorf("%+v while a call rings", st)
	}

	r.alice.send(r.out, raw) // a repeated INVITE gets the last reply again
	ringing.reply(180, "INVITE")
	uas.respond(inv, 200, "OK")
	ringing.established(ringing.reply(200, "INVITE"))
	for _, c := range []*caller{ringing, c} {
		c.inDialog("ACK", "", "")
		uas.request("ACK")
		c.inDialog("BYE", "", "")
		bye := uas.request("BYE")
		if r.e.Unfinished() == 0 {
			t.Error("nothing is left although a BYE is not answered")
		}
		uas.respond(bye, 200, "OK")
		c.reply(200, "BYE")
	}
	if last, err := r.drained(patience); err != nil || last != 0 {
		t.Errorf("after the last BYE: %v, %d left", err, last)
	}
	r.count("refused_draining", 3)

	r.e.Drain(false)
	r.options(200)
	r.taken(r.dial("sip:1@example.net", ""))
	if st := r.e.Stats().Drain; st != (DrainStats{}) {
		t.Errorf("%+v after the drain", st)
	}
	r.settle(0)
}

// An engine that drains before its workers run takes nothing from the first message on, and
// with nothing under way the drain is over.
func TestDrainBeforeRun(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	e := newEngine(t, func() *runtime.Appliance {
		a := *r.cfg
		a.Listeners = append([]runtime.Listener(nil), a.Listeners...)
		for i := range a.Listeners {
			a.Listeners[i].Address = freePort(t, a.Listeners[i].Address.Addr().String())
		}
		return &a
	}())
	e.Drain(true)
	startEngine(t, e)
	if err := e.Drained(t.Context(), func(int) {}); err != nil {
		t.Error(err)
	}
	c := r.alice.newCall(e.cfg.Listeners[0].Address)
	c.invite("")
	c.reply(503, "INVITE")
}
