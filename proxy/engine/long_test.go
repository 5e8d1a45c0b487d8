package engine

import (
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/appliance/runtime"
)

// longSDP makes any request longer than the limit of longRig.
var longSDP = sdp + strings.Repeat("a=candidate:1 1 UDP 2130706431 192.0.2.1 8998 typ host\r\n", 30)

const testLimit = 1300

// longRig is a rig whose listener "in" has one over TCP beside it, "in-tcp".
func longRig(t *testing.T, n int, change func(*runtime.Appliance)) *rig {
	t.Helper()
	return newRig(t, n, func(a *runtime.Appliance) {
		tcp := a.Listeners[1]
		tcp.Name, tcp.Transport, tcp.Address = "in-tcp", "tcp", freeTCP(t, "127.0.20.1")
		a.Listeners[1].OverTCP = tcp.Name
		a.Listeners = append(a.Listeners, tcp)
		a.Messages = &runtime.Messages{UDPLimit: testLimit, Fallback: true}
		if change != nil {
			change(a)
		}
	})
}

// listenTCP takes connections where a destination has its UDP socket.
func listenTCP(t testing.TB, at netip.AddrPort) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// blackHole takes the address over TCP and answers nobody: its queue of connections is full,
// so that the kernel drops what comes (tcp(7), listen(2)).
func blackHole(t testing.TB, at netip.AddrPort) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for range 16 {
		c, err := net.DialTimeout("tcp", at.String(), 300*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the kernel takes connections beyond the queue's length")
}

// longInvite sends an INVITE that is too long for UDP.
func (c *caller) longInvite() string {
	c.branch = c.newBranch()
	raw := c.build("INVITE", c.branch, c.cseq, typeSDP, longSDP)
	c.send(c.proxy, raw)
	return raw
}

// write sends a reply that an agent made over a connection.
func (a *streamAgent) write(raw string) {
	a.t.Helper()
	if _, err := a.Write([]byte(raw)); err != nil {
		a.t.Fatal(err)
	}
}

// A long INVITE leaves over TCP and a short one over UDP; what is short within the dialog
// goes over UDP, what is long by the connection there is.
func TestLongRequestLeavesOverTCP(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, nil)
	bob := r.uas[0]
	ln := listenTCP(t, bob.addr)
	twin := r.cfg.Listeners[2].Address.String()

	c := r.alice.newCall(r.out)
	sent := parseMsg(c.longInvite())
	conn := accept(t, ln)
	inv := conn.next()
	if inv.body != longSDP {
		t.Errorf("body of %d bytes, want %d", len(inv.body), len(longSDP))
	}
	unchanged(t, "INVITE", sent, inv)
	if via := inv.all("Via"); len(via) != 2 || !strings.HasPrefix(via[0], "SIP/2.0/TCP "+twin+";branch=z9hG4bK") {
		t.Errorf("Via: %q", via)
	}
	// UDP stays what the peer uses for the dialog, by both Record-Routes.
	if rr := inv.all("Record-Route"); len(rr) != 2 || rr[0] != "<sip:"+r.in.String()+";lr>" || rr[1] != "<sip:"+r.out.String()+";lr>" {
		t.Errorf("Record-Route: %q", rr)
	}
	conn.write(bob.answer(inv, 180, "Ringing", ""))
	conn.write(bob.answer(inv, 200, "OK", ""))
	c.reply(180, "INVITE")
	c.established(c.reply(200, "INVITE"))
	c.inDialog("ACK", "", "")
	if ack := bob.request("ACK"); !strings.HasPrefix(ack.get("Via"), "SIP/2.0/UDP "+r.in.String()) {
		t.Errorf("Via of the ACK: %s", ack.get("Via"))
	}
	// A long request within the dialog, and the ACK of its 200 that is long as well.
	c.inDialog("INVITE", typeSDP, longSDP)
	again := conn.next()
	if again.method() != "INVITE" || !strings.HasPrefix(again.get("Via"), "SIP/2.0/TCP "+twin) || len(again.all("Route")) != 0 {
		t.Errorf("within the dialog:\n%s", again.raw)
	}
	conn.write(bob.answer(again, 200, "OK", ""))
	c.reply(200, "INVITE")
	c.inDialog("ACK", typeSDP, longSDP)
	if ack := conn.next(); ack.method() != "ACK" || !strings.HasPrefix(ack.get("Via"), "SIP/2.0/TCP "+twin) || ack.body != longSDP {
		t.Errorf("a long ACK:\n%s", ack.raw)
	}
	c.inDialog("BYE", "", "")
	bye := bob.request("BYE")
	bob.respond(bye, 200, "OK")
	c.reply(200, "BYE")

	short := r.alice.newCall(r.out)
	short.invite("")
	uas, m := r.anyUAS("INVITE")
	if !strings.HasPrefix(m.get("Via"), "SIP/2.0/UDP "+r.in.String()) {
		t.Errorf("Via of the short one: %s", m.get("Via"))
	}
	uas.respond(m, 486, "Busy Here")
	short.reply(486, "INVITE")
	short.hop("ACK")
	r.settle(0)
	r.count("long_requests_over_tcp", 3)
	r.count("long_requests_over_udp", 0)
	r.count("tcp_fallbacks", 0)
	if st := r.e.Stats().Listeners[2].Connections; st.Dials != 1 {
		t.Errorf("%d connections made", st.Dials)
	}
}

