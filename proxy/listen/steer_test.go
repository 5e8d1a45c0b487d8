package listen

import (
	"encoding/binary"
	"fmt"
	"net"
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
// them work. Each call is handled by one worker, one packet at a time and in order,
// however many sockets packets come in by.
func TestSteering(t *testing.T) {
	const workers, calls, rounds = 4, 40, 60
	for _, c := range []struct {
		name    string
		key     func([]byte) []byte
		senders int
		busy    int // workers that must have had work; 0: whatever the kernel makes of it
	}{
		{"plain, one sender", nil, 1, 1},
		{"plain, many senders", nil, 16, 0},
		{"steered, one sender", firstBytes, 1, workers},
		{"steered, many senders", firstBytes, 16, workers},
	} {
		t.Run(c.name, func(t *testing.T) {
			var (
				inside [workers]atomic.Int64
				seen   [workers]atomic.Int64
				mu     sync.Mutex
				next   [calls]uint32
				at     [calls]int
				total  atomic.Int64
			)
			g := serveWith(t, config(workers), Options{Key: c.key}, func(w int, p []byte, _ netip.AddrPort) {
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
			var from []*net.UDPConn
			for range c.senders {
				from = append(from, client(t, "127.0.30.2"))
			}
			pkt := make([]byte, 400)
			sent, due := int64(0), [calls]uint32{}
			for round := range rounds {
				for call := range calls { // call 0 has no key
					for range 1 + (round+call)%3 { // back to back
						binary.BigEndian.PutUint32(pkt, uint32(call))
						binary.BigEndian.PutUint32(pkt[4:], due[call])
						due[call]++
						sent++
						if _, err := from[call%c.senders].WriteToUDPAddrPort(pkt, g.Address()); err != nil {
							t.Fatal(err)
						}
					}
					if call%7 == round%7 { // bursts of all lengths, and never more than a socket holds
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
			if c.busy != 0 && busy != c.busy {
				t.Errorf("%d workers had work, want %d", busy, c.busy)
			}
			st, err := g.Stats()
			if err != nil {
				t.Fatal(err)
			}
			var over, in uint64
			for _, s := range st {
				over, in = over+s.HandedOver, in+s.Packets
			}
			if int64(in) != sent || (c.key != nil) != (over > 0) {
				t.Errorf("%d packets of %d, %d handed over", in, sent, over)
			}
		})
	}
}

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !done(); runtime.Gosched() {
		if time.Now().After(until) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// A worker that stands still does not lose what belongs to it, nor its order: it waits in
// the queue, then in the sockets.
func TestSteeringWaitsForABusyWorker(t *testing.T) {
	block := make(chan struct{})
	var total, bytes atomic.Int64
	var once sync.Once
	var next [51]atomic.Uint32
	l := config(2)
	l.RecvBuffer = 8 << 20
	g := serveWith(t, l, Options{Key: firstBytes}, func(_ int, p []byte, _ netip.AddrPort) {
		once.Do(func() { <-block })
		call, n := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
		if due := next[call].Swap(n + 1); due != n {
			t.Errorf("call %d: packet %d came when %d was due", call, n, due)
		}
		total.Add(1)
		bytes.Add(int64(len(p)))
	})
	c := client(t, "127.0.30.2")
	pkt := make([]byte, 200)
	const n = 3 * pilePackets
	for i := range uint32(n) {
		binary.BigEndian.PutUint32(pkt, i%50+1)
		binary.BigEndian.PutUint32(pkt[4:], i/50)
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

// A worker that finds its own lane taken by another waits for it, and does not take the
// next packet of the call first when the lane has become free meanwhile.
func TestSteeringKeepsOrderWhereALaneIsTaken(t *testing.T) {
	for range 100 {
		started, free := make(chan struct{}), make(chan struct{})
		calls := 0
		st := newSteering(2, func(p []byte) []byte {
			if calls++; calls == 1 {
				close(started)
			} else {
				<-free
			}
			return nil
		})
		var got []byte
		l := st.lanes[0]
		l.h = func(p []byte, _ netip.AddrPort) { got = append(got, p...) }
		b := newBatch(8)
		for i := range 2 {
			b.msgs[i].n = 1
			b.packet(i)[0] = byte('a' + i)
			b.msgs[i].hdr.Namelen, _ = b.from[i].set(netip.MustParseAddrPort("192.0.2.1:5060"), false)
		}
		l.handling.Lock()
		go func() {
			<-started
			l.handling.Unlock()
			close(free)
		}()
		var to [batchSize]int
		st.share(b, 2, 0, &to)
		if string(got) != "ab" {
			t.Fatalf("handled in the order %q", got)
		}
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
