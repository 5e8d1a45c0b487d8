package engine

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"trunkline/appliance/runtime"
	"trunkline/proxy/listen"
	"trunkline/proxy/message"
)

// wire is a listener without a socket: what the engine sends is kept for the fuzz
// test to answer, damage and repeat.
type wire struct {
	name string
	all  *[]delivered // of all listeners, in order
	fail *bool        // sending fails
}

// delivered is a message the engine sent.
type delivered struct {
	listener string
	pkt      []byte
	to       netip.AddrPort
}

var errWire = errors.New("the wire is cut")

func (g wire) Name() string                                          { return g.name }
func (g wire) Workers() int                                          { return 0 }
func (g wire) Close() error                                          { return nil }
func (g wire) serve(int, func([]byte, netip.AddrPort, uint32)) error { return nil }

// One connection stands, the caller's, as long as sending works.
func (g wire) sendFlow(pkt []byte, flow uint32) error {
	if flow != benchFlow {
		return errWire
	}
	return g.Send(pkt, benchCaller)
}

func (g wire) peer(flow uint32) (netip.AddrPort, bool) {
	return benchCaller, flow == benchFlow && !*g.fail
}

func (g wire) stats(*ListenerStats)                           {}
func (g wire) files(func(int, *os.File, error) error) error   { return nil }
func (g wire) adopted() int                                   { return 0 }
func (g wire) finish() error                                  { return nil }
func (g wire) backlogs(dst []listen.Backlog) []listen.Backlog { return dst }
func (g wire) Send(pkt []byte, to netip.AddrPort) error {
	if *g.fail {
		return errWire
	}
	if len(*g.all) < maxDelivered {
		*g.all = append(*g.all, delivered{g.name, bytes.Clone(pkt), to})
	}
	return nil
}

// maxDelivered bounds what one input makes the test remember.
const maxDelivered = 300

// bench is an engine that is driven by hand: messages by handle, time by moving its
// start into the past.
type bench struct {
	e    *Engine
	w    *worker
	sent []delivered
	fail bool

	sweep *sweeper
}

// benchFlow is the connection of the caller over a WebSocket.
const benchFlow = 7

// Parties of the bench: the listeners admit them and nobody else.
var (
	benchCaller  = netip.MustParseAddrPort("192.0.2.10:5060")
	benchCallees = []netip.AddrPort{netip.MustParseAddrPort("198.51.100.1:5060"), netip.MustParseAddrPort("198.51.100.2:5060"), netip.MustParseAddrPort("198.51.100.3:5060")}
)

func newBench(t testing.TB) *bench {
	t.Helper()
	listener := func(name, transport, address, source string) runtime.Listener {
		return runtime.Listener{Name: name, Transport: transport, Address: netip.MustParseAddrPort(address), Workers: 1, MaxMessage: 65507, Sources: []netip.Prefix{netip.MustParsePrefix(source)}}
	}
	destination := func(i int, on string) runtime.Destination {
		return runtime.Destination{Name: "d" + string(rune('1'+i)), URI: "sip:" + benchCallees[i].String(), Address: benchCallees[i], Listener: on, MaxCalls: 3}
	}
	cfg := &runtime.Appliance{
		Listeners: []runtime.Listener{
			listener("out", "udp", "192.0.2.1:5060", "192.0.2.0/24"), listener("in", "udp", "198.51.100.254:5060", "198.51.100.0/24"),
			listener("tcp", "tcp", "198.51.100.254:5060", "198.51.100.0/24"), listener("web", "ws", "192.0.2.1:80", "192.0.2.0/24"),
		},
		Transaction: runtime.Transaction{T1: duration(500 * time.Millisecond), T2: duration(4 * time.Second), ReplyTimeout: duration(5 * time.Second),
			InviteTimeout: duration(30 * time.Second), Wait: duration(5 * time.Second), CallLifetime: duration(5 * time.Minute)},
		// Small, so that an input of few steps comes to every bound.
		State:   runtime.State{Transactions: 16, MessageBytes: 64 << 10, Calls: 8, HighWater: 0.9},
		Limits:  runtime.Limits{CPS: 100, Burst: 6, ConcurrentCalls: 7},
		Session: &runtime.Session{MinSE: duration(90 * time.Second), Expires: duration(100 * time.Second), Insert: true},
		Routes:  []runtime.Route{{Name: "all", To: []string{"core", "overflow"}}},
		Dispatchers: []runtime.Dispatcher{
			{Name: "core", ID: 1, Algorithm: "call-load", Failover: runtime.Failover{On: []runtime.CodeSpan{{First: 500, Last: 699}}, OnTimeout: true, Never: []int{603}},
				Destinations: []runtime.Destination{destination(0, "in"), destination(1, "tcp")}},
			{Name: "overflow", ID: 2, Algorithm: runtime.AlgorithmRoundRobin, Destinations: []runtime.Destination{destination(2, "in")}},
		},
	}
	b := &bench{e: newEngine(t, cfg)}
	for _, l := range cfg.Listeners {
		b.e.groups = append(b.e.groups, wire{l.Name, &b.sent, &b.fail})
	}
	b.w, b.sweep = b.e.newWorker(), newSweeper(b.e.timerWorker)
	return b
}