// The choice goes by the length of what leaves, to the byte.
func TestLongIsByTheByte(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, func(a *runtime.Appliance) { a.Messages.UDPLimit = testLimit + 1000 })
	bob := r.uas[0]
	ln := listenTCP(t, bob.addr)
	probe := func(pad int) *caller {
		c := r.alice.newCall(r.out)
		c.callID = "fixed-length-" + c.callID[len(c.callID)-8:]
		c.branch = c.newBranch()
		c.send(c.proxy, c.build("OPTIONS", c.branch, 1, "X-Pad: "+strings.Repeat("x", pad)+"\r\n", ""))
		return c
	}
	c := probe(1000)
	m := bob.request("OPTIONS")
	bob.respond(m, 200, "OK")
	c.reply(200, "OPTIONS")
	room := testLimit + 1000 - len(m.raw)
	c = probe(1000 + room)
	if m = bob.request("OPTIONS"); len(m.raw) > testLimit+1000 || len(m.raw) < testLimit+1000-8 {
		t.Fatalf("%d bytes left over UDP, the test means %d", len(m.raw), testLimit+1000)
	}
	at := len(m.raw)
	bob.respond(m, 200, "OK")
	c.reply(200, "OPTIONS")
	c = probe(1000 + room + testLimit + 1000 - at + 9) // names of calls differ by some digits
	conn := accept(t, ln)
	m = conn.next()
	conn.write(bob.answer(m, 200, "OK", ""))
	c.reply(200, "OPTIONS")
	r.settle(0)
}

// A peer that refuses TCP gets the request over UDP at once, and those after it without
// another try; its CANCEL and ACK follow it.
func TestLongRequestTCPRefused(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, func(a *runtime.Appliance) {
		a.Transaction.ReplyTimeout = duration(time.Minute) // nothing here may wait for a timer
		a.Transaction.InviteTimeout = duration(2 * time.Minute)
	})
	bob := r.uas[0]
	for i := range 2 {
		c := r.alice.newCall(r.out)
		c.longInvite()
		inv := bob.request("INVITE")
		if !strings.HasPrefix(inv.get("Via"), "SIP/2.0/UDP "+r.in.String()) {
			t.Errorf("Via: %s", inv.get("Via"))
		}
		bob.respond(inv, 180, "Ringing")
		c.reply(180, "INVITE")
		c.hop("CANCEL")
		c.reply(200, "CANCEL")
		cancel := bob.request("CANCEL")
		if cancel.get("Via") != inv.get("Via") {
			t.Errorf("Via of the CANCEL %q, of the INVITE %q", cancel.get("Via"), inv.get("Via"))
		}
		bob.respond(cancel, 200, "OK")
		bob.respond(inv, 487, "Request Terminated")
		bob.request("ACK")
		c.reply(487, "INVITE")
		c.hop("ACK")
		st := r.e.Stats()
		if st.Listeners[2].Connections.Dials != 1 || st.TCPRefused != 1 {
			t.Errorf("call %d: %d dials, %d peers that refuse", i, st.Listeners[2].Connections.Dials, st.TCPRefused)
		}
		if d := st.Destinations[0]; d.State != "active" || d.Failed != 0 || d.Attempts != uint64(i+1) {
			t.Errorf("call %d: destination %+v", i, d)
		}
	}
	r.settle(0)
	r.count("tcp_fallbacks", 1)
	r.count("long_requests_over_tcp", 1)
	r.count("long_requests_over_udp", 1)
	r.count("failovers", 0)
	r.count("transport_failures", 0)
}

