package testcall

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"trunkline/image/vm/wire"
)

// The agents call each other directly here; with an appliance between them they
// are used by ci/e2e and by `trunkline boot -call`.

func network(t *testing.T) *wire.Wire {
	t.Helper()
	w, err := wire.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func TestDirectCall(t *testing.T) {
	for _, tt := range []struct{ name, from, to string }{
		{"IPv4", "198.51.100.1:5060", "10.0.0.11:5060"},
		{"IPv6", "[2001:db8::1]:5060", "[2001:db8::11]:5062"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := network(t)
			to := netip.MustParseAddrPort(tt.to)
			d, err := Answer(w, []netip.AddrPort{to})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			r, err := Place(ctx, w, Call{From: netip.MustParseAddrPort(tt.from), To: to, Hold: time.Millisecond}, d)
			if err != nil {
				t.Fatal(err)
			}
			if r.Destination != to || r.Ringing <= 0 || r.Answered < r.Ringing || r.Ended <= 0 {
				t.Errorf("result %+v", r)
			}
		})
	}
}

// peer answers each request with what script says; "" drops it.
func peer(t *testing.T, w *wire.Wire, at string, script func(*sip.Request) string) {
	t.Helper()
	conn, err := w.ListenPacket(netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		b := make([]byte, 1<<16)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			msg, err := sip.ParseMessage(b[:n])
			if err != nil {
				continue
			}
			if req, ok := msg.(*sip.Request); ok {
				if text := script(req); text != "" {
					_, _ = conn.WriteTo([]byte(text), from)
				}
			}
		}
	}()
}

func TestFailuresSayWhy(t *testing.T) {
	reply := func(req *sip.Request, code int, reason string) string {
		return sip.NewResponseFromRequest(req, code, reason, nil).String()
	}
	acked := make(chan string, 8)
	for _, tt := range []struct {
		name   string
		script func(*sip.Request) string
		wait   time.Duration
		want   string
	}{
		{"silence", func(*sip.Request) string { return "" }, time.Second, "nothing came back"},
		{"only trying", func(r *sip.Request) string { return reply(r, 100, "Trying") }, 3 * time.Second, "last reply was 100 Trying"},
		{"refused", func(r *sip.Request) string {
			if r.IsAck() {
				acked <- r.Via().Value()
				return ""
			}
			return reply(r, 503, "Service Unavailable")
		}, time.Minute, "INVITE refused: 503 Service Unavailable"},
		{"no contact", func(r *sip.Request) string { return reply(r, 200, "OK") }, time.Minute, "no Contact"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := network(t)
			peer(t, w, "203.0.113.10:5060", tt.script)
			ctx, cancel := context.WithTimeout(context.Background(), tt.wait)
			defer cancel()
			_, err := Place(ctx, w, Call{
				From: netip.MustParseAddrPort("198.51.100.1:5060"), To: netip.MustParseAddrPort("203.0.113.10:5060"),
			}, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if !strings.Contains(tt.want, "refused") {
				return
			}
			// The network ends with this test: the ACK has to be in before.
			select {
			case via := <-acked:
				if !strings.Contains(via, "branch=z9hG4bK") {
					t.Errorf("ACK of a refusal has Via %q", via)
				}
			case <-time.After(time.Minute):
				t.Error("a refusal was not acknowledged")
			}
		})
	}
}

func TestRouteSet(t *testing.T) {
	ok := "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 198.51.100.1:5060;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\n" +
		"Call-ID: x\r\nCSeq: 1 INVITE\r\nContact: <sip:callee@10.0.0.11:5060>\r\n" +
		"Record-Route: <sip:203.0.113.11:5060;lr>\r\nRecord-Route: <sip:203.0.113.10:5070;lr;x=1>\r\nContent-Length: 0\r\n\r\n"
	msg, err := sip.ParseMessage([]byte(ok))
	if err != nil {
		t.Fatal(err)
	}
	u := &caller{c: Call{From: netip.MustParseAddrPort("198.51.100.1:5060"), To: netip.MustParseAddrPort("203.0.113.10:5060")}, callID: "x", tag: "1"}
	u.hop = u.c.To
	if err := u.establish(msg.(*sip.Response)); err != nil {
		t.Fatal(err)
	}
	ack := string(u.ack)
	want := "Route: <sip:203.0.113.10:5070;lr;x=1>\r\nRoute: <sip:203.0.113.11:5060;lr>\r\n"
	if !strings.HasPrefix(ack, "ACK sip:callee@10.0.0.11:5060 SIP/2.0\r\n") || !strings.Contains(ack, want) || !strings.Contains(ack, "To: <sip:c@d>;tag=2\r\n") {
		t.Errorf("ACK:\n%s", ack)
	}
	if u.hop != netip.MustParseAddrPort("203.0.113.10:5070") {
		t.Errorf("next hop %s", u.hop)
	}
}

func TestProbesAreAnswered(t *testing.T) {
	w := network(t)
	at := netip.MustParseAddrPort("10.0.0.11:5060")
	d, err := Answer(w, []netip.AddrPort{at})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c, err := w.ListenPacket(netip.MustParseAddrPort("203.0.113.11:5060"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	options := "OPTIONS sip:10.0.0.11:5060 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.11:5060;branch=z9hG4bKp\r\nMax-Forwards: 70\r\n" +
		"From: <sip:t@203.0.113.11>;tag=1\r\nTo: <sip:10.0.0.11>\r\nCall-ID: p\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
	if _, err := c.WriteTo([]byte(options), net.UDPAddrFromAddrPort(at)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	c.SetReadDeadline(time.Now().Add(time.Minute))
	n, _, err := c.ReadFrom(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), "SIP/2.0 200 OK\r\n") || d.Probes() != 1 {
		t.Errorf("%q, %v, %d probes", b[:n], err, d.Probes())
	}
}
