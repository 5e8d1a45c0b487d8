package engine

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/call"
	"trunkline/proxy/dialog"
	"trunkline/proxy/media/mediatest"
	"trunkline/proxy/message"
)

// timed gives a rig session timers.
func timed(insert bool) func(*runtime.Appliance) {
	return func(a *runtime.Appliance) {
		a.Session = &runtime.Session{MinSE: duration(90 * time.Second), Expires: duration(1800 * time.Second), Insert: insert}
	}
}

// sessions does f to the row of every call, with its shard locked.
func (r *rig) sessions(f func(h call.Holds, row *dialog.Row)) {
	r.t.Helper()
	var ids []call.ID
	r.e.calls.Each(func(id call.ID, _ call.Holds) { ids = append(ids, id) })
	for _, id := range ids {
		if l, ok := r.e.calls.Lock(id); ok {
			f(l.Holds(), r.e.dialogs.Row(l.Row()))
			l.Unlock()
		}
	}
}

// expireSessions moves the end of all sessions to now.
func (r *rig) expireSessions() {
	r.sessions(func(_ call.Holds, row *dialog.Row) { row.Deadline = 1 })
}

// expireSession moves the end of one call's session to now.
func (r *rig) expireSession(c *caller) {
	r.t.Helper()
	w := r.e.newWorker()
	var v message.View
	if err := v.Parse([]byte(c.build("BYE", "z9hG4bK1", 1, "", ""))); err != nil {
		r.t.Fatal(err)
	}
	l, _, ok := w.lockDialog(&v)
	if !ok {
		r.t.Fatalf("no dialog of call %s is kept", c.callID)
	}
	r.e.dialogs.Row(l.Row()).Deadline = 1
	l.Unlock()
}

// left is how long the only session lasts from now on, 0: for ever.
func (r *rig) left() (left time.Duration) {
	r.sessions(func(_ call.Holds, row *dialog.Row) {
		if row.Deadline != 0 {
			left = time.Duration(row.Deadline) - r.e.clock()
		}
	})
	return left
}

func (r *rig) lasts(want time.Duration) {
	r.t.Helper()
	if got := r.left(); got > want || got < want-time.Minute {
		r.t.Errorf("the session lasts for %v more, want %v", got, want)
	}
}

// call makes a call and returns it with the callee and the INVITE it got.
func (r *rig) call(extra, answer string) (*caller, *agent, *sipMsg) {
	r.t.Helper()
	c := r.alice.newCall(r.out)
	c.invite(extra)
	uas, inv := r.anyUAS("INVITE")
	uas.send(inv.from, uas.answer(inv, 200, "OK", answer))
	c.established(c.reply(200, "INVITE"))
	c.inDialog("ACK", "", "")
	uas.request("ACK")
	return c, uas, inv
}

// Who understands session timers and asks for less than the minimum is told.
func TestSessionTooSmall(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, timed(true))
	for _, extra := range []string{
		"Supported: 100rel, timer\r\nSession-Expires: 89;refresher=uac\r\n",
		"k: TIMER\r\nx: 0\r\n",
		"Require: timer\r\nSession-Expires : 12\r\nMin-SE: 12\r\n",
	} {
		c := r.alice.newCall(r.out)
		c.invite(extra)
		m := c.reply(422, "INVITE")
		if got := m.all("Min-SE"); len(got) != 1 || got[0] != "90" {
			t.Errorf("Min-SE of the 422 is %q, want 90", got)
		}
		c.hop("ACK")
	}
	// Within a dialog, from both sides.
	c, uas, _ := r.call("Supported: timer\r\n", "")
	c.inDialog("INVITE", "Supported: timer\r\nSession-Expires: 60\r\n", sdp)
	c.reply(422, "INVITE")
	c.hop("ACK")
	c.inDialog("UPDATE", "Supported: timer\r\nSession-Expires: 60\r\n", "")
	c.reply(422, "UPDATE")
	r.count("refused_session_interval", 5)
	uas.quiet(100*time.Millisecond, "what was refused", func(m *sipMsg) bool { return m.method() != "" && m.code() == 0 })
	c.inDialog("BYE", "", "")
	uas.respond(uas.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
}