// Where TCP is swallowed on the way, the request goes over UDP after a bounded wait, in
// which the caller's retransmissions are absorbed.
func TestLongRequestTCPSwallowed(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, func(a *runtime.Appliance) {
		a.Transaction.ReplyTimeout = duration(4 * time.Second)
		a.Transaction.InviteTimeout = duration(20 * time.Second)
	})
	bob := r.uas[0]
	blackHole(t, bob.addr)
	c := r.alice.newCall(r.out)
	raw := c.longInvite()
	c.reply(100, "INVITE")
	for range 3 {
		c.send(c.proxy, raw)
		c.reply(100, "INVITE")
	}
	inv := bob.request("INVITE")
	bob.respond(inv, 200, "OK")
	c.established(c.reply(200, "INVITE"))
	c.inDialog("ACK", "", "")
	bob.request("ACK")
	bob.quiet(100*time.Millisecond, "an INVITE of another branch", func(m *sipMsg) bool {
		return m.method() == "INVITE" && m.get("Via") != inv.get("Via")
	})
	c.inDialog("BYE", typeSDP, longSDP) // long, and it does not wait
	bye := bob.request("BYE")
	bob.respond(bye, 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
	r.atLeast("retransmissions_absorbed", 3)
	r.count("tcp_fallbacks", 1)
	r.count("long_requests_over_udp", 1)
	if st := r.e.Stats(); st.Listeners[2].Connections.Dials != 1 || st.TCPRefused != 1 {
		t.Errorf("%d dials, %d peers that refuse", st.Listeners[2].Connections.Dials, st.TCPRefused)
	}
}

// A request within a dialog falls back too, and so does one whose connection ends before a
// reply: such a peer does take connections and is not remembered.
func TestLongRequestConnectionEnds(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, nil)
	bob := r.uas[0]
	c := r.alice.newCall(r.out)
	c.invite("")
	inv := bob.request("INVITE")
	bob.respond(inv, 200, "OK")
	c.established(c.reply(200, "INVITE"))
	c.inDialog("ACK", "", "")
	bob.request("ACK")

	ln := listenTCP(t, bob.addr)
	c.inDialog("INFO", typeSDP, longSDP)
	conn := accept(t, ln)
	if m := conn.next(); m.method() != "INFO" {
		t.Errorf("got %s", m.start)
	}
	conn.Close()
	info := bob.request("INFO")
	bob.respond(info, 200, "OK")
	c.reply(200, "INFO")
	if n := r.e.Stats().TCPRefused; n != 0 {
		t.Errorf("%d peers are remembered as refusing TCP", n)
	}
	ln.Close()
	c.inDialog("INFO", typeSDP, longSDP)
	info = bob.request("INFO")
	bob.respond(info, 200, "OK")
	c.reply(200, "INFO")
	c.inDialog("BYE", "", "")
	bob.respond(bob.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
	r.count("tcp_fallbacks", 2)
	r.count("transport_failures", 0)
	if n := r.e.Stats().TCPRefused; n != 1 {
		t.Errorf("%d peers are remembered as refusing TCP", n)
	}
}

