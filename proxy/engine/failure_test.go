package engine

import (
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

func TestRejected(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	uas, inv := r.anyUAS("INVITE")
	uas.respond(inv, 486, "Busy Here")
	ack := uas.request("ACK")
	if ack.get("Via") != inv.get("Via") || len(ack.all("Via")) != 1 || !strings.HasSuffix(ack.get("To"), uas.toTag()) {
		t.Errorf("ACK %s", ack.raw)
	}
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.settle(0)
	if n := r.e.Stats().Counters["failovers"]; n != 0 {
		t.Errorf("486 failed over %d times", n)
	}
}

func TestNeverCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	uas, inv := r.anyUAS("INVITE")
	uas.respond(inv, 603, "Decline")
	uas.request("ACK")
	c.reply(603, "INVITE")
	c.hop("ACK")
	r.settle(0)
}

func TestFailoverOnCode(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	first, inv1 := r.anyUAS("INVITE")
	first.respond(inv1, 503, "Service Unavailable")
	first.request("ACK")
	second, inv2 := r.anyUAS("INVITE")
	if second == first {
		t.Fatal("the same destination was tried twice")
	}
	if inv1.get("Via") == inv2.get("Via") {
		t.Error("both attempts share a branch")
	}
	second.respond(inv2, 200, "OK")
	c.established(c.reply(200, "INVITE"))
	r.alice.quiet(50*time.Millisecond, "a 503", func(m *sipMsg) bool { return m.code() == 503 })
	c.inDialog("ACK", "", "")
	second.request("ACK")
	c.inDialog("BYE", "", "")
	second.respond(second.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
	r.count("failovers", 1)
}

func TestFailoverOnSilence(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	first, inv1 := r.anyUAS("INVITE")
	var second *agent
	for _, a := range r.uas[:2] {
		if a != first {
			second = a
		}
	}
	inv2 := second.request("INVITE")
	second.respond(inv2, 180, "Ringing")
	c.reply(180, "INVITE")
	// The first wakes up: it is cancelled, and its replies are not the caller's.
	first.respond(inv1, 180, "Ringing")
	cancel := first.request("CANCEL")
	if cancel.get("Via") != inv1.get("Via") {
		t.Errorf("CANCEL has Via %q, the INVITE had %q", cancel.get("Via"), inv1.get("Via"))
	}
	first.respond(cancel, 200, "OK")
	first.respond(inv1, 487, "Request Terminated")
	first.request("ACK")
	second.respond(inv2, 200, "OK")
	c.established(c.reply(200, "INVITE"))
	r.alice.quiet(50*time.Millisecond, "a reply of the abandoned destination", func(m *sipMsg) bool { return m.code() == 487 })
	r.settle(1)
	r.count("local_timeouts", 1)
}

func TestExhausted(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	for _, code := range []int{500, 503, 600} {
		uas, inv := r.anyUAS("INVITE")
		uas.respond(inv, code, "No")
		uas.request("ACK")
	}
	final := c.reply(503, "INVITE")
	if final.get("Retry-After") != "7" {
		t.Errorf("503 without Retry-After: %s", final.raw)
	}
	if !strings.Contains(final.get("To"), ";tag=") {
		t.Error("503 without a To tag")
	}
	c.hop("ACK")
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["exhausted"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}

func TestAllDead(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	c.reply(503, "INVITE")
	c.hop("ACK")
	r.settle(0)
	r.count("local_timeouts", 2)
}

func TestTimerC(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Transaction.InviteTimeout = duration(300 * time.Millisecond) })
	c := r.alice.newCall(r.out)
	c.invite("")
	inv := r.uas[0].request("INVITE")
	r.uas[0].respond(inv, 180, "Ringing")
	cancel := r.uas[0].request("CANCEL")
	r.uas[0].respond(cancel, 200, "OK")
	r.uas[0].respond(inv, 487, "Request Terminated")
	r.uas[0].request("ACK")
	c.reply(408, "INVITE")
	c.hop("ACK")
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["timeout"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}

// A destination that says 100 and no more is left for the next one, once.
func TestOnlyTrying(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Transaction.InviteTimeout = duration(300 * time.Millisecond) })
	c := r.alice.newCall(r.out)
	c.invite("")
	inv := r.uas[0].request("INVITE")
	r.uas[0].respond(inv, 100, "Trying")
	r.uas[0].respond(r.uas[0].request("CANCEL"), 200, "OK")
	r.uas[0].respond(inv, 487, "Request Terminated")
	r.uas[0].request("ACK")
	inv = r.uas[1].request("INVITE")
	r.uas[1].respond(inv, 200, "OK")
	c.reply(200, "INVITE")
	r.settle(1)
}

