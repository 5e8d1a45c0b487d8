package resolve

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"trunkline/appliance/runtime"
)

// udp4 is what most destinations are: any transport by its URI, a listener over UDP
// and IPv4.
func udp4(host string) Query {
	return Query{Host: host, Transports: []string{UDP}, IPv4: true}
}

func with(q Query, f func(*Query)) Query { f(&q); return q }

// shown is a result's targets as text, a line for each priority.
func shown(r *Result) []string {
	var out []string
	for _, g := range r.groups {
		var line []string
		for _, s := range g.servers {
			for _, t := range r.Targets[s.first : s.first+s.n] {
				line = append(line, t.Transport+":"+t.Addr.String())
			}
		}
		out = append(out, strings.Join(line, " "))
	}
	return out
}

// TestProcedure walks RFC 3263 section 4 against a real server.
func TestProcedure(t *testing.T) {
	base := []string{
		"a.example. 300 A 192.0.2.1",
		"b.example. 300 A 192.0.2.3", "b.example. 300 A 192.0.2.2", "b.example. 300 AAAA 2001:db8::2",
		"six.example. 300 AAAA 2001:db8::6",
		"mapped.example. 300 AAAA ::ffff:192.0.2.9",
		"srv.example. 300 A 198.51.100.1",
		"_sip._udp.srv.example. 300 SRV 20 0 5070 a.example.",
		"_sip._udp.srv.example. 300 SRV 10 5 5062 b.example.",
		"_sip._tcp.srv.example. 300 SRV 10 5 5064 a.example.",
		"_sips._tcp.srv.example. 300 SRV 10 5 5065 a.example.",
		`naptr.example. 300 NAPTR 20 10 "s" "SIP+D2U" "" _sip._udp.srv.example.`,
		`naptr.example. 300 NAPTR 10 50 "s" "SIP+D2T" "" _sip._tcp.srv.example.`,
		`naptr.example. 300 NAPTR 10 20 "s" "SIPS+D2T" "" _sips._tcp.srv.example.`,
		`naptr.example. 300 NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:x@y.example!" .`,
		`enum.example. 300 NAPTR 1 1 "u" "E2U+sip" "!^.*$!sip:x@y.example!" .`, "enum.example. 300 A 192.0.2.7",
		`flag-a.example. 300 NAPTR 1 1 "a" "SIP+D2U" "" b.example.`,
		`expression.example. 300 NAPTR 1 1 "s" "SIP+D2U" "!a!b!" .`, "expression.example. 300 A 192.0.2.7",
		`no-srv.example. 300 NAPTR 1 1 "s" "SIP+D2U" "" _sip._udp.nothing.example.`, "no-srv.example. 300 A 192.0.2.8",
		"alias.example. 300 CNAME middle.example.", "middle.example. 300 CNAME a.example.",
		"_sip._udp.off.example. 300 SRV 0 0 0 .", "off.example. 300 A 192.0.2.7",
		"_sip._udp.part.example. 300 SRV 1 0 5060 gone.example.", "_sip._udp.part.example. 300 SRV 2 0 5060 a.example.",
		"_sip._udp.zero.example. 300 SRV 1 0 0 a.example.", "_sip._udp.zero.example. 300 SRV 2 0 5060 b.example.",
		"_sip._udp.gone2.example. 300 SRV 1 0 5060 gone.example.",
		"self.example. 300 A 192.0.2.200", "self.example. 300 A 192.0.2.1",
		"strange.example. 300 A 203.0.113.5", "strange.example. 300 A 192.0.2.1", "any.example. 300 A 0.0.0.0",
		"loop.example. 300 CNAME loop2.example.", "loop2.example. 300 CNAME loop.example.",
		"text.example. 300 TXT nothing", "broken.example. 300 A 192.0.2.1",
	}
	tests := []struct {
		name  string
		q     Query
		want  []string
		asked []string // the questions, in order; nil: not compared
		err   string   // in Err
		left  string   // in Left
	}{
		{name: "address", q: udp4("192.0.2.1"), want: []string{"udp:192.0.2.1:5060"}, asked: []string{}},
		{name: "address with port", q: with(udp4("192.0.2.1"), func(q *Query) { q.Port = 5080 }), want: []string{"udp:192.0.2.1:5080"}, asked: []string{}},
		{name: "address over TLS", q: Query{Host: "2001:db8::1", Secure: true, Transports: []string{TLS}, IPv6: true}, want: []string{"tls:[2001:db8::1]:5061"}, asked: []string{}},
		{name: "port asks for addresses alone", q: with(udp4("srv.example"), func(q *Query) { q.Port = 5080 }),
			want: []string{"udp:198.51.100.1:5080"}, asked: []string{"udp srv.example. A"}},
		{name: "transport asks for SRV", q: with(udp4("srv.example"), func(q *Query) { q.Transport = UDP }),
			want:  []string{"udp:192.0.2.2:5062 udp:192.0.2.3:5062", "udp:192.0.2.1:5070"},
			asked: []string{"udp _sip._udp.srv.example. SRV", "udp b.example. A", "udp a.example. A"}},
		{name: "transport without SRV asks for addresses", q: with(udp4("a.example"), func(q *Query) { q.Transport = UDP }), want: []string{"udp:192.0.2.1:5060"}},
		{name: "neither asks for NAPTR, SRV, addresses", q: udp4("a.example"), want: []string{"udp:192.0.2.1:5060"},
			asked: []string{"udp a.example. NAPTR", "udp _sip._udp.a.example. SRV", "udp a.example. A"}},
		{name: "no NAPTR, SRV of every transport", q: Query{Host: "srv.example", Transports: []string{TCP, TLS}, IPv4: true},
			want: []string{"tcp:192.0.2.1:5064", "tls:192.0.2.1:5065"}},
		{name: "NAPTR of the listener's transport", q: udp4("naptr.example"), want: []string{"udp:192.0.2.2:5062 udp:192.0.2.3:5062", "udp:192.0.2.1:5070"}},
		{name: "NAPTR by order, then preference", q: Query{Host: "naptr.example", Transports: []string{UDP, TCP, TLS}, IPv4: true},
			want: []string{"tls:192.0.2.1:5065", "tcp:192.0.2.1:5064"}},
		{name: "sips takes TLS alone", q: Query{Host: "naptr.example", Secure: true, Transports: []string{UDP, TCP, TLS}, IPv4: true}, want: []string{"tls:192.0.2.1:5065"}},
		{name: "NAPTR about other things", q: udp4("enum.example"), want: []string{"udp:192.0.2.7:5060"}},
		{name: "NAPTR with flag a", q: udp4("flag-a.example"), want: []string{"udp:192.0.2.2:5060 udp:192.0.2.3:5060"}},
		{name: "NAPTR with an expression", q: udp4("expression.example"), err: "offers SIP+D2U by NAPTR"},
		{name: "NAPTR without its SRV", q: udp4("no-srv.example"), want: []string{"udp:192.0.2.8:5060"}},
		{name: "NAPTR of other transports", q: Query{Host: "no-srv.example", Transports: []string{TCP}, IPv4: true}, err: "its listener speaks tcp: name a listener over what is offered"},
		{name: "aliases", q: udp4("alias.example"), want: []string{"udp:192.0.2.1:5060"}},
		{name: "upper case, final dot", q: udp4("A.Example."), want: []string{"udp:192.0.2.1:5060"}},
		{name: "aliases in a circle", q: udp4("loop.example"), err: "alias of an alias"},
		{name: "no such service", q: udp4("off.example"), err: "there is no such service"},
		{name: "an SRV target is gone", q: udp4("part.example"), want: []string{"udp:192.0.2.1:5060"}, left: "there is no name gone.example"},
		{name: "an SRV record has port 0", q: udp4("zero.example"), want: []string{"udp:192.0.2.2:5060 udp:192.0.2.3:5060"}, left: "port 0"},
		{name: "every SRV target is gone", q: udp4("gone2.example"), err: "there is no name gone.example"},
		{name: "IPv6 alone", q: Query{Host: "b.example", Transports: []string{UDP}, IPv6: true}, want: []string{"udp:[2001:db8::2]:5060"}},
		{name: "both families", q: Query{Host: "b.example", Transports: []string{UDP}, IPv4: true, IPv6: true}, want: []string{"udp:[2001:db8::2]:5060 udp:192.0.2.2:5060 udp:192.0.2.3:5060"}},
		{name: "the other family", q: udp4("six.example"), err: "no address of the family of its listener (IPv4)"},
		{name: "IPv4 in AAAA", q: Query{Host: "mapped.example", Transports: []string{UDP}, IPv6: true}, err: "no address of the family"},
		{name: "no such name", q: udp4("none.example"), err: "there is no name none.example: correct the destination's uri"},
		{name: "a name without addresses", q: udp4("text.example"), err: "no address of the family"},
		{name: "addresses beyond what is let in", q: with(udp4("strange.example"), func(q *Query) { q.Within = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} }),
			want: []string{"udp:192.0.2.1:5060"}, left: "203.0.113.5 is not let in at its listener"},
		{name: "nothing is let in", q: with(udp4("a.example"), func(q *Query) { q.Within = []netip.Prefix{} }), err: "is not let in at its listener"},
		{name: "own address", q: udp4("self.example"), want: []string{"udp:192.0.2.1:5060"}, left: "run in circles"},
		{name: "no address of a host", q: udp4("any.example"), err: "0.0.0.0 is no address of a host"},
		{name: "failure", q: udp4("broken.example"), err: "it says SERVFAIL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			z := newZone(t, base...)
			z.rcode["broken.example. A"] = dns.RcodeServerFailure
			n := names(t, Options{Servers: []netip.AddrPort{z.serve("127.0.51.1")}, Own: []netip.Addr{netip.MustParseAddr("192.0.2.200")}})
			x := add(t, n, tt.q)
			err := n.Warm(context.Background(), time.Hour)
			r := x.Current()
			if d := cmp.Diff(tt.want, shown(r)); d != "" {
				t.Errorf("targets (-want +got):\n%s", d)
			}
			if (tt.err == "") != (r.Err == nil) || tt.err != "" && (!strings.Contains(r.Err.Error(), tt.err) || err == nil || !strings.Contains(err.Error(), "carriers/one: ")) {
				t.Errorf("errors %v and %v, want %q", r.Err, err, tt.err)
			}
			if left := strings.Join(r.Left, "; "); tt.left == "" && tt.err == "" && left != "" || !strings.Contains(left, tt.left) {
				t.Errorf("left out: %q, want %q", left, tt.left)
			}
			if tt.asked != nil {
				if d := cmp.Diff(tt.asked, z.questions(), cmp.Transformer("nil", func(s []string) string { return strings.Join(s, "\n") })); d != "" {
					t.Errorf("questions (-want +got):\n%s", d)
				}
			}
		})
	}
}

func TestQueryRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Query)
		want string
	}{
		{"no host", func(q *Query) { q.Host = "" }, "neither an address nor a name"},
		{"root", func(q *Query) { q.Host = "." }, "neither an address nor a name"},
		{"empty label", func(q *Query) { q.Host = "a..example" }, "neither an address nor a name"},
		{"WebSocket", func(q *Query) { q.Transports = []string{"ws"} }, "use a listener over udp, tcp or tls"},
		{"transport of another listener", func(q *Query) { q.Transport = TCP }, "its listener speaks udp"},
		{"sips over UDP", func(q *Query) { q.Secure = true }, "name a listener over TLS"},
		{"no transport", func(q *Query) { q.Transports = nil }, "no transport"},
		{"no family", func(q *Query) { q.IPv4 = false }, "no address family"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := names(t, Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("127.0.51.1:53")}})
			if _, err := n.Add("carriers/one", with(udp4("a.example"), tt.edit)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestFromDestination(t *testing.T) {
	sources := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	peers := []netip.Prefix{netip.MustParsePrefix("198.51.100.1/32")}
	listener := func(transport, addr string) runtime.Listener {
		return runtime.Listener{Transport: transport, Address: netip.MustParseAddrPort(addr), Sources: sources, Peers: peers}
	}
	tests := []struct {
		name string
		d    runtime.Destination
		l    runtime.Listener
		want Query
		err  string
	}{
		{name: "a name alone", d: runtime.Destination{URI: "sip:a.example", Host: "a.example"}, l: listener("", "192.0.2.10:5060"),
			want: Query{Host: "a.example", Transports: []string{UDP}, IPv4: true}},
		{name: "UDP said", d: runtime.Destination{URI: "sip:a.example:5070;transport=udp", Host: "a.example", Port: 5070}, l: listener("udp", "192.0.2.10:5060"),
			want: Query{Host: "a.example", Port: 5070, Transport: UDP, Transports: []string{UDP}, IPv4: true}},
		{name: "sips", d: runtime.Destination{URI: "sips:a.example", Host: "a.example", Transport: TLS}, l: listener("tls", "[2001:db8::1]:5061"),
			want: Query{Host: "a.example", Secure: true, Transports: []string{TLS}, IPv6: true}},
		{name: "another transport", d: runtime.Destination{URI: "sip:a.example;Transport=TCP", Host: "a.example", Transport: TCP}, l: listener("udp", "192.0.2.10:5060"), err: "listener over tcp"},
		{name: "no port", d: runtime.Destination{URI: "sip:a.example", Host: "a.example", Port: 70000}, l: listener("udp", "192.0.2.10:5060"), err: "from 1 to 65535"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := FromDestination(tt.d, tt.l)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("got %v, want %q", err, tt.err)
				}
				return
			}
			tt.want.Within = append(append(tt.want.Within, sources...), peers...)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
				t.Errorf("query (-want +got):\n%s", d)
			}
		})
	}
	t.Run("nobody let in", func(t *testing.T) {
		q, err := FromDestination(runtime.Destination{URI: "sip:a.example", Host: "a.example"}, runtime.Listener{Address: netip.MustParseAddrPort("192.0.2.10:5060")})
		if err != nil || q.Within == nil {
			t.Errorf("a listener that lets nobody in lets a name lead anywhere: %v, %v", q.Within, err)
		}
	})
}
