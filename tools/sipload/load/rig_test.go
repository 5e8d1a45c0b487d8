package load

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/tools/sipload/agent"
	"trunkline/tools/sipload/result"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// patient timers never retransmit only because the machine is slow.
var patient = agent.Timers{T1: 20 * time.Second, T2: 40 * time.Second}

// hasty timers make up for what a relay loses.
var hasty = agent.Timers{T1: 60 * time.Millisecond, T2: 240 * time.Millisecond}

// straight places calls from 127.0.140.N to an answering side in the same process.
func straight(n string) Options {
	return Options{
		Target: ap("127.0.140." + n + ":5061"), Caller: ap("127.0.140." + n + ":0"), Callees: []netip.AddrPort{ap("127.0.140." + n + ":5061")}, Timers: patient,
	}
}

func measure(t *testing.T, o Options, s Step) *result.Run {
	t.Helper()
	e, err := Open(o, s.Rate, s.Total())
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	r, err := e.Run(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func wantClean(t *testing.T, r *result.Run) {
	t.Helper()
	if !r.Clean() {
		t.Errorf("problems: %q\n%s", r.Problems, strings.Join(r.Samples, "\n---\n"))
	}
}

// relay passes datagrams between a caller and a callee and stands in the callee's
// place: where messages name the callee's address they name its own instead, which
// is as long. do sees every datagram; down tells those to the callee.
type relay struct {
	front, back *net.UDPConn
	near, far   []byte // the addresses' texts
	do          func(down bool, b []byte, pass func([]byte))
	mu          sync.Mutex
	caller      netip.AddrPort
	wg          sync.WaitGroup
}

// startRelay relays from at to callee until the test ends.
func startRelay(t *testing.T, at, callee netip.AddrPort, do func(down bool, b []byte, pass func([]byte))) {
	t.Helper()
	open := func(a netip.AddrPort) *net.UDPConn {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadBuffer(4 << 20); err != nil {
			t.Fatal(err)
		}
		return c
	}
	if len(at.String()) != len(callee.String()) {
		t.Fatalf("%v and %v differ in length", at, callee)
	}
	r := &relay{front: open(at), back: open(netip.AddrPortFrom(at.Addr(), 0)), near: []byte(at.String()), far: []byte(callee.String()), do: do}
	pump := func(in *net.UDPConn, down bool) {
		defer r.wg.Done()
		buf := make([]byte, 1<<16)
		for {
			n, from, err := in.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			r.mu.Lock()
			if down {
				r.caller = from
				do(true, bytes.ReplaceAll(buf[:n], r.near, r.far), func(b []byte) { _, _ = r.back.WriteToUDPAddrPort(b, callee) })
			} else {
				do(false, bytes.ReplaceAll(buf[:n], r.far, r.near), func(b []byte) { _, _ = r.front.WriteToUDPAddrPort(b, r.caller) })
			}
			r.mu.Unlock()
		}
	}
	r.wg.Add(2)
	go pump(r.front, true)
	go pump(r.back, false)
	t.Cleanup(func() {
		r.front.Close()
		r.back.Close()
		r.wg.Wait()
	})
}

// relayed places calls through a relay.
func relayed(t *testing.T, n string, timers agent.Timers, do func(down bool, b []byte, pass func([]byte))) Options {
	t.Helper()
	o := straight(n)
	o.Timers = timers
	o.Target = ap("127.0.141." + n + ":5061")
	startRelay(t, o.Target, o.Callees[0], do)
	return o
}
