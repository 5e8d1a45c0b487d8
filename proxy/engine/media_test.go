package engine

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/media/mediatest"
)

// withMedia has calls go through daemons.
func withMedia(onFail string, at ...netip.AddrPort) func(*runtime.Appliance) {
	return func(a *runtime.Appliance) {
		a.Media = &runtime.Media{Timeout: duration(400 * time.Millisecond), OnFail: onFail}
		for i, x := range at {
			a.Media.Instances = append(a.Media.Instances, runtime.MediaInstance{Name: fmt.Sprintf("m%d", i+1), Control: []netip.AddrPort{x}, Weight: 1})
		}
	}
}

func controls(d ...*mediatest.Daemon) (out []netip.AddrPort) {
	for _, x := range d {
		out = append(out, x.Control)
	}
	return out
}

// audio is the port of the first stream of a message's description, 0: it is refused, -1: there is no
// description.
func (m *sipMsg) audio() int {
	_, after, ok := strings.Cut(m.body, "\nm=audio ")
	if !ok {
		return -1
	}
	port := -1
	fmt.Sscan(after, &port)
	return port
}

const bobPort = 4200

func describing(port, version int) string {
	return fmt.Sprintf("v=0\r\no=- 9 %d IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\n", version, port)
}

// describe answers a request with a description.
func (a *agent) describe(req *sipMsg, code int, reason, extra, body string) {
	a.t.Helper()
	raw := a.answer(req, code, reason, extra+"Content-Type: application/sdp\r\n")
	a.send(req.from, strings.Replace(raw, "Content-Length: 0\r\n\r\n", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body), 1))
}

// inviteWith sends a new INVITE with a body of a type, "": none.
func (c *caller) inviteWith(extra, kind, body string) {
	c.branch = c.newBranch()
	if kind != "" {
		extra += "Content-Type: " + kind + "\r\n"
	}
	c.send(c.proxy, c.build("INVITE", c.branch, c.cseq, extra, body))
}

func (c *caller) offer() { c.inviteWith("", "application/sdp", describing(4000, 1)) }

const typed = "Content-Type: application/sdp\r\n"

// relayed fails unless a message has a description with ports of the daemon.
func relayed(t testing.TB, what string, m *sipMsg, not ...int) int {
	t.Helper()
	port := m.audio()
	for _, n := range append(not, 0, -1) {
		if port == n {
			t.Fatalf("%s wants its audio at port %d:\n%s", what, port, m.raw)
		}
	}
	if n := len(m.body); m.get("Content-Length") != fmt.Sprint(n) {
		t.Errorf("%s: Content-Length %s, %d bytes", what, m.get("Content-Length"), n)
	}
	return port
}

// gone waits until the daemons hold no session and the engine owes them no delete.
func (r *rig) gone(d ...*mediatest.Daemon) {
	r.t.Helper()
	for until := time.Now().Add(2 * patience); ; time.Sleep(5 * time.Millisecond) {
		st := r.e.Stats().Media
		left := st.Deletes + st.Waiting
		for i := range st.Instances {
			left += int(st.Instances[i].Sessions)
		}
		for _, x := range d {
			left += len(x.Sessions())
		}
		if left == 0 {
			return
		}
		if time.Now().After(until) {
			r.t.Fatalf("media is left: %+v", st)
		}
	}
}

