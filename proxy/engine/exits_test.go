package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// find waits for a request of one call at any destination, keeping nothing else:
// what other calls still retransmit is of no interest.
func (r *rig) find(method, callID string) (*agent, *sipMsg) {
	r.t.Helper()
	for {
		a, m := r.findAny(method, callID)
		if method != "INVITE" || !a.seen[m.transaction()] { // or it comes again, for the answer was late
			a.took(m)
			return a, m
		}
	}
}

// findAny is find that returns repeated INVITEs, too.
func (r *rig) findAny(method, callID string) (*agent, *sipMsg) {
	r.t.Helper()
	for until := time.Now().Add(patience); time.Now().Before(until); {
		for _, a := range r.uas {
			if m := a.next(2 * time.Millisecond); m != nil && m.method() == method && m.get("Call-ID") == callID {
				return a, m
			}
		}
	}
	r.t.Fatalf("no destination got the %s of call %s", method, callID)
	return nil, nil
}

// final waits for the final reply to the INVITE of a call.
func (c *caller) final() *sipMsg {
	c.t.Helper()
	return c.expect("a final reply", func(m *sipMsg) bool {
		return m.code() >= 200 && m.get("Call-ID") == c.callID && m.get("CSeq") == "1 INVITE"
	})
}

// Every way a call can end, in random order, through sockets: at the end nothing is
// held anywhere, no place at a destination either.
func TestEveryExitReleases(t *testing.T) {
	t.Parallel()
	for _, algorithm := range []string{"round-robin", "call-load"} {
		t.Run(algorithm, func(t *testing.T) {
			t.Parallel()
			everyExitReleases(t, algorithm)
		})
	}
}