// A peer that refused is tried again after a while, beside the calls.
func TestLongRequestTriesTCPAgain(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, nil)
	bob := r.uas[0]
	refuse := func() {
		c := r.alice.newCall(r.out)
		c.longInvite()
		bob.respond(bob.request("INVITE"), 486, "Busy Here")
		c.reply(486, "INVITE")
		c.hop("ACK")
	}
	refuse()
	ln := listenTCP(t, bob.addr)
	peer := r.e.dir.endpoint(bob.addr, 2)
	r.e.long.refused.find(peer).Store(0) // the while is over
	refuse()
	conn := accept(t, ln)
	g := r.e.groups[2].(connections)
	for until := time.Now().Add(patience); !g.Connected(bob.addr); {
		if time.Now().After(until) {
			t.Fatal("the connection does not stand")
		}
		time.Sleep(time.Millisecond)
	}
	c := r.alice.newCall(r.out)
	c.longInvite()
	conn.write(bob.answer(conn.next(), 486, "Busy Here", ""))
	if ack := conn.next(); ack.method() != "ACK" || !strings.HasPrefix(ack.get("Via"), "SIP/2.0/TCP ") {
		t.Errorf("ACK: %s", ack.raw)
	}
	c.reply(486, "INVITE")
	c.hop("ACK")
	if n := r.e.Stats().TCPRefused; n != 0 {
		t.Errorf("%d peers are remembered as refusing TCP", n)
	}
	r.settle(0)
	r.count("tcp_fallbacks", 1)
	r.count("long_requests_over_udp", 1)
	r.count("long_requests_over_tcp", 2)
}

// Without a way back a long request goes over TCP or to the next destination. That this one
// refuses TCP says nothing about it over UDP.
func TestLongRequestWithoutFallback(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, func(a *runtime.Appliance) { a.Messages.Fallback = false })
	ln := listenTCP(t, r.uas[1].addr)
	c := r.alice.newCall(r.out)
	c.longInvite()
	conn := accept(t, ln)
	conn.write(r.uas[1].answer(conn.next(), 486, "Busy Here", ""))
	c.reply(486, "INVITE")
	c.hop("ACK")
	if d := r.e.Stats().Destinations[0]; d.State != "active" || d.Failed != 1 {
		t.Errorf("destination: %+v", d)
	}
	r.settle(0)
	r.count("tcp_fallbacks", 0)
	r.count("failovers", 1)
	r.uas[0].quiet(50*time.Millisecond, "a request", func(*sipMsg) bool { return true })
}

// One that can leave by neither is refused as too long, in a dialog and outside.
func TestLongRequestWithoutTCP(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, func(a *runtime.Appliance) {
		a.Messages.Fallback = false
		a.Listeners[1].OverTCP = ""
	})
	c := r.alice.newCall(r.out)
	c.longInvite()
	c.reply(513, "INVITE")
	c.hop("ACK")
	c = r.alice.newCall(r.out)
	c.invite("")
	bob, inv := r.anyUAS("INVITE")
	bob.respond(inv, 200, "OK")
	c.established(c.reply(200, "INVITE"))
	c.inDialog("ACK", "", "")
	c.inDialog("INFO", typeSDP, longSDP)
	c.reply(513, "INFO")
	c.inDialog("BYE", "", "")
	bob.respond(bob.request("BYE"), 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
	r.count("long_requests_over_udp", 0)
}

// A transport that is written down is kept to whatever the length.
func TestLongRequestPinned(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, func(a *runtime.Appliance) { a.Dispatchers[0].Destinations[0].URI += ";transport=udp" })
	bob := r.uas[0]
	listenTCP(t, bob.addr)
	c := r.alice.newCall(r.out)
	c.longInvite()
	inv := bob.request("INVITE")
	if !strings.HasPrefix(inv.get("Via"), "SIP/2.0/UDP ") {
		t.Errorf("Via: %s", inv.get("Via"))
	}
	bob.respond(inv, 486, "Busy Here")
	c.reply(486, "INVITE")
	c.hop("ACK")
	r.settle(0)
	r.count("long_requests_over_udp", 1)
	r.count("long_requests_over_tcp", 0)
}