// What a request asks for, and what becomes of it on its way.
func TestSessionAsked(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, sent, expires, minSE string
		insert                     bool
	}{
		{"nothing", "", "1800", "", true},
		{"nothing, and nothing is inserted", "", "", "", false},
		{"a minimum alone", "Min-SE: 2000\r\n", "2000", "2000", true},
		{"enough", "Supported: timer\r\nSession-Expires: 90;refresher=uac\r\n", "90;refresher=uac", "", true},
		{"too little from a sender that does not understand it", "Session-Expires: 60;refresher=uas\r\n", "90;refresher=uas", "90", true},
		{"with a minimum below", "x: 60\r\nMin-SE: 30;a=b\r\n", "90", "90;a=b", true},
		{"with a minimum above", "Min-SE: 120\r\nSession-Expires: 60\r\n", "120", "120", true},
		{"no number", "Session-Expires: soon\r\n", "soon", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 2, timed(tt.insert))
			c := r.alice.newCall(r.out)
			c.invite(tt.sent)
			for range 2 { // the second is where it goes after the first has failed
				uas, inv := r.anyUAS("INVITE")
				if got := strings.Join(append(inv.all("Session-Expires"), inv.all("x")...), "|"); got != tt.expires {
					t.Errorf("Session-Expires is %q, want %q", got, tt.expires)
				}
				if got := strings.Join(inv.all("Min-SE"), "|"); got != tt.minSE {
					t.Errorf("Min-SE is %q, want %q", got, tt.minSE)
				}
				uas.respond(inv, 500, "No")
				uas.request("ACK")
			}
		})
	}
}

// What was agreed on, by who understands session timers.
func TestSessionAgreed(t *testing.T) {
	t.Parallel()
	const timer = "Supported: timer\r\n"
	const asks = timer + "Session-Expires: 600\r\n"
	for _, tt := range []struct {
		name, asked, answered, expires, require string
		lasts                                   time.Duration
	}{
		{"both", asks, "Session-Expires: 300;refresher=uas\r\nRequire: timer\r\n", "300;refresher=uas", "timer", 300 * time.Second},
		{"the caller alone", asks, "", "600;refresher=uac", "timer", 600 * time.Second},
		{"the caller alone, which asks for nothing", timer, "Require: x\r\n", "1800;refresher=uac", "timer|x", 1800 * time.Second},
		{"the callee alone", "", "x: 1800;refresher=uas\r\n", "1800;refresher=uas", "", 1800 * time.Second},
		{"nobody", "", "", "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1, timed(true))
			c := r.alice.newCall(r.out)
			c.invite(tt.asked)
			uas, inv := r.anyUAS("INVITE")
			for range 2 { // the second is sent again, and the same
				uas.send(inv.from, uas.answer(inv, 200, "OK", tt.answered))
				ok := c.reply(200, "INVITE")
				if got := strings.Join(append(ok.all("Session-Expires"), ok.all("x")...), "|"); got != tt.expires {
					t.Errorf("Session-Expires of the 200 is %q, want %q", got, tt.expires)
				}
				if got := strings.Join(ok.all("Require"), "|"); got != tt.require {
					t.Errorf("Require of the 200 is %q, want %q", got, tt.require)
				}
			}
			if got := r.left(); tt.lasts == 0 && got != 0 || got > tt.lasts || got < tt.lasts-time.Minute {
				t.Errorf("the session lasts for %v, want %v", got, tt.lasts)
			}
			if d := r.e.Stats().Dialogs; d.Kept != 1 || d.Bytes == 0 || d.Lost != 0 {
				t.Errorf("dialogs: %+v", d)
			}
		})
	}
}

