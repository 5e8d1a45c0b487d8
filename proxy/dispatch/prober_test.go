package dispatch

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

const patience = time.Minute

func udp(t testing.TB, ip string) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// sockets are listeners as an engine has them: real sockets, and probe replies told
// from others by the branch.
type sockets struct {
	listeners []runtime.Listener
	conns     map[string]*net.UDPConn
}

func openSockets(t testing.TB, ips map[string]string) *sockets {
	s := &sockets{conns: map[string]*net.UDPConn{}}
	for name, ip := range ips {
		c, a := udp(t, ip)
		s.conns[name] = c
		s.listeners = append(s.listeners, runtime.Listener{Name: name, Transport: "udp", Address: a})
	}
	return s
}

func (s *sockets) listener(name string) *runtime.Listener {
	for i := range s.listeners {
		if s.listeners[i].Name == name {
			return &s.listeners[i]
		}
	}
	return nil
}

func (s *sockets) send(listener string, pkt []byte, to netip.AddrPort) error {
	_, err := s.conns[listener].WriteToUDPAddrPort(pkt, to)
	return err
}

// run probes the sets until the test ends.
func (s *sockets) run(t testing.TB, sets *Sets) *Prober {
	t.Helper()
	p, err := NewProber(sets, s.listeners, s.send, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		for _, c := range s.conns {
			c.Close()
		}
		wg.Wait()
	})
	for name, c := range s.conns {
		wg.Go(func() {
			buf := make([]byte, 65536)
			var v message.View
			for {
				n, src, err := c.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				if v.Parse(buf[:n]) == nil && !v.IsRequest() && strings.HasPrefix(string(v.Get(v.Via.Branch)), ProbePrefix) {
					p.Deliver(name, v.Bytes(), src)
				}
			}
		})
	}
	wg.Go(func() { p.Run(ctx) })
	return p
}

func quickProbe(fail, recover int) *runtime.Probe {
	p := testProbe(fail, recover)
	p.Interval, p.Timeout = runtime.Duration(20*time.Millisecond), runtime.Duration(60*time.Millisecond)
	return p
}

func destinationAt(name string, a netip.AddrPort, listener string) runtime.Destination {
	return runtime.Destination{Name: name, URI: "sip:" + a.String(), Address: a, Listener: listener}
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	until := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(until) {
			t.Fatalf("not within %v: %s", patience, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// agent is a sipgo endpoint that answers OPTIONS until the test ends or stop.
func agent(t *testing.T, at string, code int) (netip.AddrPort, func()) {
	t.Helper()
	a := netip.MustParseAddrPort(at)
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
	if err != nil {
		t.Fatal(err)
	}
	ua, err := sipgo.NewUA(sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(quiet)),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(quiet)))
	if err != nil {
		t.Fatal(err)
	}
	srv, err := sipgo.NewServer(ua, sipgo.WithServerLogger(quiet))
	if err != nil {
		t.Fatal(err)
	}
	srv.OnOptions(func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, code, "Answer", nil)) // lost replies are repeated
	})
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ServeUDP(c) }()
	stop := sync.OnceFunc(func() { c.Close(); <-done; ua.Close() })
	t.Cleanup(stop)
	return c.LocalAddr().(*net.UDPAddr).AddrPort(), stop
}

func TestRealDestinationGoesAndComesBack(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			s := openSockets(t, map[string]string{"core": ip})
			at, stop := agent(t, netip.AddrPortFrom(netip.MustParseAddr(ip), 0).String(), 200)
			sets := newSets(t, runtime.Dispatcher{Name: "core", Algorithm: runtime.AlgorithmRoundRobin, Probe: quickProbe(3, 2),
				Destinations: []runtime.Destination{destinationAt("d1", at, "core")}})
			s.run(t, sets)
			d := sets.Destinations()[0]
			await(t, "active after five good probes", func() bool { st := d.Stats(); return st.Probes-st.ProbesFailed >= 5 && d.State() == Active })
			stop()
			await(t, "inactive", func() bool { return d.State() == Inactive })
			if _, ok := pick(sets.Set(0), nil, new(Tried)); ok {
				t.Error("it still gets calls")
			}
			agent(t, at.String(), 200)
			await(t, "active again", func() bool { return d.State() == Active })
		})
	}
}