// A call with early media, an offer of either side later, a multipart body, and its end.
func TestMediaCall(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	r := newRig(t, 1, withMedia("next", d.Control))
	c := r.alice.newCall(r.out)
	body := "--b1\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n--b1\r\nContent-Type: application/sdp\r\n\r\n" + describing(4000, 1) + "\r\n--b1--\r\n"
	c.inviteWith("", "multipart/mixed;boundary=b1", body)
	uas, inv := r.anyUAS("INVITE")
	toAlice := relayed(t, "INVITE", inv, 4000)
	if !strings.Contains(inv.body, "application/isup\r\n\r\n\x01\x02\r\n--b1") {
		t.Errorf("another part changed: %q", inv.body)
	}
	uas.describe(inv, 183, "Session Progress", "", describing(bobPort, 1))
	uas.respond(inv, 180, "Ringing") // it must not overtake
	early := c.expect("183 or 180", func(m *sipMsg) bool { return m.code() > 100 })
	if early.code() != 183 {
		t.Errorf("%d came before 183", early.code())
	}
	toBob := relayed(t, "183", early, bobPort)
	c.reply(180, "INVITE")
	uas.describe(inv, 200, "OK", "", describing(bobPort, 1))
	ok := c.final()
	if got := relayed(t, "200", ok, bobPort); got != toBob {
		t.Errorf("the 200 has port %d, the 183 had %d", got, toBob)
	}
	c.established(ok)
	c.inDialog("ACK", "", "")
	r.find("ACK", c.callID)
	uas.describe(inv, 200, "OK", "", describing(bobPort, 1)) // repeated, as if the ACK were lost
	relayed(t, "repeated 200", c.final(), bobPort)

	c.inDialog("INVITE", typed, describing(4000, 2))
	_, re := r.find("INVITE", c.callID)
	if got := relayed(t, "re-INVITE", re, 4000); got != toAlice {
		t.Errorf("the re-INVITE has port %d, the INVITE had %d", got, toAlice)
	}
	uas.describe(re, 200, "OK", "", describing(bobPort, 2))
	relayed(t, "its 200", c.reply(200, "INVITE"), bobPort)
	c.inDialog("ACK", "", "")

	c.inDialog("UPDATE", typed, describing(4000, 3))
	_, up := r.find("UPDATE", c.callID)
	relayed(t, "UPDATE", up, 4000)
	uas.describe(up, 200, "OK", "", describing(bobPort, 3))
	relayed(t, "200 to UPDATE", c.reply(200, "UPDATE"), bobPort)

	c.inDialog("BYE", "", "")
	_, bye := r.find("BYE", c.callID)
	uas.respond(bye, 200, "OK")
	r.settle(0)
	r.gone(d)
}

// The callee offers in its 2xx, the ACK answers; a re-INVITE without an offer does the same, and
// a reliable provisional reply with an offer is answered by PRACK.
func TestMediaDelayedOffer(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	r := newRig(t, 1, withMedia("next", d.Control))
	c := r.alice.newCall(r.out)
	c.inviteWith("Supported: 100rel\r\n", "", "")
	uas, inv := r.anyUAS("INVITE")
	uas.describe(inv, 200, "OK", "", describing(bobPort, 1))
	ok := c.final()
	relayed(t, "200", ok, bobPort)
	c.established(ok)
	c.inDialog("ACK", typed, describing(4000, 1))
	_, ack := r.find("ACK", c.callID)
	relayed(t, "ACK", ack, 4000)
	if n := r.e.Stats().Media.Instances[0].Commands["answer"]["ok"]; n != 1 {
		t.Errorf("%d answers", n)
	}
	c.inDialog("INVITE", "", "")
	_, re := r.find("INVITE", c.callID)
	uas.describe(re, 200, "OK", "", describing(bobPort, 2))
	relayed(t, "200", c.reply(200, "INVITE"), bobPort)
	c.inDialog("ACK", typed, describing(4000, 2))
	_, ack = r.find("ACK", c.callID)
	relayed(t, "ACK", ack, 4000)
	c.inDialog("BYE", "", "")
	_, bye := r.find("BYE", c.callID)
	uas.respond(bye, 200, "OK")

	c = r.alice.newCall(r.out)
	c.inviteWith("Supported: 100rel\r\n", "", "")
	uas, inv = r.anyUAS("INVITE")
	uas.describe(inv, 183, "Session Progress", "Require: 100rel\r\nRSeq: 1\r\n", describing(bobPort, 1))
	early := c.reply(183, "INVITE")
	relayed(t, "183", early, bobPort)
	c.established(early)
	c.inDialog("PRACK", "RAck: 1 1 INVITE\r\n"+typed, describing(4000, 1))
	_, prack := r.find("PRACK", c.callID)
	relayed(t, "PRACK", prack, 4000)
	uas.respond(prack, 200, "OK")
	c.reply(200, "PRACK")
	uas.respond(inv, 200, "OK")
	c.final()
	c.cseq = 1
	c.inDialog("ACK", "", "")
	c.cseq = 5
	c.inDialog("BYE", "", "")
	_, bye = r.find("BYE", c.callID)
	uas.respond(bye, 200, "OK")
	r.settle(0)
	r.gone(d)
}

