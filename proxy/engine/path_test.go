package engine

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/message"
)

// path drives one worker by hand through whole calls: packets go in by handle and
// leave through real sockets, so what is measured is all the proxy does between
// two receive calls.
type path struct {
	e          *Engine
	w          *worker
	out, in    *face
	alice, bob netip.AddrPort
	tag        []byte // bob's

	n                uint64 // of the call
	invite, ack, bye template
	sent             message.View // what the worker forwarded last,
	sentBytes        []byte       // its bytes,
	pkt              []byte       // and the reply to it
}

const numberWidth = 10

func newPath(t testing.TB, change ...func(*runtime.Appliance)) *path {
	t.Helper()
	alice, bob := newAgent(t, "127.0.11.1"), newAgent(t, "127.0.21.1")
	listener := func(name, ip, source string) runtime.Listener {
		return runtime.Listener{Name: name, Transport: "udp", Address: freePort(t, ip), Workers: 1, MaxMessage: 65507,
			Sources: []netip.Prefix{netip.MustParsePrefix(source)}}
	}
	cfg := &runtime.Appliance{
		Listeners: []runtime.Listener{listener("out", "127.0.10.1", "127.0.11.0/24"), listener("in", "127.0.20.1", "127.0.21.0/24")},
		Transaction: runtime.Transaction{T1: duration(500 * time.Millisecond), T2: duration(4 * time.Second), ReplyTimeout: duration(5 * time.Second),
			InviteTimeout: duration(30 * time.Second), Wait: duration(time.Millisecond), CallLifetime: duration(time.Minute)},
		State:  runtime.State{Transactions: 20000, MessageBytes: 64 << 20, Calls: 1000, HighWater: 0.9},
		Limits: runtime.Limits{CPS: 1_000_000, Burst: 1000, ConcurrentCalls: 1000},
		Routes: []runtime.Route{{Name: "all", Prefix: "+49", To: []string{"core"}}},
		Dispatchers: []runtime.Dispatcher{{Name: "core", ID: 1, Algorithm: runtime.AlgorithmHashCallID,
			Failover:     runtime.Failover{On: []runtime.CodeSpan{{First: 500, Last: 699}}, OnTimeout: true},
			Destinations: []runtime.Destination{{Name: "fs1", URI: "sip:" + bob.addr.String(), Address: bob.addr, Listener: "in"}}}},
	}
	for _, f := range change {
		f(cfg)
	}
	e := newEngine(t, cfg)
	if err := e.Bind(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	p := &path{e: e, w: e.newWorker(), out: e.dir.faces[0], in: e.dir.faces[1], alice: alice.addr, bob: bob.addr, sentBytes: make([]byte, 0, 8192), pkt: make([]byte, 0, 8192)}
	c := alice.newCall(cfg.Listeners[0].Address)
	p.tag = []byte(bob.toTag())
	number := fmt.Sprintf("%0*d", numberWidth, 0)
	c.callID = number + "@" + alice.addr.Addr().String()
	p.invite = newTemplate(c.build("INVITE", "z9hG4bK-i"+number, 1, "Allow: INVITE, ACK, CANCEL, BYE\r\nSupported: timer, 100rel\r\nUser-Agent: path\r\nContent-Type: application/sdp\r\n", sdp), number)
	c.toTag, c.uri = bob.toTag(), "sip:bob@"+bob.addr.String()
	c.routes = []string{"<sip:" + cfg.Listeners[0].Address.String() + ";lr>", "<sip:" + cfg.Listeners[1].Address.String() + ";lr>"}
	p.ack = newTemplate(c.build("ACK", "z9hG4bK-a"+number, 1, "", ""), number)
	p.bye = newTemplate(c.build("BYE", "z9hG4bK-b"+number, 2, "", ""), number)
	return p
}

// template is a message in which the number of the call stands at some offsets.
type template struct {
	b  []byte
	at []int
}

func newTemplate(raw, number string) template {
	t := template{b: []byte(raw)}
	for i := 0; i+len(number) <= len(raw); i++ {
		if raw[i:i+len(number)] == number {
			t.at = append(t.at, i)
		}
	}
	return t
}

// fill writes the number of a call into the message, in place.
func (t *template) fill(n uint64) []byte {
	for _, at := range t.at {
		for k, v := numberWidth-1, n; k >= 0; k, v = k-1, v/10 {
			t.b[at+k] = byte('0' + v%10)
		}
	}
	return t.b
}

// answer handles a reply to what the worker has just forwarded.
func (p *path) answer(t testing.TB, codes ...int) {
	p.sentBytes = append(p.sentBytes[:0], p.w.out...)
	if err := p.sent.Parse(p.sentBytes); err != nil || !p.sent.IsRequest() {
		t.Fatalf("the worker forwarded no request (%v):\n%s", err, p.sentBytes)
	}
	for _, code := range codes {
		p.pkt = message.AppendReply(p.pkt[:0], &p.sent, message.ReplyParams{Status: code, ToTag: p.tag})
		p.w.handle(p.in, p.pkt, p.bob)
	}
}

// call drives one call from INVITE to the 200 of its BYE: six messages in, six
// forwarded, one 100.
func (p *path) call(t testing.TB) {
	p.n++
	p.w.handle(p.out, p.invite.fill(p.n), p.alice)
	p.answer(t, 180, 200)
	p.w.handle(p.out, p.ack.fill(p.n), p.alice)
	p.w.handle(p.out, p.bye.fill(p.n), p.alice)
	p.answer(t, 200)
	if p.n%64 == 0 {
		p.e.table.Advance(p.e.now(), p.w.fire)
	}
}

func TestPath(t *testing.T) {
	p := newPath(t)
	for range 300 {
		p.call(t)
	}
	got := sum([]*worker{p.w})
	for name, want := range map[string]uint64{"received": 1800, "forwarded_requests": 600, "stateless_requests": 300, "forwarded_replies": 900, "local_replies": 300, "send_errors": 0} {
		if got[name] != want {
			t.Errorf("%s is %d, want %d", name, got[name], want)
		}
	}
	if p.e.calls.Live() != 0 {
		t.Errorf("%d calls left", p.e.calls.Live())
	}
}

// Nothing is allocated for a call that is forwarded.
func TestPathAllocatesNothing(t *testing.T) {
	p := newPath(t)
	for range 500 {
		p.call(t) // the tables grow to their peak
	}
	if n := testing.AllocsPerRun(500, func() { p.call(t) }); n != 0 {
		t.Errorf("%v allocations per call", n)
	}
}

// BenchmarkCall is one call through the proxy, sends included, receives not.
func BenchmarkCall(b *testing.B) {
	p := newPath(b)
	b.ReportAllocs()
	for b.Loop() {
		p.call(b)
	}
}