// ends takes the BYEs of both sides of a call whose time is over, compares them and answers them.
func ends(r *rig, c *caller, uas *agent, toCaller, toCallee string, code int) {
	r.t.Helper()
	for _, tt := range []struct {
		a    *agent
		want string
	}{{r.alice, toCaller}, {uas, toCallee}} {
		bye := tt.a.request("BYE")
		via, rest, _ := strings.Cut(bye.raw, "\r\nMax-Forwards")
		if got := "Max-Forwards" + rest; got != tt.want {
			r.t.Errorf("BYE is\n%s\nwant\n%s", got, tt.want)
		}
		if n := len(bye.all("Via")); n != 1 {
			r.t.Errorf("%d Via in\n%s", n, via)
		}
		if code != 0 {
			tt.a.respond(bye, code, "Whatever")
		}
	}
}

func (c *caller) bye(from, fromTag, to, toTag, reason string, cseq int) string {
	return fmt.Sprintf("Max-Forwards: 70\r\nFrom: <sip:%s>;tag=%s\r\nTo: <sip:%s>;tag=%s\r\nCall-ID: %s\r\nCSeq: %d BYE\r\nReason: SIP;cause=408;text=%q\r\nContent-Length: 0\r\n\r\n",
		from, fromTag, to, toTag, c.callID, cseq, reason)
}

const aliceURI, bobURI = "alice@example.net", "+4930123456@example.net"

func (c *caller) byes(reason string, caller, callee int) (toCaller, toCallee string) {
	return c.bye(bobURI, c.toTag, aliceURI, c.tag, reason, callee), c.bye(aliceURI, c.tag, bobURI, c.toTag, reason, caller)
}

// A call whose session nobody refreshed ends on both sides, whatever they answer.
func TestSessionExpires(t *testing.T) {
	t.Parallel()
	for _, code := range []int{200, 481, 401, 0} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			r := newRig(t, 1, func(a *runtime.Appliance) {
				timed(true)(a)
				if code == 0 { // that nobody answers takes 64 T1
					a.Transaction.T1 = duration(50 * time.Millisecond)
				}
			})
			c, uas, _ := r.call("Supported: timer\r\n", "")
			c.inDialog("INFO", "", "")
			uas.respond(uas.request("INFO"), 200, "OK")
			c.reply(200, "INFO")
			r.expireSessions()
			toCaller, toCallee := c.byes("Session expired", 3, 1)
			ends(r, c, uas, toCaller, toCallee, code)
			r.settle(0)
			st := r.e.Stats()
			if st.Calls.Ended["session_expired"] != 1 || st.Dialogs.Kept != 0 || st.Dialogs.Bytes != 0 || st.Counters["byes_sent"] != 2 {
				t.Errorf("ended %v, dialogs %+v, %v", st.Calls.Ended, st.Dialogs, nonZero(st.Counters))
			}
			if again := st.Counters["retransmissions_sent"]; (again > 0) != (code == 0) {
				t.Errorf("%d repetitions", again)
			}
		})
	}
}

// So does one whose lifetime is over, timers or not.
func TestLifetimeEndsBothSides(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		timed(false)(a)
		a.Transaction.CallLifetime = duration(1500 * time.Millisecond)
	})
	c, uas, _ := r.call("", "")
	toCaller, toCallee := c.byes("Call lifetime is over", 2, 1)
	ends(r, c, uas, toCaller, toCallee, 200)
	r.settle(0)
	if st := r.e.Stats(); st.Calls.Ended["expired"] != 1 {
		t.Errorf("ended %v", st.Calls.Ended)
	}
}