// A request whose media nobody takes is refused, never forwarded.
func TestMediaRefused(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}) // takes and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	tests := []struct {
		name, kind, extra, body string
		at                      netip.AddrPort
		want                    int
	}{
		{"no description", "application/sdp", "", "nonsense", d.Control, 488},
		{"compressed", "application/sdp", "Content-Encoding: gzip\r\n", describing(4000, 1), d.Control, 415},
		{"no instance answers", "application/sdp", "", describing(4000, 1), silent.LocalAddr().(*net.UDPAddr).AddrPort(), 503},
		{"nobody listens", "application/sdp", "", describing(4000, 1), freePort(t, "127.0.0.1"), 503},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, 1, withMedia("next", tt.at))
			c := r.alice.newCall(r.out)
			c.inviteWith(tt.extra, tt.kind, tt.body)
			if m := c.final(); m.code() != tt.want {
				t.Errorf("%d, want %d", m.code(), tt.want)
			}
			c.hop("ACK")
			r.settle(0)
			r.count("refused_media", 1)
			if n := r.e.Stats().Calls.Ended["media"]; n != 1 {
				t.Errorf("%d calls ended for want of media", n)
			}
		})
	}
	if n := len(d.Sessions()); n != 0 {
		t.Errorf("%d sessions", n)
	}
}

// A CANCEL while the INVITE waits ends it at once, and nobody is called.
func TestMediaCancelWaiting(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, algorithm := range []string{"round-robin", "parallel"} {
		r := newRig(t, 1, func(a *runtime.Appliance) {
			withMedia("next", silent.LocalAddr().(*net.UDPAddr).AddrPort())(a)
			a.Media.Timeout = duration(800 * time.Millisecond)
			a.Dispatchers[0].Algorithm = algorithm
		})
		c := r.alice.newCall(r.out)
		c.offer()
		r.atLeast("media_waits", 1)
		c.send(c.proxy, c.build("INVITE", c.branch, c.cseq, typed, describing(4000, 1))) // absorbed
		c.reply(100, "INVITE")
		c.hop("CANCEL")
		c.reply(200, "CANCEL")
		if m := c.final(); m.code() != 487 {
			t.Errorf("%d", m.code())
		}
		c.hop("ACK")
		r.count("media_too_late", 1)
		for _, a := range r.uas {
			a.quiet(50*time.Millisecond, "an INVITE", func(m *sipMsg) bool { return m.method() == "INVITE" })
		}
	}
}

// An INVITE that waits longer than it may is refused, forked or not, and never sent as it came.
func TestMediaTooLate(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, algorithm := range []string{"round-robin", "parallel"} {
		r := newRig(t, 1, func(a *runtime.Appliance) {
			withMedia("next", silent.LocalAddr().(*net.UDPAddr).AddrPort())(a)
			a.Media.Timeout = duration(time.Second)
			a.Transaction.InviteTimeout = duration(200 * time.Millisecond)
			a.Dispatchers[0].Algorithm = algorithm
		})
		c := r.alice.newCall(r.out)
		c.offer()
		if m := c.final(); m.code() != 408 {
			t.Errorf("%d", m.code())
		}
		c.hop("ACK")
		r.count("media_too_late", 1)
		for _, a := range r.uas {
			a.quiet(50*time.Millisecond, "an INVITE", func(m *sipMsg) bool { return m.method() == "INVITE" })
		}
	}
}

// A call from IPv4 to IPv6: each side gets media addresses of its own family.
func TestMediaFamilies(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	bob := newAgent(t, "::1")
	r := newRig(t, 1, func(a *runtime.Appliance) {
		withMedia("next", d.Control)(a)
		a.Listeners[1].Address, a.Listeners[1].Sources = freePort(t, "::1"), []netip.Prefix{netip.MustParsePrefix("::1/128")}
		for i := range 2 {
			x := &a.Dispatchers[i].Destinations[0]
			x.URI, x.Address = "sip:"+bob.addr.String(), bob.addr
		}
	})
	c := r.alice.newCall(r.out)
	c.offer()
	inv := bob.request("INVITE")
	if !strings.Contains(inv.body, "c=IN IP6 ::1\r\n") {
		t.Errorf("INVITE: %s", inv.body)
	}
	bob.describe(inv, 200, "OK", "", "v=0\r\no=- 9 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\nm=audio 4200 RTP/AVP 8\r\n")
	ok := c.final()
	if !strings.Contains(ok.body, "c=IN IP4 127.0.0.1\r\n") {
		t.Errorf("200: %s", ok.body)
	}
	c.established(ok)
	c.inDialog("ACK", "", "")
	bob.request("ACK")
	c.inDialog("INVITE", typed, describing(4000, 2))
	re := bob.request("INVITE")
	if !strings.Contains(re.body, "c=IN IP6 ::1\r\n") {
		t.Errorf("re-INVITE: %s", re.body)
	}
	bob.respond(re, 488, "Not Acceptable Here")
	c.reply(488, "INVITE")
	c.hop("ACK")
	c.inDialog("BYE", "", "")
	bob.respond(bob.request("BYE"), 200, "OK")
	r.settle(0)
	r.gone(d)
}

