package engine

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"trunkline/appliance/runtime"
)

// webAgent is a SIP client in a browser as a test drives it: no address, no port.
type webAgent struct {
	t    testing.TB
	conn net.Conn
}

const webHost = "df7jal23ls0d.invalid"

func (r *rig) webAgent() *webAgent {
	r.t.Helper()
	d := ws.Dialer{Protocols: []string{"sip"}, Timeout: 20 * time.Second, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP("127.0.11.5")}}).DialContext(ctx, network, addr)
	}}
	c, _, _, err := d.Dial(context.Background(), "ws://"+r.out.String()+"/")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return &webAgent{r.t, c}
}

func (a *webAgent) say(s string) {
	a.t.Helper()
	if err := wsutil.WriteClientText(a.conn, []byte(strings.ReplaceAll(s, "\n", "\r\n"))); err != nil {
		a.t.Fatal(err)
	}
}

func (a *webAgent) next() *sipMsg {
	a.t.Helper()
	b, err := wsutil.ReadServerText(a.conn)
	if err != nil {
		a.t.Fatalf("reading a message: %v", err)
	}
	return parseMsg(string(b))
}

func (a *webAgent) code(want int) *sipMsg {
	a.t.Helper()
	m := a.next()
	if m.code() != want {
		a.t.Fatalf("got %s, want %d", m.raw, want)
	}
	return m
}

func (a *webAgent) method(want string) *sipMsg {
	a.t.Helper()
	m := a.next()
	if m.method() != want {
		a.t.Fatalf("got %s, want a %s", m.raw, want)
	}
	return m
}

func (a *webAgent) answer(req *sipMsg, code int) {
	a.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d X\n", code)
	for _, h := range req.headers {
		if slices.Contains([]string{"Via", "From", "To", "Call-ID", "CSeq"}, h[0]) {
			fmt.Fprintf(&b, "%s: %s\n", h[0], h[1])
		}
	}
	a.say(b.String() + "Contact: <sip:alice@" + webHost + ";transport=ws>\nContent-Length: 0\n\n")
}

// request is a request of alice's dialog; without a To tag it begins it.
func (a *webAgent) request(method, callID, uri, toTag string, cseq int, extra string) {
	a.t.Helper()
	if toTag != "" {
		toTag = ";tag=" + toTag
	}
	a.say(fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/WS %s;branch=z9hG4bK%s%s%d\n%sFrom: <sip:alice@a>;tag=1\nTo: <sip:bob@b>%s\nCall-ID: %s\nCSeq: %d %s\nMax-Forwards: 70\nContact: <sip:alice@%s;transport=ws>\nContent-Length: 0\n\n",
		method, uri, webHost, callID, method, cseq, extra, toTag, callID, cseq, method, webHost))
}

// overWebSocket makes the outer listener one for browsers; the callees stay on UDP.
func overWebSocket(a *runtime.Appliance) {
	a.Listeners[0].Transport = "ws"
	a.Listeners[0].Connections = &runtime.Connections{Max: 10, PerSource: 10, Idle: duration(time.Minute), Handshake: duration(10 * time.Second)}
	a.Transaction.ReplyTimeout = duration(10 * time.Second)
	a.Transaction.InviteTimeout = duration(20 * time.Second)
}

// webCall is an answered call of a client over some connection with a UDP callee.
type webCall struct {
	callID string
	bob    *agent
	tag    string   // bob's
	routes []string // of bob's side, nearest first
	target string   // of bob's requests
	ok     *sipMsg  // the 200 as alice got it
}

func (r *rig) webCall(alice *webAgent, callID string) *webCall {
	r.t.Helper()
	alice.request("INVITE", callID, "sip:bob@example.net", "", 1, "")
	bob, inv := r.anyUAS("INVITE")
	c := &webCall{callID: callID, bob: bob, tag: bob.toTag(), routes: inv.all("Record-Route"), target: strings.Trim(inv.get("Contact"), "<>")}
	bob.respond(inv, 180, "Ringing")
	bob.respond(inv, 200, "OK")
	alice.code(100)
	alice.code(180)
	c.ok = alice.code(200)
	alice.request("ACK", callID, "sip:bob@"+bob.addr.String(), c.tag, 1, c.aliceRoutes())
	bob.request("ACK")
	return c
}