// A refresh by either side, by re-INVITE or UPDATE, lets the session begin again; where its
// Contact is another, BYE goes there.
func TestSessionRefreshed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, timed(true))
	const asks = "Supported: timer\r\nSession-Expires: %d;refresher=uac\r\n"
	c, uas, inv := r.call(fmt.Sprintf(asks, 300), "Session-Expires: 300;refresher=uac\r\n")
	r.lasts(300 * time.Second)
	c.inDialog("INVITE", fmt.Sprintf(asks, 700), sdp)
	again := uas.request("INVITE")
	uas.send(again.from, uas.answer(again, 200, "OK", ""))
	if got := c.reply(200, "INVITE").get("Session-Expires"); got != "700;refresher=uac" {
		t.Errorf("Session-Expires is %q", got)
	}
	c.inDialog("ACK", "", "")
	uas.request("ACK")
	r.lasts(700 * time.Second)

	// The callee moves, and refreshes by UPDATE.
	moved := newAgent(t, "127.0.21.1")
	b := moved.newCall(r.in)
	b.callID, b.tag, b.toTag, b.uri, b.routes, b.cseq = c.callID, c.toTag, c.tag, "sip:alice@"+r.alice.addr.String(), inv.all("Record-Route"), 70
	b.inDialog("UPDATE", fmt.Sprintf(asks, 900), "")
	up := r.alice.request("UPDATE")
	r.alice.send(up.from, r.alice.answer(up, 200, "OK", "Session-Expires: 800;refresher=uac\r\n"))
	moved.reply(200, "UPDATE")
	r.lasts(800 * time.Second)

	r.expireSessions()
	toCaller, toCallee := c.byes("Session expired", 3, 72)
	ends(r, c, moved, toCaller, toCallee, 200)
	r.settle(0)
}

// A refused refresh changes nothing; one that agrees on no session ends the timer.
func TestSessionEndsItsTimer(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, timed(false))
	c, uas, _ := r.call("Supported: timer\r\nSession-Expires: 300\r\n", "Session-Expires: 300;refresher=uac\r\n")
	c.inDialog("INVITE", "Session-Expires: 600\r\n", sdp)
	uas.respond(uas.request("INVITE"), 488, "Not Here")
	c.reply(488, "INVITE")
	c.hop("ACK")
	uas.request("ACK")
	r.lasts(300 * time.Second)
	c.inDialog("UPDATE", "", "")
	uas.respond(uas.request("UPDATE"), 200, "OK")
	c.reply(200, "UPDATE")
	if left := r.left(); left != 0 {
		t.Errorf("the session ends in %v", left)
	}
}

// BYE follows the route set beyond this proxy, loose and strict.
func TestByeFollowsRoutes(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, timed(true))
	p1, p2 := newAgent(t, "127.0.11.1"), newAgent(t, "127.0.21.1") // proxies before and behind
	c := r.alice.newCall(r.out)
	c.invite(fmt.Sprintf("Supported: timer\r\nRecord-Route: <sip:%s;lr>, \"far <one>\" <sip:192.0.2.9;lr>;x=y\r\n", p1.addr))
	uas, inv := r.anyUAS("INVITE")
	reply := uas.answer(inv, 200, "OK", "")
	own := "Record-Route: " + inv.all("Record-Route")[0]
	reply = strings.Replace(reply, own, "Record-Route: <sip:192.0.2.7;lr>\r\nRecord-Route: <sip:"+p2.addr.String()+">\r\n"+own, 1)
	uas.send(inv.from, reply)
	c.reply(200, "INVITE")
	r.expireSessions()
	toCaller := p1.request("BYE")
	if got := toCaller.all("Route"); len(got) != 1 || got[0] != "<sip:"+p1.addr.String()+";lr>,<sip:192.0.2.9;lr>" {
		t.Errorf("Route toward the caller is %q", got)
	}
	if want := "BYE sip:alice@" + r.alice.addr.String() + " SIP/2.0"; toCaller.start != want {
		t.Errorf("got %q, want %q", toCaller.start, want)
	}
	toCallee := p2.request("BYE")
	if got, want := strings.Join(toCallee.all("Route"), "|"), "<sip:192.0.2.7;lr>|<sip:bob@"+uas.addr.String()+">"; got != want {
		t.Errorf("Route toward the callee is %q, want %q", got, want)
	}
	if want := "BYE sip:" + p2.addr.String() + " SIP/2.0"; toCallee.start != want {
		t.Errorf("got %q, want %q", toCallee.start, want)
	}
	p1.respond(toCaller, 200, "OK")
	p2.respond(toCallee, 200, "OK")
	r.settle(0)
}