func everyExitReleases(t *testing.T, algorithm string) {
	r := newRig(t, 2, func(a *runtime.Appliance) {
		a.Control.CDR = &runtime.CDR{To: "journal"}
		timed(true)(a)
		a.Dispatchers[0].Algorithm = algorithm
		for i := range a.Dispatchers[0].Destinations {
			a.Dispatchers[0].Destinations[i].MaxCalls = 100
		}
		a.Transaction.T1, a.Transaction.T2 = duration(10*time.Millisecond), duration(80*time.Millisecond)
		a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(600*time.Millisecond), duration(4*time.Second)
		a.Transaction.Wait, a.Transaction.CallLifetime = duration(50*time.Millisecond), duration(8*time.Second)
	})
	answered := func(c *caller) (*agent, *sipMsg) {
		uas, inv := r.find("INVITE", c.callID)
		uas.respond(inv, 200, "OK")
		c.established(c.final())
		c.inDialog("ACK", "", "")
		return uas, inv
	}
	ends := map[string]func(c *caller){
		"bye": func(c *caller) {
			answered(c)
			c.inDialog("BYE", "", "")
			uas, bye := r.find("BYE", c.callID)
			uas.respond(bye, 200, "OK")
		},
		"bye from the callee": func(c *caller) {
			uas, inv := answered(c)
			b := &caller{agent: uas, proxy: r.in, callID: c.callID, tag: uas.toTag(), toTag: c.tag, cseq: 1,
				uri: "sip:alice@" + r.alice.addr.String(), routes: inv.all("Record-Route")}
			b.inDialog("BYE", "", "")
			bye := r.alice.expect("BYE", func(m *sipMsg) bool { return m.method() == "BYE" && m.get("Call-ID") == c.callID })
			r.alice.respond(bye, 200, "OK")
		},
		"bye to a dead callee": func(c *caller) {
			answered(c)
			c.inDialog("BYE", "", "")
		},
		"never ended": func(c *caller) { answered(c) },
		"session expires": func(c *caller) {
			uas, _ := answered(c)
			r.expireSession(c)
			bye := r.alice.expect("BYE", func(m *sipMsg) bool { return m.method() == "BYE" && m.get("Call-ID") == c.callID })
			r.alice.respond(bye, 200, "OK")
			_, bye = r.find("BYE", c.callID)
			uas.respond(bye, 481, "Call/Transaction Does Not Exist")
		},
		"session expires and nobody is there": func(c *caller) {
			answered(c)
			r.expireSession(c)
		},
		"session expires while the caller hangs up": func(c *caller) {
			answered(c)
			c.inDialog("BYE", "", "")
			uas, bye := r.find("BYE", c.callID)
			r.expireSession(c)
			uas.respond(bye, 200, "OK") // ours, if there is one, gets no answer
		},
		"reject": func(c *caller) {
			uas, inv := r.find("INVITE", c.callID)
			uas.respond(inv, 404, "Not Found")
			c.final()
			c.hop("ACK")
		},
		"reject, ACK lost": func(c *caller) {
			uas, inv := r.find("INVITE", c.callID)
			uas.respond(inv, 486, "Busy Here")
			c.final()
		},
		"cancel while ringing": func(c *caller) {
			uas, inv := r.find("INVITE", c.callID)
			uas.respond(inv, 180, "Ringing")
			c.hop("CANCEL")
			uas, cancel := r.find("CANCEL", c.callID)
			uas.respond(cancel, 200, "OK")
			uas.respond(inv, 487, "Request Terminated")
			c.final()
			c.hop("ACK")
		},
		"cancel into silence": func(c *caller) {
			r.find("INVITE", c.callID)
			c.hop("CANCEL")
			c.final()
			c.hop("ACK")
		},
		"cancel too late": func(c *caller) {
			uas, inv := r.find("INVITE", c.callID)
			uas.respond(inv, 200, "OK")
			c.hop("CANCEL")
			c.established(c.final())
			c.inDialog("ACK", "", "")
			c.inDialog("BYE", "", "")
			uas, bye := r.find("BYE", c.callID)
			uas.respond(bye, 481, "Call/Transaction Does Not Exist")
		},
		"nobody answers the phone": func(c *caller) {
			uas, inv := r.find("INVITE", c.callID)
			uas.respond(inv, 180, "Ringing")
			c.final()
			c.hop("ACK")
		},
		"all destinations dead": func(c *caller) {
			c.final()
			c.hop("ACK")
		},
		"all destinations refuse": func(c *caller) {
			for range 3 {
				uas, inv := r.find("INVITE", c.callID)
				uas.respond(inv, 500, "No")
			}
			c.final()
			c.hop("ACK")
		},
	}
	records := map[string]string{
		"bye": "bye 200 caller", "bye from the callee": "bye 200 callee", "bye to a dead callee": "bye_lost 200 caller", "never ended": "expired 200 proxy",
		"session expires": "session_expired 200 proxy", "session expires and nobody is there": "session_expired 200 proxy",
		"session expires while the caller hangs up": "*",
		"reject": "rejected 404 callee", "reject, ACK lost": "rejected 486 callee", "cancel while ringing": "cancelled 487 caller",
		"cancel into silence": "cancelled 487 caller", "cancel too late": "bye 200 caller", "nobody answers the phone": "timeout 408 proxy",
		"all destinations dead": "exhausted 503 proxy", "all destinations refuse": "exhausted 503 proxy",
	}
	want := map[string]string{} // by Call-ID
	var names []string
	for n := range ends {
		names = append(names, n)
	}
	rng := rand.New(rand.NewPCG(11, 12))
	for round := range 4 {
		rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		for _, n := range names {
			c := r.alice.newCall(r.out)
			c.invite("")
			t.Logf("round %d: %s", round, n)
			want[c.callID] = records[n]
			ends[n](c)
			r.alice.forget()
		}
	}
	r.settle(0)
	for _, x := range r.oneRecordEach(4 * len(names)) {
		got := fmt.Sprintf("%s %d %s", x.Cause, x.Code, x.EndedBy)
		if got != want[x.CallID] && want[x.CallID] != "*" {
			t.Errorf("record of %s: %s, want %s", x.CallID, got, want[x.CallID])
		}
		if x.Destination == "" || x.Listener != "out" || x.Called == "" || (x.Answered != nil) != (x.Code == 200) || x.Source != r.alice.addr.String() {
			t.Errorf("record: %+v", x)
		}
	}
	st := r.e.Stats()
	if st.Dialogs.Kept != 0 || st.Dialogs.Bytes != 0 {
		t.Errorf("dialogs: %+v", st.Dialogs)
	}
	var ended uint64
	for _, n := range st.Calls.Ended {
		ended += n
	}
	if ended != st.Counters["calls"] || ended != uint64(4*len(names)) {
		t.Errorf("%d calls began, %d admitted, %d ended: %v", 4*len(names), st.Counters["calls"], ended, st.Calls.Ended)
	}
}