// pass lets time go by as the goroutine of the timers would see it.
func (b *bench) pass(d time.Duration) {
	for d > 0 {
		step := min(d, 500*time.Millisecond)
		d -= step
		b.e.start = b.e.start.Add(-step)
		b.e.timerWorker.moveLost()
		b.e.table.Advance(b.e.now(), b.e.timerWorker.fire)
		for range b.e.calls.Capacity() { // each looks at one row
			b.sweep.turn()
		}
		b.e.expireCalls()
	}
}

// receive hands a message to the engine as one from a party's side.
func (b *bench) receive(listener int, pkt []byte, src netip.AddrPort) {
	b.w.flow = 0
	if b.e.dir.faces[listener].transport == "ws" {
		b.w.flow = benchFlow
	}
	b.w.handle(b.e.dir.faces[listener], bytes.Clone(pkt), src)
}

// program is what an input does, read byte by byte; past its end there are zeros.
type program struct{ b []byte }

func (p *program) next() int {
	if len(p.b) == 0 {
		return 0
	}
	x := p.b[0]
	p.b = p.b[1:]
	return int(x)
}

// benchRequest is a request of the caller: call and branch are small numbers, so that
// inputs come to repeat them.
func benchRequest(method string, call, branch, cseq int, toTag string, routes []string) []byte {
	c := caller{agent: &agent{addr: benchCaller}, callID: "call" + string(rune('a'+call%5)), tag: "from", uri: "sip:+4930@192.0.2.1:5060", toTag: toTag, routes: routes}
	if toTag != "" {
		c.uri = "sip:bob@" + benchCallees[call%3].String()
	}
	timer := []string{"", "Supported: timer\r\n", "Supported: timer\r\nSession-Expires: 90\r\n", "x: 5\r\n"}[branch/12%4]
	return []byte(c.build(method, "z9hG4bK-"+string(rune('a'+branch%12)), cseq, timer, ""))
}

// benchRoutes is the route set of a dialog, from the Record-Route of what was forwarded.
func benchRoutes(pkt []byte) []string {
	var out []string
	for _, r := range parseMsg(string(pkt)).all("Record-Route") {
		out = append([]string{r}, out...)
	}
	return out
}

// callerSide is the listener that the caller uses: over UDP or a WebSocket.
func callerSide(op int) int { return []int{0, 3}[op/10%2] }