// A Contact that is a name is reached where it was heard from.
func TestByeToAName(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, timed(true))
	c := r.alice.newCall(r.out)
	raw := strings.Replace(c.build("INVITE", c.newBranch(), 1, "Supported: timer\r\n", sdp), "Contact: <sip:alice@"+r.alice.addr.String(), "Contact: <sip:alice@phone.invalid", 1)
	c.send(r.out, raw)
	uas, inv := r.anyUAS("INVITE")
	uas.respond(inv, 200, "OK")
	c.reply(200, "INVITE")
	r.expireSessions()
	if bye := c.request("BYE"); bye.start != "BYE sip:alice@phone.invalid SIP/2.0" {
		t.Errorf("got %q", bye.start)
	}
}

// What is longer than a dialog may be is counted, and the call goes on and ends like others.
func TestDialogTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, timed(true))
	c := r.alice.newCall(r.out)
	c.tag = strings.Repeat("t", dialog.MaxText)
	c.invite("Supported: timer\r\n")
	uas, inv := r.anyUAS("INVITE")
	uas.respond(inv, 200, "OK")
	c.established(c.reply(200, "INVITE"))
	if d := r.e.Stats().Dialogs; d.Kept != 0 || d.Lost != 1 {
		t.Errorf("dialogs: %+v", d)
	}
	c.inDialog("BYE", "", "")
	uas.respond(uas.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
}

// Sessions go on in a process that takes over, and end there.
func TestSucceedSessions(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 1, timed(true))
	c, uas, _ := r.call("Supported: timer\r\n", "")
	r.succeed()
	if d := r.e.Stats().Dialogs; d.Kept != 1 || d.Bytes == 0 {
		t.Errorf("dialogs: %+v", d)
	}
	r.lasts(1800 * time.Second)
	r.expireSessions()
	toCaller, toCallee := c.byes("Session expired", 2, 1)
	ends(r, c, uas, toCaller, toCallee, 0) // not answered,
	r.succeed()                            // but of the next process
	for _, a := range []*agent{r.alice, uas} {
		a.respond(a.expect("the BYE again", func(m *sipMsg) bool { return m.method() == "BYE" }), 200, "OK")
	}
	r.settle(0)
	if st := r.e.Stats(); st.Dialogs.Kept != 0 || st.Dialogs.Bytes != 0 || st.Calls.Ended["session_expired"] != 1 {
		t.Errorf("dialogs %+v, ended %v", st.Dialogs, st.Calls.Ended)
	}
}

// A process that ended between the end of a session and its BYEs leaves those to the next; a BYE that
// was answered is not sent again.
func TestSucceedByes(t *testing.T) {
	t.Parallel()
	r := lastingRig(t, 1, timed(true))
	c, uas, _ := r.call("Supported: timer\r\n", "")
	d, other, _ := r.call("Supported: timer\r\n", "")
	r.stop()
	open := uint8(1<<dialog.Caller | 1<<dialog.Callee)
	r.sessions(func(_ call.Holds, row *dialog.Row) { // of the first, then of the second
		row.Ending, row.Open, row.Deadline, row.Cause = true, open, int64(time.Hour), uint8(call.SessionExpired)
		open = 1 << dialog.Caller
	})
	r.succeed()
	byes := map[string]int{}
	for range 2 {
		bye := r.alice.request("BYE")
		byes[bye.get("Call-ID")]++
		r.alice.respond(bye, 200, "OK")
	}
	if byes[c.callID] != 1 || byes[d.callID] != 1 {
		t.Errorf("the caller got %v", byes)
	}
	uas.respond(uas.request("BYE"), 200, "OK")
	r.settle(0)
	other.quiet(100*time.Millisecond, "a BYE more", func(m *sipMsg) bool { return m.method() == "BYE" })
	if st := r.e.Stats(); st.Calls.Ended["session_expired"] != 2 {
		t.Errorf("ended %v", st.Calls.Ended)
	}
}

