package resolve

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestServers asks real servers that are not well.
func TestServers(t *testing.T) {
	many := func() []string {
		var out []string
		for i := range 100 { // about 1.6 kB, beyond the payload told with EDNS0
			out = append(out, fmt.Sprintf("a.example. 300 A 192.0.2.%d", i+1))
		}
		return out
	}
	one := []string{"a.example. 300 A 192.0.2.1"}
	tests := []struct {
		name    string
		records []string
		first   func(*zone) // what ails the first server; nil: there is one server alone
		second  func(*zone)
		targets int
		asked   []string // the questions to the first server
		err     string
		check   func(*testing.T, Stats)
	}{
		{name: "well", records: one, targets: 1, asked: []string{"udp a.example. A"}},
		{name: "truncated, asked again over TCP", records: many(), targets: MaxTargets,
			asked: []string{"udp a.example. A", "tcp a.example. A"},
			check: func(t *testing.T, s Stats) {
				if s.Truncated != 1 || s.Cut == 0 {
					t.Errorf("%d answers truncated, %d records cut", s.Truncated, s.Cut)
				}
			}},
		{name: "without EDNS0", records: one, second: func(z *zone) { z.noEDNS = true }, targets: 1},
		{name: "the first fails, the second answers", records: one, first: func(z *zone) { z.rcode["*"] = dns.RcodeServerFailure }, targets: 1,
			check: func(t *testing.T, s Stats) {
				if s.Failures != 1 {
					t.Errorf("%d failures, want 1", s.Failures)
				}
			}},
		{name: "the first refuses, the second answers", records: one, first: func(z *zone) { z.rcode["*"] = dns.RcodeRefused }, targets: 1},
		{name: "the first is no resolver", records: one, targets: 1, first: func(z *zone) {
			z.alter = func(r *dns.Msg) {
				r.Answer, r.Ns = nil, []dns.RR{&dns.NS{Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 60}, Ns: "ns.example."}}
			}
		}, err: "it is no resolver"},
		{name: "all fail", records: one, first: func(z *zone) { z.rcode["*"] = dns.RcodeServerFailure }, second: func(z *zone) { z.rcode["*"] = dns.RcodeRefused },
			err: "server 127.0.51.2: it says SERVFAIL; server 127.0.51.3: it says REFUSED"},
		{name: "an unknown code", records: one, second: func(z *zone) { z.rcode["*"] = 14 }, err: "it says code 14"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newZone(t, tt.records...), newZone(t, tt.records...)
			var servers []netip.AddrPort
			watched := b
			if tt.first != nil {
				tt.first(a)
				servers, watched = append(servers, a.serve("127.0.51.2")), a
			}
			if tt.second != nil {
				tt.second(b)
			}
			n := names(t, Options{Servers: append(servers, b.serve("127.0.51.3")), Attempts: 1})
			x := add(t, n, with(udp4("a.example"), func(q *Query) { q.Port = 5060 }))
			err := n.Warm(context.Background(), time.Hour)
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if tt.err != "" {
				return
			}
			if got := len(x.Current().Targets); got != tt.targets {
				t.Errorf("%d targets, want %d", got, tt.targets)
			}
			if tt.asked != nil && !slices.Equal(watched.questions(), tt.asked) {
				t.Errorf("questions %q, want %q", watched.questions(), tt.asked)
			}
			if tt.check != nil {
				tt.check(t, n.Stats())
			}
		})
	}
}

