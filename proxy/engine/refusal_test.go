package engine

import (
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

func anything(*sipMsg) bool { return true }

func TestSourcesAreEnforced(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	stranger := newAgent(t, "127.0.99.1")
	c := stranger.newCall(r.out)
	c.invite("")
	stranger.send(r.out, "\r\n\r\n")
	stranger.quiet(150*time.Millisecond, "an answer", anything)
	r.uas[0].quiet(10*time.Millisecond, "a stranger's call", anything)
	r.count("dropped_source", 2)
	if st := r.e.Stats(); st.Transactions.Peak != 0 {
		t.Error("a stranger's packet made state")
	}
	// What one listener admits, another does not.
	c = r.alice.newCall(r.in)
	c.invite("")
	r.alice.quiet(50*time.Millisecond, "an answer", anything)
}

func TestKeepAlives(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	r.alice.send(r.out, "\r\n\r\n")
	if m := r.alice.next(patience); m == nil || m.raw != "\r\n" {
		t.Errorf("a ping got %v", m)
	}
	for _, s := range []string{"", "\x00", "\x00\x00\x00\x00", "\r\n"} {
		r.alice.send(r.out, s)
	}
	r.count("keepalives", 5)
	r.alice.quiet(50*time.Millisecond, "an answer to a pong", anything)
}

func TestOptionsToUs(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	c.uri = "sip:" + r.out.String()
	c.send(r.out, c.build("OPTIONS", c.newBranch(), 1, "", ""))
	ok := c.reply(200, "OPTIONS")
	if !strings.Contains(ok.get("Allow"), "INVITE") || !strings.Contains(ok.get("To"), ";tag=") {
		t.Errorf("200 to OPTIONS:\n%s", ok.raw)
	}
	// With the last hop too (16.3 step 3): it goes no further.
	c = r.alice.newCall(r.out)
	c.uri = "sip:" + r.out.String()
	c.send(r.out, strings.Replace(c.build("OPTIONS", c.newBranch(), 1, "", ""), "Max-Forwards: 70", "Max-Forwards: 0", 1))
	c.reply(200, "OPTIONS")
	c = r.alice.newCall(r.out)
	c.send(r.out, strings.Replace(c.build("OPTIONS", c.newBranch(), 1, "", ""), "Max-Forwards: 70", "Max-Forwards: 0", 1))
	c.reply(483, "OPTIONS")
	r.settle(0)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		edit   func(string) string
		code   int
		want   string // in the reply
		method string
	}{
		{"tel URI", func(s string) string {
			return strings.Replace(s, "INVITE sip:+4930123456@", "INVITE tel:+4930123456;x=", 1)
		}, 416, "", "INVITE"},
		{"sips URI", func(s string) string { return strings.Replace(s, "INVITE sip:", "INVITE sips:", 1) }, 416, "", "INVITE"},
		{"no hops left", func(s string) string { return strings.Replace(s, "Max-Forwards: 70", "Max-Forwards: 0", 1) }, 483, "", "INVITE"},
		{"unknown extension", func(s string) string {
			return strings.Replace(s, "Contact:", "Proxy-Require: teleport\r\nContact:", 1)
		}, 420, "Unsupported: teleport", "INVITE"},
		{"unknown extensions on several lines", func(s string) string {
			return strings.Replace(s, "Contact:", "Proxy-Require: teleport, fly\r\nProxy-Require:\r\nContact:", 1)
		}, 420, "Unsupported: teleport, fly\r\n", "INVITE"},
		{"unknown extensions apart", func(s string) string {
			s = strings.Replace(s, "Max-Forwards:", "PROXY-REQUIRE :teleport\r\nMax-Forwards:", 1)
			return strings.Replace(s, "Contact:", "Proxy-Require: fly,\r\n swim\r\nContact:", 1)
		}, 420, "Unsupported: teleport, fly,\r\n swim\r\n", "INVITE"},
		{"body cut off", func(s string) string { return s[:len(s)-10] }, 400, "", "INVITE"},
		{"a dialog through a name", func(s string) string {
			s = strings.Replace(s, "To: <sip:+4930123456@example.net>", "To: <sip:+4930123456@example.net>;tag=x", 1)
			return strings.Replace(s, "INVITE sip:+4930123456@127.0.10.1", "INVITE sip:bob@host.invalid", 1)
		}, 502, "", "INVITE"},
		{"a dialog with a third party", func(s string) string {
			s = strings.Replace(s, "To: <sip:+4930123456@example.net>", "To: <sip:+4930123456@example.net>;tag=x", 1)
			return strings.Replace(s, "INVITE sip:+4930123456@127.0.10.1", "INVITE sip:bob@127.0.99.9", 1)
		}, 403, "", "INVITE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			c := r.alice.newCall(r.out)
			c.branch = c.newBranch()
			c.send(r.out, tt.edit(c.build("INVITE", c.branch, 1, "", sdp)))
			m := c.reply(tt.code, tt.method)
			if !strings.Contains(m.raw, tt.want) {
				t.Errorf("the reply lacks %q:\n%s", tt.want, m.raw)
			}
			_, c.toTag, _ = strings.Cut(m.get("To"), ";tag=")
			c.hop("ACK")
			r.uas[0].quiet(50*time.Millisecond, "a refused request", anything)
			r.settle(0)
		})
	}
}

func TestDialogOfNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	c.uri, c.toTag = "sip:"+r.out.String(), "gone"
	c.inDialog("BYE", "", "")
	c.reply(481, "BYE")
	c.branch = c.newBranch()
	c.hop("CANCEL")
	c.reply(481, "CANCEL")
	r.settle(0)
}

// A dialog this process never saw goes on through it: the Route headers say all.
func TestDialogOfAnEarlierProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	c.uri, c.toTag = "sip:bob@"+r.uas[0].addr.String(), "known"
	c.routes = []string{"<sip:" + r.out.String() + ";lr>", "<sip:" + r.in.String() + ";lr>"}
	c.inDialog("INFO", "", "x")
	info := r.uas[0].request("INFO")
	if info.from != r.in || len(info.all("Route")) != 0 {
		t.Errorf("INFO from %s with Route %q", info.from, info.all("Route"))
	}
	r.uas[0].respond(info, 200, "OK")
	c.reply(200, "INFO")
	c.inDialog("ACK", "", "")
	r.uas[0].request("ACK")
	c.inDialog("BYE", "", "")
	r.uas[0].respond(r.uas[0].request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
}

func TestForgedAndForeignReplies(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	c.invite("")
	c.reply(100, "INVITE")
	inv := r.uas[0].request("INVITE")
	good := r.uas[0].answer(inv, 200, "OK", "")
	_, branch, _ := strings.Cut(inv.get("Via"), "branch=")
	last := branch[len(branch)-1:]
	other := "0"
	if last == "0" {
		other = "1"
	}
	for _, forged := range []string{
		strings.Replace(good, branch, branch[:len(branch)-1]+other, 1),
		strings.Replace(good, branch, "z9hG4bKtlf"+strings.Repeat("0", 32), 1),
		strings.Replace(good, branch, "z9hG4bK-something-else", 1),
	} {
		r.uas[0].send(r.in, forged)
	}
	r.count("dropped_forged_branch", 3)
	r.uas[0].send(r.in, strings.Replace(good, r.in.String(), "127.0.99.1:5060", 1))
	r.count("dropped_foreign_via", 1)
	r.alice.quiet(50*time.Millisecond, "a forged 200", anything)
	r.uas[0].send(r.in, good)
	c.reply(200, "INVITE")
	r.settle(1)
}

// A stateless reply goes only where requests may come from.
func TestRepliesDoNotReflect(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	victim := newAgent(t, "127.0.99.1")
	c := r.alice.newCall(r.out)
	c.uri, c.toTag = "sip:bob@"+r.uas[0].addr.String(), "known"
	c.routes = []string{"<sip:" + r.out.String() + ";lr>", "<sip:" + r.in.String() + ";lr>"}
	c.inDialog("ACK", "", "")
	ack := r.uas[0].request("ACK")
	made := r.uas[0].answer(ack, 200, "OK", "")
	made = strings.Replace(made, ack.all("Via")[1], "SIP/2.0/UDP "+victim.addr.String()+";branch=z9hG4bKx", 1)
	r.uas[0].send(r.in, made)
	r.count("dropped_reply_target", 1)
	victim.quiet(20*time.Millisecond, "a reflected reply", anything)
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Limits.CPS, a.Limits.Burst = 1, 2 })
	for i := range 3 {
		c := r.alice.newCall(r.out)
		c.invite("")
		if i < 2 {
			r.uas[0].respond(r.uas[0].request("INVITE"), 486, "Busy Here")
			c.reply(486, "INVITE")
			c.hop("ACK")
			continue
		}
		m := c.reply(503, "INVITE")
		if m.get("Retry-After") != "7" {
			t.Errorf("no Retry-After: %s", m.raw)
		}
		_, c.toTag, _ = strings.Cut(m.get("To"), ";tag=")
		c.hop("ACK")
	}
	r.count("refused_rate", 1)
	if n := r.e.Stats().Calls.Ended["refused"]; n != 0 {
		t.Errorf("%d calls registered that the rate refused", n)
	}
	r.settle(0)
	r.uas[0].quiet(20*time.Millisecond, "the ACK of a refusal", func(m *sipMsg) bool {
		return m.method() == "ACK" && !strings.Contains(m.get("To"), r.uas[0].toTag())
	})
}

func TestConcurrencyLimit(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Limits.ConcurrentCalls = 1 })
	c, uas, _ := r.answerCall()
	c2 := r.alice.newCall(r.out)
	c2.invite("")
	c2.reply(503, "INVITE")
	c.inDialog("BYE", "", "")
	uas.respond(uas.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0) // the 200 leaves before the call ends
	c3 := r.alice.newCall(r.out)
	c3.invite("")
	uas.request("INVITE")
	r.count("refused_concurrent_calls", 1)
}

