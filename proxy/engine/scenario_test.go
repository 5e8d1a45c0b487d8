package engine

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// answerCall takes a call through INVITE, 180, 200 and ACK.
func (r *rig) answerCall() (*caller, *agent, *sipMsg) {
	r.t.Helper()
	c := r.alice.newCall(r.out)
	c.invite("")
	c.reply(100, "INVITE")
	uas, inv := r.anyUAS("INVITE")
	uas.respond(inv, 180, "Ringing")
	c.reply(180, "INVITE")
	uas.respond(inv, 200, "OK")
	c.established(c.reply(200, "INVITE"))
	c.inDialog("ACK", "", "")
	uas.request("ACK")
	return c, uas, inv
}

func TestBasicCall(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	c, uas, inv := r.answerCall()

	via := inv.all("Via")
	if len(via) != 2 || !strings.HasPrefix(via[0], "SIP/2.0/UDP "+r.in.String()+";branch=z9hG4bKtl") {
		t.Errorf("the destination saw Via %q", via)
	}
	if want := fmt.Sprintf("rport=%d", r.alice.addr.Port()); !strings.Contains(via[1], want) || !strings.Contains(via[1], "received="+r.alice.addr.Addr().String()) {
		t.Errorf("the caller's Via %q lacks %s or received", via[1], want)
	}
	rr := inv.all("Record-Route")
	want := []string{"<sip:" + r.in.String() + ";lr>", "<sip:" + r.out.String() + ";lr>"}
	if fmt.Sprint(rr) != fmt.Sprint(want) {
		t.Errorf("Record-Route %q, want %q", rr, want)
	}
	if inv.get("Max-Forwards") != "69" {
		t.Errorf("Max-Forwards %s, want 69", inv.get("Max-Forwards"))
	}
	if inv.body != sdp || inv.get("From") != `"Alice, A." <sip:alice@example.net>;tag=`+c.tag {
		t.Error("the request was changed where it must not be")
	}
	if inv.from != r.in {
		t.Errorf("the INVITE came from %s, want %s", inv.from, r.in)
	}

	c.inDialog("BYE", "", "")
	bye := uas.request("BYE")
	if len(bye.all("Route")) != 0 {
		t.Errorf("own Route values were left in the BYE: %q", bye.all("Route"))
	}
	uas.respond(bye, 200, "OK")
	ok := c.reply(200, "BYE")
	if n := len(ok.all("Via")); n != 1 {
		t.Errorf("the caller's 200 has %d Via, want its own", n)
	}
	r.settle(0)
	if n := r.e.Stats().Calls.Ended["bye"]; n != 1 {
		t.Errorf("%d calls ended by BYE, want 1", n)
	}
}

func TestByeFromTheCallee(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c, uas, inv := r.answerCall()
	b := &caller{agent: uas, proxy: r.in, callID: c.callID, tag: uas.toTag(), toTag: c.tag, cseq: 7,
		uri: "sip:alice@" + r.alice.addr.String(), routes: inv.all("Record-Route")}
	b.inDialog("BYE", "", "")
	bye := r.alice.request("BYE")
	if bye.from != r.out {
		t.Errorf("the BYE came from %s, want %s", bye.from, r.out)
	}
	r.alice.respond(bye, 200, "OK")
	b.reply(200, "BYE")
	r.settle(0)
}