// An instance that ends between offer and answer: early media is dropped, the answer goes with its streams
// refused, and a re-INVITE takes the call to the next instance once there is one.
func TestMediaInstanceEnds(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	r := newRig(t, 1, withMedia("next", d.Control))
	c := r.alice.newCall(r.out)
	c.offer()
	uas, inv := r.anyUAS("INVITE")
	d.Kill()
	uas.describe(inv, 183, "Session Progress", "", describing(bobPort, 1))
	r.atLeast("dropped_media", 1)
	uas.describe(inv, 200, "OK", "", describing(bobPort, 1))
	ok := c.final()
	if ok.audio() != 0 {
		t.Errorf("200 wants its audio at port %d", ok.audio())
	}
	r.atLeast("media_streams_refused", 1)
	c.established(ok)
	c.inDialog("ACK", "", "")
	r.find("ACK", c.callID)
	d.Begin()
	for until := time.Now().Add(patience); !r.e.Stats().Media.Instances[0].Up; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the instance is not found up again")
		}
	}
	c.inDialog("INVITE", typed, describing(4000, 2))
	_, re := r.find("INVITE", c.callID)
	relayed(t, "re-INVITE", re, 4000)
	uas.describe(re, 200, "OK", "", describing(bobPort, 2))
	relayed(t, "its 200", c.reply(200, "INVITE"), bobPort)
	c.inDialog("ACK", "", "")
	c.inDialog("BYE", "", "")
	_, bye := r.find("BYE", c.callID)
	uas.respond(bye, 200, "OK")
	r.settle(0)
	r.gone(d)
}

// Forks share the offer; once one is answered, what others say changes nothing.
func TestMediaForks(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	r := newRig(t, 2, func(a *runtime.Appliance) {
		withMedia("next", d.Control)(a)
		a.Dispatchers[0].Algorithm = "parallel"
	})
	c := r.alice.newCall(r.out)
	c.offer()
	first, second := r.uas[0].request("INVITE"), r.uas[1].request("INVITE")
	if relayed(t, "first", first, 4000) != relayed(t, "second", second, 4000) {
		t.Error("two offers")
	}
	r.uas[0].describe(first, 183, "Session Progress", "", describing(4200, 1))
	relayed(t, "183", c.reply(183, "INVITE"), 4200)
	r.uas[1].describe(second, 183, "Session Progress", "", describing(4300, 1))
	relayed(t, "183", c.reply(183, "INVITE"), 4300)
	r.uas[1].describe(second, 200, "OK", "", describing(4300, 1))
	ok := c.final()
	relayed(t, "200", ok, 4300)
	c.established(ok)
	r.uas[0].describe(first, 200, "OK", "", describing(4200, 1)) // too late for its CANCEL
	other := c.final()
	if other.audio() != 0 {
		t.Errorf("the second answer was taken: %s", other.raw)
	}
	c.inDialog("ACK", "", "")
	c.inDialog("BYE", "", "")
	_, bye := r.find("BYE", c.callID)
	r.uas[1].respond(bye, 200, "OK")
	c.established(other)
	c.inDialog("BYE", "", "")
	_, bye = r.find("BYE", c.callID)
	r.uas[0].respond(bye, 200, "OK")
	r.settle(0)
	r.gone(d)
}