// step does one thing the input asks for.
func (b *bench) step(p *program) {
	op := p.next()
	switch op % 10 {
	case 0: // a request that begins something
		methods := []string{"INVITE", "INVITE", "INVITE", "OPTIONS", "MESSAGE", "SUBSCRIBE", "CANCEL", "ACK", "BYE", "\x01"}
		b.receive(callerSide(op), benchRequest(methods[p.next()%len(methods)], p.next(), p.next(), 1, "", nil), benchCaller)
	case 1: // a reply to something the engine sent, or again
		codes := []int{100, 180, 183, 200, 200, 302, 404, 407, 486, 487, 500, 503, 603, 699, 199}
		if len(b.sent) == 0 {
			return
		}
		d := b.sent[len(b.sent)-1-p.next()%len(b.sent)]
		var v message.View
		if v.Parse(d.pkt) != nil || !v.IsRequest() {
			return
		}
		n := p.next()
		extra := "Contact: <sip:bob@" + d.to.String() + ">\r\n"
		if n/len(codes)%2 == 1 {
			extra += "Session-Expires: 90;refresher=uac\r\n"
		}
		if n/len(codes)/2%2 == 0 {
			for _, route := range parseMsg(string(d.pkt)).all("Record-Route") {
				extra += "Record-Route: " + route + "\r\n"
			}
		}
		r := message.AppendReply(nil, &v, message.ReplyParams{Status: codes[n%len(codes)], ToTag: []byte("to"), Extra: []byte(extra)})
		b.receive(b.listener(d), r, d.to)
	case 2: // a request within a dialog
		methods := []string{"ACK", "ACK", "BYE", "BYE", "INVITE", "UPDATE", "CANCEL", "INFO"}
		var routes []string
		if n := p.next(); len(b.sent) > 0 && n%4 != 0 {
			routes = benchRoutes(b.sent[len(b.sent)-1-n%len(b.sent)].pkt)
		}
		b.receive(callerSide(op), benchRequest(methods[p.next()%len(methods)], p.next(), p.next(), 2, "to", routes), benchCaller)
	case 3: // the callee hangs up
		var routes []string
		if len(b.sent) > 0 && op >= 10 {
			routes = benchRoutes(b.sent[len(b.sent)-1-p.next()%len(b.sent)].pkt)
			slices.Reverse(routes)
		}
		m := benchRequest("BYE", p.next(), p.next(), 3, "from", routes)
		m = bytes.Replace(m, []byte(";tag=from\r\nTo:"), []byte(";tag=to\r\nTo:"), 1)
		b.receive(1, m, benchCallees[0])
	case 4: // time
		b.pass(time.Duration(p.next()+1) * 100 * time.Millisecond)
	case 5: // something the engine sent comes back, damaged or not, from either side
		if len(b.sent) == 0 {
			return
		}
		pkt := bytes.Clone(b.sent[len(b.sent)-1-p.next()%len(b.sent)].pkt)
		for n := p.next() % 4; n > 0 && len(pkt) > 0; n-- {
			pkt[(p.next()<<8|p.next())%len(pkt)] = byte(p.next())
		}
		if from := p.next(); from%2 == 0 {
			b.receive(callerSide(op), pkt, benchCaller)
		} else {
			b.receive(1+from/2%2, pkt, benchCallees[from%3])
		}
	case 6: // bytes of the input's own
		n := min(p.next()|p.next()<<8&0xf00, len(p.b))
		b.receive(0, p.b[:n], benchCaller)
		p.b = p.b[n:]
	case 7: // a connection ends
		b.e.lost.add(b.e.dir.endpoint(benchCallees[1], 2))
		if op >= 10 {
			b.e.connectionEnded(3, benchCaller, benchFlow, false)
		}
		b.pass(tick)
	case 8: // sending fails from now on, or works again
		b.fail = !b.fail
	case 9: // a destination fails or comes back
		_ = b.e.SetDestinationState("core", "d"+string(rune('1'+p.next()%2)), []string{"active", "inactive", "disabled"}[p.next()%3])
	}
}

func (b *bench) listener(d delivered) int {
	for i, f := range b.e.dir.faces {
		if f.name == d.listener {
			return i
		}
	}
	return 0
}