func TestReInvite(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c, uas, _ := r.answerCall()
	c.inDialog("INVITE", "", sdp)
	re := uas.request("INVITE")
	if len(re.all("Record-Route")) != 0 {
		t.Error("a request within the dialog was record-routed again")
	}
	c.reply(100, "INVITE")
	uas.respond(re, 200, "OK")
	c.reply(200, "INVITE")
	c.inDialog("ACK", "", "")
	uas.request("ACK")
	r.settle(1)
	c.inDialog("INVITE", "", sdp)
	re = uas.request("INVITE")
	uas.respond(re, 488, "Not Acceptable Here")
	uas.request("ACK")
	c.reply(488, "INVITE")
	c.hop("ACK")
	r.settle(1) // a failed re-INVITE leaves the call
	c.inDialog("BYE", "", "")
	uas.respond(uas.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
}

// A caller that routes strictly (RFC 2543) sends our Record-Route value as the
// Request-URI and the remote target as the last Route (16.4).
func TestStrictRouter(t *testing.T) {
	t.Parallel()
	for name, join := range map[string]string{"lines": "", "one line": ", "} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			c, uas, _ := r.answerCall()
			target := c.uri
			c.uri = strings.Trim(c.routes[0], "<>")
			c.routes = append(c.routes[1:], "<"+target+">")
			if join != "" {
				c.routes = []string{strings.Join(c.routes, join)}
			}
			for _, method := range []string{"ACK", "INFO", "BYE"} {
				c.inDialog(method, "", "")
				m := uas.request(method)
				if m.start != method+" "+target+" SIP/2.0" || len(m.all("Route")) != 0 || m.from != r.in {
					t.Errorf("%s with Route %q from %s", m.start, m.all("Route"), m.from)
				}
				if method != "ACK" {
					uas.respond(m, 200, "OK")
					c.reply(200, method)
				}
			}
			r.settle(0)
			r.count("strict_routes_repaired", 3)
		})
	}
}

// However long the Route is, the Request-URI is found at its end.
func TestStrictRouterWithALongRoute(t *testing.T) {
	t.Parallel()
	for name, join := range map[string]string{"lines": "", "one line": " , "} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			c, uas, _ := r.answerCall()
			target := c.uri
			c.uri = strings.Trim(c.routes[0], "<>")
			next := "<sip:" + uas.addr.String() + ";lr>"
			kept := []string{next, "<sip:192.0.2.1;lr>", "\"a, b\" <sip:192.0.2.2;lr>;x=1", "<sip:192.0.2.3;lr>", "<sip:192.0.2.4;lr>"}
			c.routes = append(append(c.routes[1:], kept...), "<"+target+">")
			if join != "" {
				c.routes = []string{strings.Join(c.routes, join)}
				kept = []string{strings.Join(kept, join)}
			}
			for _, method := range []string{"ACK", "INFO"} {
				c.inDialog(method, "", "")
				m := uas.request(method)
				if m.start != method+" "+target+" SIP/2.0" || !slices.Equal(m.all("Route"), kept) {
					t.Errorf("%s with Route %q, want %q", m.start, m.all("Route"), kept)
				}
				if method != "ACK" {
					uas.respond(m, 200, "OK")
					c.reply(200, method)
				}
			}
			r.settle(1)
			r.count("strict_routes_repaired", 2)
		})
	}
}

// A next hop whose Route URI has no lr routes strictly: it gets its URI as the Request-URI
// and the Request-URI at the end of Route (16.6 step 6), in every request within the dialog,
// and so it does in the ACK and the CANCEL that belong to it.
func TestStrictNextHop(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ beyond, want []string }{
		"last hop":    {nil, nil},
		"one beyond":  {[]string{"<sip:192.0.2.1;lr>"}, []string{"<sip:192.0.2.1;lr>"}},
		"many beyond": {[]string{"<sip:192.0.2.1>", "<sip:192.0.2.2;lr>", "<sip:192.0.2.3>"}, []string{"<sip:192.0.2.1>", "<sip:192.0.2.2;lr>", "<sip:192.0.2.3>"}},
		"on a line":   {[]string{"<sip:192.0.2.1>, <sip:192.0.2.2;lr>"}, []string{"<sip:192.0.2.1>, <sip:192.0.2.2;lr>"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1, nil)
			c, uas, _ := r.answerCall()
			strict := "sip:" + uas.addr.String() + ";x=1"
			c.routes = append(append(c.routes, "\"strict\" <"+strict+">"), tt.beyond...)
			c.uri = "sip:bob@192.0.2.9;y=2"
			want := append(slices.Clone(tt.want), "<"+c.uri+">")
			check := func(method string) *sipMsg {
				t.Helper()
				m := uas.request(method)
				if m.start != method+" "+strict+" SIP/2.0" || !slices.Equal(m.all("Route"), want) || m.from != r.in {
					t.Errorf("%s with Route %q, want %q", m.start, m.all("Route"), want)
				}
				return m
			}
			c.inDialog("ACK", "", "")
			check("ACK")
			c.inDialog("INFO", "", "hello")
			uas.respond(check("INFO"), 200, "OK")
			c.reply(200, "INFO")
			c.inDialog("INVITE", "", "")
			inv := check("INVITE")
			uas.respond(inv, 488, "Not Acceptable Here")
			c.reply(488, "INVITE")
			check("ACK")
			c.hop("ACK")
			c.inDialog("BYE", "", "")
			uas.respond(check("BYE"), 200, "OK")
			c.reply(200, "BYE")
			r.settle(0)
		})
	}
}

