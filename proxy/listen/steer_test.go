package listen

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestCallID(t *testing.T) {
	for _, c := range []struct{ name, msg, want string }{
		{"long form", "INVITE sip:a SIP/2.0\r\nVia: x\r\nCall-ID: a@b\r\nCSeq: 1 INVITE\r\n\r\n", "a@b"},
		{"compact form", "SIP/2.0 200 OK\r\nv: x\r\ni:a@b\r\n\r\n", "a@b"},
		{"any case, spaces", "SIP/2.0 200 OK\r\nCALL-id \t :  a@b \r\n\r\n", "a@b"},
		{"line ends without CR", "SIP/2.0 200 OK\nCall-ID: a@b\n\n", "a@b"},
		{"the last line", "SIP/2.0 200 OK\r\nCall-ID: a@b", "a@b"},
		{"others that begin alike", "SIP/2.0 200 OK\r\nCall-Info: x\r\nIdentity: y\r\nCall-ID: a@b\r\n\r\n", "a@b"},
		{"in the body alone", "SIP/2.0 200 OK\r\nVia: x\r\n\r\nCall-ID: a@b\r\n", ""},
		{"in the start line alone", "Call-ID: a@b\r\nVia: x\r\n\r\n", ""},
		{"empty", "SIP/2.0 200 OK\r\nCall-ID: \r\n\r\n", ""},
		{"cut off", "SIP/2.0 200 OK\r\nCall-ID", ""},
		{"nothing", "", ""},
		{"keep-alive", "\r\n\r\n", ""},
	} {
		if got := string(CallID([]byte(c.msg))); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// firstBytes is a key of four bytes; a packet that begins with zero has none.
func firstBytes(p []byte) []byte {
	if len(p) < 8 || binary.BigEndian.Uint32(p) == 0 {
		return nil
	}
	return p[:4]
}

// One sender with one port: without steering one worker does everything; with it all of
// them work, each call at one of them, one packet at a time and in order.
func TestSteering(t *testing.T) {
	const workers, calls, rounds = 4, 40, 60
	for _, steer := range []bool{false, true} {
		var (
			inside [workers]atomic.Int64
			seen   [workers]atomic.Int64
			mu     sync.Mutex
			next   [calls + 1]uint32
			at     [calls + 1]int
			total  atomic.Int64
		)
		o := Options{}
		if steer {
			o.Key = firstBytes
		}
		g := serveWith(t, config(workers), o, func(w int, p []byte, _ netip.AddrPort) {
			if inside[w].Add(1) != 1 {
				t.Errorf("worker %d handles two packets at a time", w)
			}
			runtime.Gosched() // lets the others in, should they try
			seen[w].Add(1)
			call, n := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
			mu.Lock()
			if n != next[call] {
				t.Errorf("call %d: packet %d came when %d was due", call, n, next[call])
			}
			next[call] = n + 1
			if n == 0 {
				at[call] = w
			} else if at[call] != w {
				t.Errorf("call %d moved from worker %d to %d", call, at[call], w)
			}
			mu.Unlock()
			inside[w].Add(-1)
			total.Add(1)
		})
		c := client(t, "127.0.30.2")
		pkt := make([]byte, 400)
		sent := int64(0)
		for n := range uint32(rounds) {
			for call := range uint32(calls + 1) { // 0 has no key
				binary.BigEndian.PutUint32(pkt, call)
				binary.BigEndian.PutUint32(pkt[4:], n)
				if _, err := c.WriteToUDPAddrPort(pkt, g.Address()); err != nil {
					t.Fatal(err)
				}
				sent++
				if call%7 == n%7 { // bursts of all lengths, and never more than the socket holds
					await(t, "packets handled", func() bool { return total.Load() == sent })
				}
			}
		}
		await(t, "packets handled", func() bool { return total.Load() == sent })
		busy := 0
		for i := range seen {
			if seen[i].Load() > 0 {
				busy++
			}
		}
		if want := map[bool]int{false: 1, true: workers}[steer]; busy != want {
			t.Errorf("steering %v: %d workers had work, want %d", steer, busy, want)
		}
		st, err := g.Stats()
		if err != nil {
			t.Fatal(err)
		}
		var over, in uint64
		for _, s := range st {
			over, in = over+s.HandedOver, in+s.Packets
		}
		if int64(in) != sent || steer != (over > 0) {
			t.Errorf("steering %v: %d packets of %d, %d handed over", steer, in, sent, over)
		}
	}
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); !done(); runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A worker that stands still does not lose what belongs to it: it waits in the queue,
// then in the sockets.
func TestSteeringWaitsForABusyWorker(t *testing.T) {
	block := make(chan struct{})
	var total, bytes atomic.Int64
	var once sync.Once
	l := config(2)
	l.RecvBuffer = 8 << 20
	g := serveWith(t, l, Options{Key: firstBytes}, func(_ int, p []byte, _ netip.AddrPort) {
		once.Do(func() { <-block })
		total.Add(1)
		bytes.Add(int64(len(p)))
	})
	c := client(t, "127.0.30.2")
	pkt := make([]byte, 200)
	const n = 3 * pilePackets
	for i := range uint32(n) {
		binary.BigEndian.PutUint32(pkt, i+1)
		if _, err := c.WriteToUDPAddrPort(pkt, g.Address()); err != nil {
			t.Fatal(err)
		}
	}
	close(block)
	await(t, "all packets", func() bool { return total.Load() == n })
	if bytes.Load() != n*200 {
		t.Errorf("%d bytes in %d packets of 200", bytes.Load(), n)
	}
}

// Close while some workers never came to serve ends those that did.
func TestSteeringEndsBeforeAllServe(t *testing.T) {
	g, err := Open(config(3), Options{Key: CallID})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 2)
	for i := range 2 {
		go func() { done <- g.Serve(i, func([]byte, netip.AddrPort) {}) }()
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// The queue keeps order and length, refuses what has no room, and is reused.
func TestQueue(t *testing.T) {
	q, out := queue{in: newPile()}, newPile()
	src := netip.MustParseAddrPort("192.0.2.1:5060")
	for round := range 3 {
		n := 0
		for q.put(fmt.Appendf(nil, "%d", n), src) {
			n++
		}
		if n != pilePackets {
			t.Fatalf("round %d: %d packets fit, want %d", round, n, pilePackets)
		}
		if !q.swap(&out) {
			t.Fatal("nothing there")
		}
		i := 0
		out.each(func(p []byte, from netip.AddrPort) {
			if string(p) != fmt.Sprint(i) || from != src {
				t.Fatalf("packet %d is %q from %v", i, p, from)
			}
			i++
		})
		if i != n || q.swap(&out) {
			t.Fatalf("%d packets of %d came out", i, n)
		}
	}
	for n := 0; ; n++ {
		if !q.put(make([]byte, DefaultMaxMessage), src) {
			if n != pileBytes/DefaultMaxMessage {
				t.Errorf("%d large packets fit", n)
			}
			break
		}
	}
}

func BenchmarkCallID(b *testing.B) {
	msg := []byte("INVITE sip:+49301@127.0.0.2:5060;user=phone SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.10:5060;branch=z9hG4bK-1-1-0;rport\r\n" +
		"Max-Forwards: 70\r\nFrom: \"Alice Example\" <sip:+4989123456@127.0.0.10:5060;user=phone>;tag=1uac1\r\n" +
		"To: <sip:+49301@127.0.0.2:5060;user=phone>\r\nCall-ID: 1-1@127.0.0.10\r\nCSeq: 1 INVITE\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if CallID(msg) == nil {
			b.Fatal("none")
		}
	}
}