// Many sessions that expire together end all, a few at a time.
func TestManySessionsExpire(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, timed(true))
	const n = 100
	for range n {
		r.call("Supported: timer\r\n", "")
	}
	r.expireSessions()
	for _, a := range []*agent{r.alice, r.uas[0]} {
		for range n {
			a.respond(a.request("BYE"), 200, "OK")
		}
	}
	r.settle(0)
	r.count("byes_sent", 2*n)
}

// Each 2xx to a forked INVITE has a dialog of its own.
func TestForkedSessions(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, func(a *runtime.Appliance) {
		timed(true)(a)
		a.Dispatchers[0].Algorithm = "parallel"
	})
	c := r.alice.newCall(r.out)
	c.invite("Supported: timer\r\n")
	var invites []*sipMsg
	for _, a := range r.uas[:2] {
		invites = append(invites, a.request("INVITE"))
	}
	for i, a := range r.uas[:2] {
		a.respond(invites[i], 200, "OK")
	}
	for range 2 {
		if got := c.reply(200, "INVITE").get("Session-Expires"); got != "1800;refresher=uac" {
			t.Errorf("Session-Expires is %q", got)
		}
	}
	for until := time.Now().Add(patience); r.e.Stats().Dialogs.Kept != 2; time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("dialogs: %+v", r.e.Stats().Dialogs)
		}
	}
	r.expireSessions()
	for _, a := range r.uas[:2] {
		a.respond(a.request("BYE"), 200, "OK")
		r.alice.respond(r.alice.request("BYE"), 200, "OK")
	}
	r.settle(0)
}

// Calls with media have sessions as well: what waited for an rtpengine is kept like the rest, and the end
// of a session ends its media.
func TestSessionWithMedia(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	r := newRig(t, 1, func(a *runtime.Appliance) {
		timed(true)(a)
		withMedia("next", d.Control)(a)
	})
	c := r.alice.newCall(r.out)
	c.inviteWith("Supported: timer\r\n", "application/sdp", describing(4000, 1))
	uas, inv := r.anyUAS("INVITE")
	relayed(t, "INVITE", inv, 4000)
	if got := inv.get("Session-Expires"); got != "1800" {
		t.Errorf("Session-Expires is %q", got)
	}
	uas.describe(inv, 200, "OK", "", describing(bobPort, 1))
	ok := c.final()
	relayed(t, "200", ok, bobPort)
	if got := ok.get("Session-Expires"); got != "1800;refresher=uac" {
		t.Errorf("Session-Expires of the 200 is %q", got)
	}
	c.established(ok)
	c.inDialog("ACK", "", "")
	r.find("ACK", c.callID)
	c.inDialog("INVITE", "Supported: timer\r\nSession-Expires: 10\r\n"+typed, describing(4000, 2))
	c.reply(422, "INVITE")
	c.hop("ACK")
	c.inDialog("INVITE", "Supported: timer\r\nSession-Expires: 700\r\n"+typed, describing(4000, 3))
	_, re := r.find("INVITE", c.callID)
	uas.describe(re, 200, "OK", "", describing(bobPort, 2))
	if got := c.reply(200, "INVITE").get("Session-Expires"); got != "700;refresher=uac" {
		t.Errorf("Session-Expires of the 200 is %q", got)
	}
	c.inDialog("ACK", "", "")
	r.find("ACK", c.callID)
	r.lasts(700 * time.Second)
	r.expireSessions()
	toCaller, toCallee := c.byes("Session expired", 4, 1)
	ends(r, c, uas, toCaller, toCallee, 200)
	r.settle(0)
	r.gone(d)
}