// Whatever happens in whatever order, the engine goes on; and when time has passed,
// no call, no transaction, no byte of a message and no place anywhere is left, and
// every call admitted has ended once.
func FuzzEngine(f *testing.F) {
	f.Add([]byte{0, 0, 1, 1, 1, 0, 1, 1, 0, 3, 2, 1, 0, 1, 2, 2, 1, 2, 1, 3, 1, 0, 3})            // a call, answered, ended
	f.Add([]byte{0, 0, 1, 1, 1, 0, 1, 0, 6, 1, 1, 1, 0, 4, 1, 1, 9})                              // cancelled
	f.Add([]byte{0, 0, 1, 1, 4, 60, 4, 200, 4, 200})                                              // nobody answers
	f.Add([]byte{0, 0, 1, 1, 1, 0, 10, 1, 0, 11, 1, 0, 8, 4, 9})                                  // failover, refused
	f.Add([]byte{8, 0, 0, 1, 1, 8, 0, 0, 2, 2, 7, 0, 0, 3, 3, 7, 4, 100})                         // transport fails
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 4, 255}) // one call's key many times
	f.Add([]byte{10, 0, 1, 1, 1, 0, 1, 1, 0, 3, 12, 1, 0, 1, 2, 13, 2, 1, 1, 1, 0, 3})            // over a WebSocket, hung up by the callee
	f.Add([]byte{10, 0, 1, 1, 1, 0, 3, 13, 1, 1, 1, 17, 8, 13, 1, 1, 2, 8})                       // whose connection ends
	f.Add([]byte{0, 0, 1, 1, 1, 0, 3, 4, 255, 4, 255, 4, 255, 4, 255, 1, 0, 3, 1, 1, 3})          // answered, and its session expires
	f.Add([]byte{0, 0, 1, 25, 1, 0, 18, 4, 255, 2, 1, 5, 1, 26, 1, 0, 3, 4, 255, 4, 255, 4, 255}) // refreshed
	f.Add([]byte{10, 0, 1, 13, 1, 0, 3, 17, 4, 255, 4, 255, 4, 255, 4, 255, 8, 4, 255})           // over a WebSocket that has ended
	f.Add(append([]byte{6, 150, 1}, benchRequest("INVITE", 0, 0, 1, "", nil)...))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > 4096 {
			return
		}
		b := newBench(t)
		p := &program{in}
		for n := 0; len(p.b) > 0 && n < 200; n++ {
			b.step(p)
		}
		st := b.e.Stats()
		// Each call holds one place under the limit, and at most one at a destination.
		if st.Concurrent.Live != st.Calls.Live || int64(sumCalls(st)) > st.Calls.Live {
			t.Fatalf("%d calls hold %d places at destinations and %d under the limit", st.Calls.Live, sumCalls(st), st.Concurrent.Live)
		}
		b.pass(3 * time.Minute)
		b.e.start = b.e.start.Add(-3 * time.Minute)
		b.pass(time.Minute)
		st = b.e.Stats()
		if st.Calls.Live != 0 || st.Transactions.Live != 0 || st.Transactions.Bytes != 0 || st.Concurrent.Live != 0 || sumCalls(st) != 0 {
			t.Fatalf("left: %d calls, %d transactions with %d bytes, %d under the limit, %d places at destinations",
				st.Calls.Live, st.Transactions.Live, st.Transactions.Bytes, st.Concurrent.Live, sumCalls(st))
		}
		if st.Dialogs.Kept != 0 || st.Dialogs.Bytes != 0 {
			t.Fatalf("left: %d dialogs with %d bytes", st.Dialogs.Kept, st.Dialogs.Bytes)
		}
		var ended uint64
		for _, n := range st.Calls.Ended {
			ended += n
		}
		if ended != st.Counters["calls"] {
			t.Fatalf("%d calls admitted, %d ended: %v", st.Counters["calls"], ended, st.Calls.Ended)
		}
	})
}

func sumCalls(s Stats) (n int) {
	for _, d := range s.Destinations {
		n += int(d.Calls)
	}
	return n
}