// A caller who gives up while the connection is being made is told so, and nothing follows
// over UDP.
func TestLongRequestCancelledMeanwhile(t *testing.T) {
	t.Parallel()
	r := longRig(t, 1, func(a *runtime.Appliance) { a.Transaction.ReplyTimeout = duration(4 * time.Second) })
	blackHole(t, r.uas[0].addr)
	c := r.alice.newCall(r.out)
	c.longInvite()
	c.reply(100, "INVITE")
	c.hop("CANCEL")
	c.reply(200, "CANCEL")
	c.reply(487, "INVITE")
	c.hop("ACK")
	r.settle(0)
	r.count("tcp_fallbacks", 0)
	r.uas[0].quiet(50*time.Millisecond, "a request", func(*sipMsg) bool { return true })
}

func TestRefusalsAreBounded(t *testing.T) {
	dir := &directory{faces: []*face{{}}}
	at := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 5060)
	}
	var r refusals
	for i := range maxRefusals + 10 {
		r.add(dir.endpoint(at(i), 0), int64(i))
	}
	if r.len() != maxRefusals {
		t.Errorf("%d peers are remembered, want %d", r.len(), maxRefusals)
	}
	for i, want := range map[int]bool{9: false, 10: true, maxRefusals + 9: true} {
		if got, due := r.has(dir.endpoint(at(i), 0), int64(maxRefusals)); got != want || due {
			t.Errorf("peer %d: remembered %v, due %v", i, got, due)
		}
	}
	later := int64(maxRefusals) + refusedFor.Milliseconds()
	peer := dir.endpoint(at(20), 0)
	if got, due := r.has(peer, later); !got || !due {
		t.Errorf("after a while: remembered %v, due %v", got, due)
	}
	if _, due := r.has(peer, later); due {
		t.Error("two are told to try")
	}
	r.forget(peer)
	if got, _ := r.has(peer, later); got {
		t.Error("not forgotten")
	}
}

func TestNewRefusesAStandInThatIsNone(t *testing.T) {
	udp := func(name, over string) runtime.Listener {
		return runtime.Listener{Name: name, Transport: "udp", Address: netip.MustParseAddrPort("127.0.0.1:5060"), OverTCP: over}
	}
	for _, over := range []string{"b", "nobody"} {
		cfg := &runtime.Appliance{Listeners: []runtime.Listener{udp("a", over), udp("b", "")}}
		if _, err := New(cfg, nil, nil, nil, quiet); err == nil || !strings.Contains(err.Error(), over) {
			t.Errorf("%s: error %v", over, err)
		}
	}
}

// A call whose INVITE is measured before it leaves, and one whose INVITE leaves by a
// connection that stands, allocate nothing either.
func TestLongPathAllocatesNothing(t *testing.T) {
	for _, tt := range []struct {
		name    string
		room    int // 1: measured, and found short enough
		overTCP bool
	}{{"measured", 1, false}, {"over TCP", 0, true}} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPath(t, func(a *runtime.Appliance) {
				tcp := a.Listeners[1]
				tcp.Name, tcp.Transport, tcp.Address = "in-tcp", "tcp", freeTCP(t, "127.0.20.1")
				a.Listeners[1].OverTCP = tcp.Name
				a.Listeners = append(a.Listeners, tcp)
				a.Messages = &runtime.Messages{Fallback: true}
			})
			p.e.long.limit = len(p.invite.b) + tt.room*(p.e.long.room-1)
			ln := listenTCP(t, p.bob)
			go func() {
				if c, err := ln.Accept(); err == nil {
					_, _ = io.Copy(io.Discard, c)
				}
			}()
			p.call(t)
			for until := time.Now().Add(patience); tt.overTCP && !p.e.groups[2].(connections).Connected(p.bob); {
				if time.Now().After(until) {
					t.Fatal("the connection does not stand")
				}
				time.Sleep(time.Millisecond)
			}
			for range 500 {
				p.call(t)
			}
			if n := testing.AllocsPerRun(300, func() { p.call(t) }); n != 0 {
				t.Errorf("%v allocations per call", n)
			}
			want := uint64(0)
			if tt.overTCP {
				want = p.n
			}
			if got := p.w.c.n[cLongOverTCP].Load(); got != want {
				t.Errorf("%d of %d INVITEs left over TCP, want %d", got, p.n, want)
			}
		})
	}
}