// A process that takes over goes on with the sessions, and deletes those of calls that are no
// more.
func TestMediaSucceed(t *testing.T) {
	t.Parallel()
	d := mediatest.Start(t)
	r := lastingRig(t, 1, withMedia("next", d.Control))
	c := r.alice.newCall(r.out)
	c.offer()
	uas, inv := r.find("INVITE", c.callID)
	uas.describe(inv, 200, "OK", "", describing(bobPort, 1))
	c.established(c.final())
	c.inDialog("ACK", "", "")
	r.find("ACK", c.callID)
	r.succeed()
	if st := r.e.Stats().Media; st.Instances[0].Sessions != 1 {
		t.Errorf("%+v", st)
	}
	c.inDialog("INVITE", typed, describing(4000, 2))
	_, re := r.find("INVITE", c.callID)
	relayed(t, "re-INVITE", re, 4000)
	uas.describe(re, 200, "OK", "", describing(bobPort, 2))
	relayed(t, "200", c.reply(200, "INVITE"), bobPort)
	if n := len(d.Sessions()); n != 1 {
		t.Errorf("%d sessions", n)
	}
	c.inDialog("ACK", "", "")
	c.inDialog("BYE", "", "")
	_, bye := r.find("BYE", c.callID)
	uas.respond(bye, 200, "OK")
	r.settle(0)
	r.gone(d)
}

// Calls that end in every way, in random order, some with an instance that dies and comes back:
// no session is left anywhere.
func TestMediaEveryEnd(t *testing.T) {
	t.Parallel()
	d1, d2 := mediatest.Start(t), mediatest.Start(t)
	r := newRig(t, 2, func(a *runtime.Appliance) {
		withMedia("next", controls(d1, d2)...)(a)
		a.Transaction.T1, a.Transaction.T2 = duration(25*time.Millisecond), duration(100*time.Millisecond)
		a.Transaction.ReplyTimeout, a.Transaction.InviteTimeout = duration(600*time.Millisecond), duration(2*time.Second)
		a.Transaction.Wait, a.Transaction.CallLifetime = duration(100*time.Millisecond), duration(8*time.Second)
	})
	rng := rand.New(rand.NewPCG(5, 6))
	answered := func(c *caller, uas *agent, inv *sipMsg) *sipMsg {
		uas.describe(inv, 200, "OK", "", describing(bobPort, 1))
		ok := c.final()
		c.established(ok)
		c.inDialog("ACK", "", "")
		return ok
	}
	ends := []func(c *caller, uas *agent, inv *sipMsg){
		func(c *caller, uas *agent, inv *sipMsg) { // BYE by the caller
			answered(c, uas, inv)
			c.inDialog("BYE", "", "")
			_, bye := r.find("BYE", c.callID)
			uas.respond(bye, 200, "OK")
		},
		func(c *caller, uas *agent, inv *sipMsg) { // BYE that nobody answers
			answered(c, uas, inv)
			c.inDialog("BYE", "", "")
		},
		func(c *caller, uas *agent, inv *sipMsg) { // refused after early media
			uas.describe(inv, 183, "Session Progress", "", describing(bobPort, 1))
			c.reply(183, "INVITE")
			uas.respond(inv, 486, "Busy Here")
			c.final()
			c.hop("ACK")
		},
		func(c *caller, uas *agent, inv *sipMsg) { // failed over and refused
			uas.respond(inv, 500, "No")
		},
		func(c *caller, uas *agent, inv *sipMsg) { // cancelled
			uas.respond(inv, 180, "Ringing")
			c.hop("CANCEL")
			_, cancel := r.find("CANCEL", c.callID)
			uas.respond(cancel, 200, "OK")
			uas.respond(inv, 487, "Request Terminated")
		},
		func(c *caller, uas *agent, inv *sipMsg) { // rings for ever
			uas.describe(inv, 180, "Ringing", "", describing(bobPort, 1))
		},
		func(c *caller, uas *agent, inv *sipMsg) {},                        // silence
		func(c *caller, uas *agent, inv *sipMsg) { answered(c, uas, inv) }, // never ended
	}
	const n = 300
	for i := range n {
		switch i {
		case n / 3:
			d1.Kill()
		case 2 * n / 3:
			d1.Begin()
		}
		c := r.alice.newCall(r.out)
		c.offer()
		uas, inv := r.find("INVITE", c.callID)
		relayed(t, "INVITE", inv, 4000)
		ends[rng.IntN(len(ends))](c, uas, inv)
		r.alice.forget()
	}
	r.settle(0)
	r.gone(d1, d2)
	st := r.e.Stats()
	if st.Media.DeletesLost != 0 || st.Counters["refused_media"] != 0 {
		t.Errorf("%+v; %v", st.Media, nonZero(st.Counters))
	}
}