func TestRefusingDestination(t *testing.T) {
	s := openSockets(t, map[string]string{"core": "127.0.0.1"})
	busy, _ := agent(t, "127.0.0.1:0", 503)
	unknown, _ := agent(t, "127.0.0.1:0", 404)
	sets := newSets(t, runtime.Dispatcher{Name: "core", Algorithm: runtime.AlgorithmRoundRobin, Probe: quickProbe(3, 2),
		Destinations: []runtime.Destination{destinationAt("busy", busy, "core"), destinationAt("unknown", unknown, "core")}})
	s.run(t, sets)
	// A probe may also be late on a busy machine; the next one is not.
	await(t, "the one that answers 503 inactive", func() bool {
		st := sets.Destinations()[0].Stats()
		return st.State == "inactive" && st.LastProbe == "503"
	})
	await(t, "good probes of the one that answers 404", func() bool {
		st := sets.Destinations()[1].Stats()
		return st.Probes-st.ProbesFailed >= 5 && st.State == "active" && st.LastProbe == "404"
	})
}

// What a probe looks like on the wire, and where it comes from.
func TestProbeOnTheWire(t *testing.T) {
	s := openSockets(t, map[string]string{"core": "127.0.0.1"})
	peer, at := udp(t, "127.0.0.1")
	s.listener("core").Advertise = "sbc.example:5070"
	d := destinationAt("d1", at, "core")
	d.URI = "sip:ping@" + at.String() + ";transport=udp"
	sets := newSets(t, runtime.Dispatcher{Name: "core", Algorithm: runtime.AlgorithmRoundRobin, Probe: quickProbe(5, 5), Destinations: []runtime.Destination{d}})
	s.run(t, sets)
	buf := make([]byte, 65536)
	if err := peer.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	n, src, err := peer.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	if src != s.listener("core").Address {
		t.Errorf("it came from %v, not from the listener's %v", src, s.listener("core").Address)
	}
	var v message.View
	if err := v.Parse(buf[:n]); err != nil {
		t.Fatalf("%v in\n%s", err, buf[:n])
	}
	get := func(s message.Span) string { return string(v.Get(s)) }
	branch, callID, tag := get(v.Via.Branch), get(v.CallID), get(v.From.Tag)
	if !strings.HasPrefix(branch, ProbePrefix) || len(branch) < len(ProbePrefix)+20 {
		t.Errorf("branch %q", branch)
	}
	if callID == "" || tag == "" {
		t.Errorf("Call-ID %q, From tag %q", callID, tag)
	}
	got := strings.NewReplacer(branch, "BRANCH", callID, "CALLID", tag, "TAG", at.String(), "PEER", at.Addr().String(), "HOST").Replace(string(buf[:n]))
	want := strings.ReplaceAll(`OPTIONS sip:ping@PEER;transport=udp SIP/2.0
Via: SIP/2.0/UDP sbc.example:5070;branch=BRANCH
Max-Forwards: 70
From: <sip:probe@sbc.example>;tag=TAG
To: <sip:ping@HOST>
Call-ID: CALLID
CSeq: 1 OPTIONS
Accept: application/sdp
Content-Length: 0

`, "\n", "\r\n")
	if got != want {
		t.Errorf("probe\n%s\nwant\n%s", got, want)
	}
}