func TestCancelWhileRinging(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	uas, inv := r.anyUAS("INVITE")
	uas.respond(inv, 180, "Ringing")
	c.reply(180, "INVITE")
	c.hop("CANCEL")
	c.reply(200, "CANCEL")
	cancel := uas.request("CANCEL")
	if cancel.get("Via") != inv.get("Via") || strings.Fields(cancel.start)[1] != strings.Fields(inv.start)[1] {
		t.Errorf("the CANCEL does not match its INVITE:\n%s", cancel.raw)
	}
	uas.respond(cancel, 200, "OK")
	uas.respond(inv, 487, "Request Terminated")
	uas.request("ACK")
	c.reply(487, "INVITE")
	c.hop("ACK")
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["cancelled"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}

func TestCancelBeforeAnyReply(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, func(a *runtime.Appliance) { a.Transaction.ReplyTimeout = duration(3 * time.Second) })
	c := r.alice.newCall(r.out)
	c.invite("")
	uas, inv := r.anyUAS("INVITE")
	c.hop("CANCEL")
	c.reply(200, "CANCEL")
	uas.quiet(100*time.Millisecond, "a CANCEL before its time", func(m *sipMsg) bool { return m.method() == "CANCEL" })
	uas.respond(inv, 180, "Ringing")
	uas.respond(uas.request("CANCEL"), 200, "OK")
	uas.respond(inv, 487, "Request Terminated")
	c.reply(487, "INVITE")
	c.hop("ACK")
	r.settle(0)
}

func TestCancelledAndSilent(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	r.anyUAS("INVITE")
	c.hop("CANCEL")
	c.reply(200, "CANCEL")
	c.reply(487, "INVITE")
	c.hop("ACK")
	r.settle(0)
	if n := r.e.Stats().Counters["failovers"]; n != 0 {
		t.Error("a cancelled call failed over")
	}
}

func TestCancelLosesTheRace(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	inv := r.uas[0].request("INVITE")
	r.uas[0].respond(inv, 180, "Ringing")
	c.reply(180, "INVITE")
	c.hop("CANCEL")
	cancel := r.uas[0].request("CANCEL")
	r.uas[0].respond(inv, 200, "OK") // answered before the CANCEL came
	r.uas[0].respond(cancel, 200, "OK")
	c.reply(200, "CANCEL")
	c.established(c.reply(200, "INVITE"))
	c.inDialog("ACK", "", "")
	r.uas[0].request("ACK")
	r.settle(1)
	c.inDialog("BYE", "", "")
	r.uas[0].respond(r.uas[0].request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
}

func TestCancelledFinalDoesNotFailOver(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	uas, inv := r.anyUAS("INVITE")
	uas.respond(inv, 180, "Ringing")
	c.reply(180, "INVITE")
	c.hop("CANCEL")
	uas.request("CANCEL")
	uas.respond(inv, 503, "Service Unavailable")
	c.reply(503, "INVITE")
	c.hop("ACK")
	r.settle(0)
	if n := r.e.Stats().Counters["failovers"]; n != 0 {
		t.Error("a cancelled call failed over")
	}
}

func TestByeTimeout(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Transaction.T1 = duration(5 * time.Millisecond) })
	c, uas, _ := r.answerCall()
	c.inDialog("BYE", "", "")
	uas.request("BYE")
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["bye_lost"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}

func TestLifetimeEndsACall(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Transaction.CallLifetime = duration(300 * time.Millisecond) })
	r.answerCall()
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["expired"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}