// aliceRoutes is the Route of the caller's side.
func (c *webCall) aliceRoutes() string {
	rr := slices.Clone(c.ok.all("Record-Route"))
	slices.Reverse(rr)
	return "Route: " + strings.Join(rr, "\nRoute: ") + "\n"
}

// byBob sends a request of the callee.
func (c *webCall) byBob(r *rig, method string, cseq int) {
	r.t.Helper()
	c.bob.send(r.in, strings.ReplaceAll(fmt.Sprintf("%s %s SIP/2.0\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%s%d\nRoute: %s\nFrom: <sip:bob@b>;tag=%s\nTo: <sip:alice@a>;tag=1\nCall-ID: %s\nCSeq: %d %s\nMax-Forwards: 70\nContact: <sip:bob@%s>\nContent-Length: 0\n\n",
		method, c.target, c.bob.addr, c.callID, method, cseq, strings.Join(c.routes, ", "), c.tag, c.callID, cseq, method, c.bob.addr), "\n", "\r\n"))
}

// A browser calls a UDP callee; what the callee sends within the dialog reaches it by the
// connection it called over, though its Contact is no address.
func TestCallOverWebSocket(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, overWebSocket)
	alice := r.webAgent()
	c := r.webCall(alice, "w1")
	if len(c.routes) != 2 || c.routes[0] != "<sip:"+r.in.String()+";lr>" {
		t.Fatalf("Record-Route: %q", c.routes)
	}
	token, rest, ok := strings.Cut(strings.TrimPrefix(c.routes[1], "<sip:"), "@")
	if !ok || !isFlowToken([]byte(token)) || rest != r.out.String()+";transport=ws;lr>" {
		t.Errorf("Record-Route of the browser's side: %q", c.routes[1])
	}
	if via := c.ok.all("Via"); len(via) != 1 || !strings.Contains(via[0], webHost) || !strings.Contains(via[0], ";received=127.0.11.5") {
		t.Errorf("Via of the reply: %q", via)
	}

	c.byBob(r, "INVITE", 1) // again, within the dialog
	inv := alice.method("INVITE")
	if via := inv.get("Via"); !strings.HasPrefix(via, "SIP/2.0/WS "+r.out.String()+";branch=") {
		t.Errorf("Via: %s", via)
	}
	if !strings.HasPrefix(inv.start, "INVITE sip:alice@"+webHost+";transport=ws ") || len(inv.all("Route")) != 0 {
		t.Errorf("got %s", inv.raw)
	}
	alice.answer(inv, 200)
	c.bob.reply(200, "INVITE")
	c.byBob(r, "ACK", 1)
	alice.method("ACK")
	c.byBob(r, "BYE", 2)
	alice.answer(alice.method("BYE"), 200)
	c.bob.reply(200, "BYE")
	r.settle(0)
	if n := r.e.Stats().Counters["send_errors"]; n != 0 {
		t.Errorf("%d send errors", n)
	}
}

// The caller ends its call, over the connection it came by and over a later one: its own
// token leads nowhere it needs to go.
func TestWebSocketClientHangsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, overWebSocket)
	for i, again := range []bool{false, true} {
		alice := r.webAgent()
		c := r.webCall(alice, fmt.Sprintf("w2%d", i))
		if again {
			alice.conn.Close()
			alice = r.webAgent()
		}
		alice.request("BYE", c.callID, "sip:bob@"+c.bob.addr.String(), c.tag, 2, c.aliceRoutes())
		c.bob.respond(c.bob.request("BYE"), 200, "OK")
		alice.code(200)
		r.settle(0)
	}
}

// A browser that left is told of with 430, whether it left before the request or with it,
// and its call is over.
func TestFlowFailed(t *testing.T) {
	t.Parallel()
	for _, during := range []bool{false, true} {
		t.Run(fmt.Sprintf("during=%v", during), func(t *testing.T) {
			r := newRig(t, 1, overWebSocket)
			alice := r.webAgent()
			c := r.webCall(alice, "w3")
			if during {
				c.byBob(r, "BYE", 1)
				alice.method("BYE")
			}
			alice.conn.Close()
			if !during {
				r.eventually("the connection to end", func() bool { return r.e.Stats().Listeners[0].Connections.Connections == 0 })
				c.byBob(r, "BYE", 1)
			}
			c.bob.reply(430, "BYE")
			r.settle(0)
			if ended := r.e.Stats().Calls.Ended; ended["bye_lost"] != 1 {
				t.Errorf("calls ended: %v", ended)
			}
		})
	}
}