// A reply counts where its request left, from the address it was sent to.
func TestRepliesThatDoNotCount(t *testing.T) {
	s := openSockets(t, map[string]string{"core": "127.0.0.1", "edge": "127.0.0.1"})
	peer, at := udp(t, "127.0.0.2")
	other, otherAt := udp(t, "127.0.0.3")
	probe := quickProbe(1000, 1)
	probe.Timeout = runtime.Duration(time.Minute)
	sets := newSets(t, runtime.Dispatcher{Name: "core", Algorithm: runtime.AlgorithmRoundRobin, Probe: probe,
		Destinations: []runtime.Destination{destinationAt("d1", at, "core"), destinationAt("far", otherAt, "edge")}})
	p := s.run(t, sets)
	d := sets.Destinations()[0]

	buf := make([]byte, 65536)
	n, _, err := peer.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Fatal(err)
	}
	good := replyTo(t, buf[:n], 200)
	send := func(from *net.UDPConn, listener string, pkt []byte) {
		t.Helper()
		if _, err := from.WriteToUDPAddrPort(pkt, s.listener(listener).Address); err != nil {
			t.Fatal(err)
		}
	}
	send(other, "core", good) // not an address of "core"
	await(t, "dropped for its source", func() bool { return p.Stats().Dropped == 1 })
	send(other, "edge", good) // not the socket it left by
	await(t, "stray for its socket", func() bool { return p.Stats().Stray == 1 })
	send(peer, "core", bytes.Replace(good, []byte(ProbePrefix), []byte(ProbePrefix+"x"), 1))
	await(t, "stray for its branch", func() bool { return p.Stats().Stray == 2 })
	send(peer, "core", bytes.Replace(good, []byte("1 OPTIONS"), []byte("1 INVITE"), 1))
	await(t, "stray for its method", func() bool { return p.Stats().Stray == 3 })
	if st := d.Stats(); st.Probes != 0 {
		t.Fatalf("a wrong reply counted: %+v", st)
	}
	another, _ := udp(t, "127.0.0.2")
	send(another, "core", good) // the right address, another port
	await(t, "the probe's end", func() bool { return d.Stats().Probes == 1 })
	if st := d.Stats(); st.LastProbe != "200" || st.ProbesFailed != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestDeliverNeverBlocks(t *testing.T) {
	sets := newSets(t, testSet("core", runtime.AlgorithmRoundRobin, 1, testProbe(5, 5)))
	p, err := NewProber(sets, []runtime.Listener{coreListener}, nil, quiet)
	if err != nil {
		t.Fatal(err)
	}
	src := netip.MustParseAddrPort("127.0.0.1:6001")
	taken := 0
	for range queued + 50 { // nobody reads: Run was not started
		if p.Deliver("core", []byte("x"), src) {
			taken++
		}
	}
	if st := p.Stats(); taken != queued || st.Delivered != queued || st.Dropped != 50 {
		t.Errorf("%d taken, stats %+v", taken, st)
	}
	<-p.replies
	for name, ok := range map[string]bool{
		"too long":         p.Deliver("core", make([]byte, maxReply+1), src),
		"unknown listener": p.Deliver("edge", []byte("x"), src),
		"unknown source":   p.Deliver("core", []byte("x"), netip.MustParseAddrPort("127.0.0.9:6001")),
	} {
		if ok {
			t.Errorf("%s: taken", name)
		}
	}
	if !p.Deliver("core", []byte("x"), netip.MustParseAddrPort("[::ffff:127.0.0.1]:6001")) {
		t.Error("a source in IPv4-mapped form is not known")
	}
}

func TestNewProberRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*runtime.Dispatcher, *runtime.Listener)
		want   string
	}{
		{"listener", func(d *runtime.Dispatcher, _ *runtime.Listener) { d.Destinations[0].Listener = "edge" }, `dispatcher "core": destination "d1": there is no listener "edge"`},
		{"uri", func(d *runtime.Dispatcher, _ *runtime.Listener) { d.Destinations[0].URI = "" }, `uri "": empty URI`},
		{"from", func(d *runtime.Dispatcher, _ *runtime.Listener) { d.Probe.From = "" }, `probe from "": empty URI: write it as sip:probe@sbc.example`},
		{"advertise", func(_ *runtime.Dispatcher, l *runtime.Listener) { l.Advertise = "sbc.example:sip" }, `listener core: advertise "sbc.example:sip": port "sip" is not a number from 1 to 65535`},
		{"advertise", func(_ *runtime.Dispatcher, l *runtime.Listener) { l.Advertise = "a:b:c" }, `listener core: advertise "a:b:c" is not host[:port]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, l := testSet("core", runtime.AlgorithmRoundRobin, 1, testProbe(5, 5)), coreListener
			tt.change(&d, &l)
			_, err := NewProber(newSets(t, d), []runtime.Listener{l}, nil, quiet)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want it to contain %q", err, tt.want)
			}
		})
	}
	d := testSet("core", runtime.AlgorithmRoundRobin, 1, nil)
	d.Destinations[0].URI = ""
	if _, err := NewProber(newSets(t, d), nil, nil, quiet); err != nil {
		t.Errorf("a set without probing is checked for it: %v", err)
	}
}

// Whatever a destination sends, the prober goes on.
func FuzzReply(f *testing.F) {
	d := testSet("core", runtime.AlgorithmRoundRobin, 1, testProbe(5, 5))
	sets := newSets(f, d)
	p, err := NewProber(sets, []runtime.Listener{coreListener}, nil, quiet)
	if err != nil {
		f.Fatal(err)
	}
	req := []byte(p.subjects[0].options().String())
	f.Add(req)
	f.Add(replyTo(f, req, 200))
	f.Add([]byte("SIP/2.0 200\r\nVia: SIP/2.0/UDP h;branch=" + ProbePrefix + "\r\nCSeq: OPTIONS\r\n\r\n"))
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, pkt []byte) {
		if p.match(parser, reply{"core", pkt}) {
			t.Errorf("matched, with no probe under way:\n%q", pkt)
		}
	})
}