// TestSilentServer has a server that never answers, before one that does: its time
// passes, and the next question goes to the other at once.
func TestSilentServer(t *testing.T) {
	quiet, well := newZone(t), newZone(t, "a.example. 300 A 192.0.2.1")
	quiet.silent["*"] = true
	// Rounds enough that a machine that stands still for a moment changes nothing.
	n := names(t, Options{Servers: []netip.AddrPort{quiet.serve("127.0.51.4"), well.serve("127.0.51.5")}, Timeout: 300 * time.Millisecond, Attempts: 50})
	x := add(t, n, udp4("a.example"))
	if err := n.Warm(context.Background(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(x.Current().Targets[0].Addr); got != "192.0.2.1:5060" {
		t.Errorf("target %s", got)
	}
	if s := n.Stats(); s.Failures == 0 || s.Questions <= s.Failures {
		t.Errorf("%d failures of %d questions", s.Failures, s.Questions)
	}
}

// TestNobodyThere asks at a port nobody listens at: the kernel says so at once.
func TestNobodyThere(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.51.6:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := c.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Close()
	n := names(t, Options{Servers: []netip.AddrPort{addr}})
	add(t, n, udp4("a.example"))
	if err := n.Warm(context.Background(), time.Hour); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v", err)
	}
}

// TestForged has a server send answers to other questions and garbage before the
// true one.
func TestForged(t *testing.T) {
	tests := []struct {
		name  string
		forge func(q, r *dns.Msg)
	}{
		{"another identifier", func(q, r *dns.Msg) { r.Id++ }},
		{"another name", func(q, r *dns.Msg) { r.Question[0].Name = "b.example." }},
		{"another type", func(q, r *dns.Msg) { r.Question[0].Qtype = dns.TypeMX }},
		{"another class", func(q, r *dns.Msg) { r.Question[0].Qclass = dns.ClassCHAOS }},
		{"two questions", func(q, r *dns.Msg) { r.Question = append(r.Question, r.Question[0]) }},
		{"no question", func(q, r *dns.Msg) { r.Question = nil }},
		{"a question", func(q, r *dns.Msg) { r.Response = false }},
		{"another operation", func(q, r *dns.Msg) { r.Opcode = dns.OpcodeUpdate }},
		{"garbage", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.ListenPacket("udp", "127.0.51.7:0")
			if err != nil {
				t.Fatal(err)
			}
			ended := make(chan struct{})
			t.Cleanup(func() { c.Close(); <-ended })
			go func() {
				defer close(ended)
				answerTwice(c, tt.forge)
			}()
			n := names(t, Options{Servers: []netip.AddrPort{c.LocalAddr().(*net.UDPAddr).AddrPort()}})
			x := add(t, n, with(udp4("a.example"), func(q *Query) { q.Port = 5060 }))
			if err := n.Warm(context.Background(), time.Hour); err != nil {
				t.Fatal(err)
			}
			if got := x.Current().String(); got != "udp:192.0.2.1:5060" {
				t.Errorf("leads to %s, the forged answer was believed", got)
			}
		})
	}
}

// answerTwice answers questions with a forged answer and then the true one.
func answerTwice(c net.PacketConn, forge func(q, r *dns.Msg)) {
	buf := make([]byte, 4096)
	reply := func(q *dns.Msg, address string) *dns.Msg {
		r := new(dns.Msg)
		r.SetReply(q)
		r.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}, A: net.ParseIP(address)}}
		return r
	}
	for {
		k, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:k]) != nil {
			continue
		}
		forged := []byte("garbage that is no message")
		if forge != nil {
			r := reply(q, "203.0.113.66")
			forge(q, r)
			forged, _ = r.Pack()
		}
		_, _ = c.WriteTo(forged, from)
		b, _ := reply(q, "192.0.2.1").Pack()
		_, _ = c.WriteTo(b, from)
	}
}

// TestFirstServer goes on with the server that answered: one that fails is not asked
// before it with every question.
func TestFirstServer(t *testing.T) {
	ill, well := newZone(t), newZone(t, "a.example. 300 A 192.0.2.1")
	ill.rcode["*"] = dns.RcodeServerFailure
	n := names(t, Options{Servers: []netip.AddrPort{ill.serve("127.0.51.8"), well.serve("127.0.51.9")}})
	add(t, n, udp4("a.example"))
	if err := n.Warm(context.Background(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if a, b := len(ill.questions()), len(well.questions()); a != 1 || b != 3 {
		t.Errorf("%d questions to the one that fails, %d to the other, want 1 and 3", a, b)
	}
}

func TestNewNeedsServers(t *testing.T) {
	for _, servers := range [][]netip.AddrPort{nil, {{}}, {netip.MustParseAddrPort("10.0.0.53:0")}} {
		if _, err := New(Options{Servers: servers}); err == nil {
			t.Errorf("names of the servers %v were made", servers)
		}
	}
}