// What stands in Route need not fit a request line.
func TestStrictRouterSendsNonsense(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c, uas, _ := r.answerCall()
	c.uri = strings.Trim(c.routes[0], "<>")
	c.routes = []string{"<sip:a\tb@" + uas.addr.String() + ">", "<sip:a b@" + uas.addr.String() + ">"}
	c.inDialog("INFO", "", "")
	r.alice.expect("400 or 416", func(m *sipMsg) bool { return m.code() == 400 || m.code() == 416 })
	r.settle(1)
}

func TestRetransmissionsAreAbsorbed(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	c := r.alice.newCall(r.out)
	raw := c.invite("")
	c.reply(100, "INVITE")
	inv := r.uas[0].request("INVITE")
	r.uas[0].respond(inv, 180, "Ringing")
	c.reply(180, "INVITE")
	for range 3 {
		c.send(r.out, raw)
		c.reply(180, "INVITE")
	}
	r.uas[0].quiet(100*time.Millisecond, "a second INVITE", func(m *sipMsg) bool { return m.method() == "INVITE" })
	r.uas[0].respond(inv, 486, "Busy Here")
	r.uas[0].request("ACK")
	c.reply(486, "INVITE")
	c.send(r.out, raw)
	c.reply(486, "INVITE")
	c.hop("ACK")
	c.hop("ACK")
	r.uas[0].quiet(100*time.Millisecond, "the ACK of a hop", func(m *sipMsg) bool { return m.method() == "ACK" })
	r.settle(0)
}

func TestInviteIsRetransmitted(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Transaction.ReplyTimeout = duration(3 * time.Second) })
	c := r.alice.newCall(r.out)
	c.invite("")
	first := r.uas[0].request("INVITE")
	second := r.uas[0].again(first)
	if first.raw != second.raw {
		t.Errorf("a retransmission differs:\n%s\n%s", first.raw, second.raw)
	}
	r.uas[0].respond(second, 486, "Busy Here")
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.uas[0].forget()
	r.settle(0)
}

func TestLostAck(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) { a.Transaction.Wait = duration(4 * time.Second) })
	c := r.alice.newCall(r.out)
	c.invite("")
	inv := r.uas[0].request("INVITE")
	r.uas[0].respond(inv, 404, "Not Found")
	r.uas[0].request("ACK")
	a, b := c.reply(404, "INVITE"), c.reply(404, "INVITE")
	if a.raw != b.raw {
		t.Error("timer G sent something else")
	}
	c.hop("ACK")
	r.settle(0)
	// The ACK of a 2xx is lost: the callee repeats its 200, the caller its ACK.
	c2 := r.alice.newCall(r.out)
	c2.invite("")
	inv = r.uas[0].request("INVITE")
	ok := r.uas[0].respond(inv, 200, "OK")
	c2.established(c2.reply(200, "INVITE"))
	for range 3 {
		r.uas[0].send(inv.from, ok)
		c2.reply(200, "INVITE")
	}
	c2.inDialog("ACK", "", "")
	r.uas[0].request("ACK")
	r.settle(1)
	// Even after the transaction is forgotten, the 200 finds its way.
	r.uas[0].send(inv.from, ok)
	c2.reply(200, "INVITE")
	r.count("stateless_replies", 1)
}

func TestOutOfDialogRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, nil)
	for _, method := range []string{"REGISTER", "MESSAGE", "SUBSCRIBE", "OPTIONS"} {
		c := r.alice.newCall(r.out)
		c.send(r.out, c.build(method, c.newBranch(), 1, "", ""))
		uas, m := r.anyUAS(method)
		if got, want := len(m.all("Record-Route")) > 0, method == "SUBSCRIBE"; got != want {
			t.Errorf("%s record-routed: %v, want %v", method, got, want)
		}
		uas.respond(m, 202, "Accepted")
		c.reply(202, method)
	}
	c := r.alice.newCall(r.out)
	c.send(r.out, c.build("MESSAGE", c.newBranch(), 1, "", ""))
	first, m := r.anyUAS("MESSAGE")
	first.respond(m, 500, "No")
	second, m := r.anyUAS("MESSAGE")
	second.respond(m, 200, "OK")
	c.reply(200, "MESSAGE")
	r.settle(0)
}

// Probes leave from the listener that calls leave from, and their replies are told
// from those of calls; a destination that stays silent gets no more calls.
func TestProbing(t *testing.T) {
	t.Parallel()
	r := newRig(t, 2, func(a *runtime.Appliance) {
		a.Dispatchers[0].Probe = &runtime.Probe{Interval: duration(50 * time.Millisecond), Timeout: duration(2 * time.Second),
			FailThreshold: 2, RecoverThreshold: 1, From: "sip:probe@example.net", Accept: []runtime.CodeSpan{{First: 200, Last: 299}}}
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.e.Probe(ctx)
	}()
	defer func() {
		cancel()
		<-done
	}()
	dead := func() bool { return r.e.Stats().Destinations[1].State == "inactive" }
	for until := time.Now().Add(2 * patience); !dead(); {
		if time.Now().After(until) {
			t.Fatalf("the silent destination is still %s", r.e.Stats().Destinations[1].State)
		}
		if m := r.uas[0].next(10 * time.Millisecond); m != nil && m.method() == "OPTIONS" {
			if m.from != r.in {
				t.Fatalf("a probe came from %s, want %s", m.from, r.in)
			}
			r.uas[0].respond(m, 200, "OK")
		}
	}
	if st := r.e.Stats(); st.Destinations[0].State != "active" || st.Counters["probe_replies"] == 0 {
		t.Errorf("the destination that replies is %s, %d replies", st.Destinations[0].State, st.Counters["probe_replies"])
	}
	r.uas[0].forget()
	for range 3 {
		c := r.alice.newCall(r.out)
		c.invite("")
		r.uas[0].respond(r.uas[0].request("INVITE"), 486, "Busy Here")
		c.reply(486, "INVITE")
		c.hop("ACK")
	}
}

// IPv6 at one side, IPv4 at the other.
func TestIPv6(t *testing.T) {
	t.Parallel()
	var bob *agent
	r := newRig(t, 1, func(a *runtime.Appliance) {
		bob = newAgent(t, "::1")
		a.Listeners[1].Address = freePort(t, "::1")
		a.Listeners[1].Sources = []netip.Prefix{netip.MustParsePrefix("::1/128")}
		a.Dispatchers = a.Dispatchers[:1]
		a.Dispatchers[0].Destinations[0].Address = bob.addr
		a.Routes = a.Routes[:1]
		a.Routes[0].To = []string{"core"}
	})
	r.uas = []*agent{bob}
	c, uas, inv := r.answerCall()
	if want := "<sip:" + r.cfg.Listeners[1].Address.String() + ";lr>"; inv.get("Record-Route") != want {
		t.Errorf("Record-Route %s, want %s", inv.get("Record-Route"), want)
	}
	c.inDialog("BYE", "", "")
	uas.respond(uas.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
}