// A token nobody wrote gets 403, and one that was written for a Via too.
func TestFlowTokenIsChecked(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, overWebSocket)
	alice := r.webAgent()
	c := r.webCall(alice, "w4")
	token, _, _ := strings.Cut(strings.TrimPrefix(c.routes[1], "<sip:"), "@")
	c.byBob(r, "OPTIONS", 1)
	_, of, _ := strings.Cut(alice.method("OPTIONS").get("Via"), ";branch=")
	if strings.Contains(of, "tlflow") {
		t.Errorf("a datagram has a flow in Via: %s", of)
	}
	good := c.routes[1]
	for i, wrong := range []string{flowMark + strings.Repeat("0", 32), flowMark, token[:len(token)-1] + string(token[len(token)-1]^1), token + "0"} {
		c.routes[1] = strings.Replace(good, token, wrong, 1)
		c.byBob(r, "OPTIONS", 10+i)
		c.bob.expect("403", func(m *sipMsg) bool { return m.code() == 403 })
	}
	r.count("refused_flow_token", 4)
	c.routes[1] = strings.Replace(good, token, "alice", 1) // a user part like any: the Request-URI decides
	c.byBob(r, "OPTIONS", 20)
	c.bob.expect("a refusal of the name or transport", func(m *sipMsg) bool { return m.code() == 502 || m.code() == 403 })
	r.count("refused_flow_token", 4)
}

// A reply that finds its transaction gone takes the way its request came: the Via has
// neither an address nor rport.
func TestLateReplyOverConnection(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"ws", "tcp"} {
		t.Run(transport, func(t *testing.T) {
			r := newRig(t, 1, func(a *runtime.Appliance) {
				overWebSocket(a)
				a.Listeners[0].Transport = transport
				a.Transaction.Wait = duration(50 * time.Millisecond)
			})
			var next func() *sipMsg
			invite := fmt.Sprintf("INVITE sip:bob@example.net SIP/2.0\nVia: SIP/2.0/%s %s;branch=z9hG4bKlate\nFrom: <sip:alice@a>;tag=1\nTo: <sip:bob@b>\nCall-ID: late\nCSeq: 1 INVITE\nMax-Forwards: 70\nContact: <sip:alice@%s>\nContent-Length: 0\n\n",
				strings.ToUpper(transport), webHost, webHost)
			if transport == "ws" {
				alice := r.webAgent()
				alice.say(invite)
				next = alice.next
			} else {
				alice := r.caller()
				alice.say(invite)
				next = alice.next
			}
			bob, inv := r.anyUAS("INVITE")
			ok := bob.respond(inv, 200, "OK")
			r.settle(1) // the transaction is gone, the call goes on
			bob.send(inv.from, ok)
			for _, code := range []int{100, 200, 200} {
				if m := next(); m.code() != code {
					t.Fatalf("got %s, want %d", m.raw, code)
				}
			}
			r.count("stateless_replies", 1)
			r.count("send_errors", 0)
			if transport == "ws" { // a flow that is not of our making is none, and an address no way to a browser
				bob.send(inv.from, strings.Replace(ok, flowViaParam+flowMark, flowViaParam+flowMark[:6]+"x", 1))
				r.count("dropped_reply_target", 1)
			}
		})
	}
}