// Past the high-water mark new calls are refused and dialogs go on; when not one
// slot is left, dialogs are served without state.
func TestHighWater(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		a.State.Transactions, a.State.HighWater = 4, 0.5
		a.Transaction.Wait = duration(100 * time.Millisecond)
		a.Transaction.ReplyTimeout = duration(3 * time.Second)
	})
	c, uas, _ := r.answerCall()
	r.settle(1)
	for range 2 {
		held := r.alice.newCall(r.out)
		held.invite("")
		uas.respond(uas.expect("the INVITE, and no repetition of another", func(m *sipMsg) bool {
			return m.method() == "INVITE" && m.get("Call-ID") == held.callID
		}), 180, "Ringing")
		held.reply(180, "INVITE")
	}
	refused := r.alice.newCall(r.out)
	refused.invite("")
	refused.reply(503, "INVITE")
	r.count("refused_high_water", 1)
	for range 3 {
		c.inDialog("INFO", "", "")
		info := uas.request("INFO")
		defer uas.respond(info, 200, "OK")
	}
	if n := r.e.Stats().Counters["stateless_requests"]; n == 0 {
		t.Error("no request was served without state")
	}
	c.inDialog("BYE", "", "")
	uas.respond(uas.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
}

// What belongs to an INVITE that left no state follows it under the same branch
// (16.10, 16.11), and its replies come back.
func TestInviteWithoutState(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.State.Transactions = 1 })
	c, uas, _ := r.answerCall()
	r.settle(1)
	held := r.alice.newCall(r.out)
	held.invite("")
	waiting := uas.request("INVITE")
	defer uas.respond(waiting, 486, "Busy Here")
	c.inDialog("INVITE", "", sdp)
	inv := uas.request("INVITE")
	r.count("dialog_requests_without_state", 1)
	uas.respond(inv, 180, "Ringing")
	c.reply(180, "INVITE")
	c.hop("CANCEL")
	cancel := uas.request("CANCEL")
	if cancel.all("Via")[0] != inv.all("Via")[0] || len(cancel.all("Route")) != 0 {
		t.Errorf("CANCEL has Via %q, its INVITE had %q", cancel.all("Via")[0], inv.all("Via")[0])
	}
	uas.respond(cancel, 200, "OK")
	c.reply(200, "CANCEL")
	uas.respond(inv, 487, "Request Terminated")
	c.reply(487, "INVITE")
	c.hop("ACK")
	if ack := uas.request("ACK"); ack.all("Via")[0] != inv.all("Via")[0] {
		t.Errorf("ACK has Via %q, its INVITE had %q", ack.all("Via")[0], inv.all("Via")[0])
	}
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Routes[0].Prefix = "+1" })
	c := r.alice.newCall(r.out)
	c.invite("")
	c.reply(404, "INVITE")
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["refused"] != 1 {
		t.Errorf("calls ended: %v", st.Calls.Ended)
	}
}

// A sender of RFC 2543 has no magic cookie: its INVITE, CANCEL and ACK still meet.
func TestLegacyBranch(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	c.branch = "1"
	raw := c.build("INVITE", c.branch, 1, "", sdp)
	c.send(r.out, raw)
	inv := r.uas[0].request("INVITE")
	r.uas[0].respond(inv, 180, "Ringing")
	c.reply(180, "INVITE")
	c.send(r.out, raw)
	c.reply(180, "INVITE")
	c.hop("CANCEL")
	c.reply(200, "CANCEL")
	r.uas[0].respond(r.uas[0].request("CANCEL"), 200, "OK")
	r.uas[0].respond(inv, 487, "Request Terminated")
	m := c.reply(487, "INVITE")
	_, c.toTag, _ = strings.Cut(m.get("To"), ";tag=")
	c.hop("ACK")
	r.settle(0)
}

func TestGarbage(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "INVITE", strings.Repeat("A", 3000), "SIP/2.0 200 OK\r\n\r\n", "\x16\x03\x01\x02\x00\x01garbagegarbage"} {
		r.alice.send(r.out, s)
	}
	r.count("dropped_malformed", 5)
	r.alice.quiet(30*time.Millisecond, "an answer to garbage", anything)
	r.settle(0)
}

// The machine may ask its own listeners for life, and nothing else.
func TestSelfCheck(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	self := newAgent(t, r.out.Addr().String())
	self.newCall(r.out).invite("")
	c := self.newCall(r.out)
	c.send(r.out, c.build("OPTIONS", c.newBranch(), 1, "", "")) // for somebody else
	self.send(r.out, "\r\n\r\n")
	self.quiet(150*time.Millisecond, "an answer", anything)
	r.uas[0].quiet(10*time.Millisecond, "a request of the machine's own", anything)
	r.count("dropped_source", 3)
	c = self.newCall(r.out)
	c.uri = "sip:" + r.out.String()
	c.send(r.out, c.build("OPTIONS", c.newBranch(), 1, "", ""))
	c.reply(200, "OPTIONS")
	if st := r.e.Stats(); st.Transactions.Peak != 0 {
		t.Error("the self-check made state")
	}
}