// Over TCP a Contact that cannot be connected to is reached by the connection; when that
// has ended, one that can be is connected to.
func TestFlowOverTCP(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		overWebSocket(a)
		a.Listeners[0].Transport = "tcp"
	})
	listens, err := net.Listen("tcp", "127.0.11.6:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listens.Close()
	for i, tt := range []struct {
		contact string
		closed  string // what becomes of a request once the connection has ended
	}{
		{"sip:alice@" + webHost + ";transport=tcp", "430"},
		{"sip:alice@" + listens.Addr().String() + ";transport=tcp;ob", "430"},
		{"sip:alice@" + listens.Addr().String() + ";transport=tcp", "dialed"},
	} {
		alice := r.caller()
		callID := fmt.Sprintf("t%d", i)
		alice.say(fmt.Sprintf("INVITE sip:bob@example.net SIP/2.0\nVia: SIP/2.0/TCP %s;branch=z9hG4bK%s\nFrom: <sip:alice@a>;tag=1\nTo: <sip:bob@b>\nCall-ID: %s\nCSeq: 1 INVITE\nMax-Forwards: 70\nContact: <%s>\nContent-Length: 0\n\n",
			alice.LocalAddr(), callID, callID, tt.contact))
		bob, inv := r.anyUAS("INVITE")
		c := &webCall{callID: callID, bob: bob, tag: bob.toTag(), routes: inv.all("Record-Route"), target: tt.contact}
		bob.respond(inv, 200, "OK")
		for _, code := range []int{100, 200} {
			if m := alice.next(); m.code() != code {
				t.Fatalf("got %s, want %d", m.start, code)
			}
		}
		c.byBob(r, "OPTIONS", 1)
		m := alice.next()
		if m.method() != "OPTIONS" {
			t.Fatalf("%s: got %s", tt.contact, m.raw)
		}
		alice.answer(m, 200)
		bob.reply(200, "OPTIONS")
		alice.Close()
		r.eventually("the connection to end", func() bool { return r.e.Stats().Listeners[0].Connections.Connections == 0 })
		c.byBob(r, "BYE", 2)
		if tt.closed == "dialed" {
			again := accept(t, listens)
			again.answer(again.next(), 200)
			bob.reply(200, "BYE")
		} else {
			bob.reply(430, "BYE")
		}
		r.settle(0)
	}
}

// A strict router of RFC 2543 puts what we wrote with a token in place of the Request-URI.
func TestFlowThroughStrictRouter(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, overWebSocket)
	alice := r.webAgent()
	c := r.webCall(alice, "w5")
	rr := c.ok.all("Record-Route")
	alice.request("BYE", c.callID, strings.Trim(rr[1], "<>"), c.tag, 2, "Route: "+rr[0]+"\nRoute: <sip:bob@"+c.bob.addr.String()+">\n")
	bye := c.bob.request("BYE")
	if !strings.HasPrefix(bye.start, "BYE sip:bob@"+c.bob.addr.String()+" ") || len(bye.all("Route")) != 0 {
		t.Errorf("got %s", bye.raw)
	}
	c.bob.respond(bye, 200, "OK")
	alice.code(200)
	r.settle(0)
}

// A page cannot ping; what SIP has instead (RFC 5626 4.4.1) is answered.
func TestWebSocketKeepAlive(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, overWebSocket)
	alice := r.webAgent()
	alice.say("\n\n")
	b, err := wsutil.ReadServerText(alice.conn)
	if err != nil || string(b) != "\r\n" {
		t.Errorf("pong: %q, %v", b, err)
	}
	r.count("keepalives", 1)
}

// Who is beyond the bounds on connections, or not admitted, gets none.
func TestWebSocketLimits(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, func(a *runtime.Appliance) {
		overWebSocket(a)
		a.Listeners[0].Connections.PerSource = 2
	})
	r.webAgent()
	r.webAgent()
	refused := func(from string) {
		t.Helper()
		d := ws.Dialer{Protocols: []string{"sip"}, Timeout: 20 * time.Second, NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext(ctx, network, addr)
		}}
		if c, _, _, err := d.Dial(context.Background(), "ws://"+r.out.String()+"/"); err == nil {
			c.Close()
			t.Errorf("%s connected", from)
		}
	}
	refused("127.0.11.5")
	refused("127.0.99.1")
	if got := r.e.Stats().Listeners[0].Connections.Refused; got["per_source"] != 1 || got["source"] != 1 {
		t.Errorf("refused: %v", got)
	}
}

// A listener for WebSockets is no way out to an address.
func TestWebSocketListenerIsNoWayOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, overWebSocket)
	d := r.e.dir
	inside, outside := netip.MustParseAddr("127.0.21.1"), netip.MustParseAddr("127.0.11.5")
	if got := d.toward(0, inside); got != 1 {
		t.Errorf("toward %v by listener %d, want 1", inside, got)
	}
	if got := d.toward(0, outside); got != -1 {
		t.Errorf("toward %v by listener %d", outside, got)
	}
}

// eventually waits until a condition holds.
func (r *rig) eventually(what string, ok func() bool) {
	r.t.Helper()
	for until := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatalf("waited for %s in vain; %v", what, nonZero(r.e.Stats().Counters))
		}
	}
}
