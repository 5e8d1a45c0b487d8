package resolve

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// replayed answers every question with one message whose records are given the name
// asked for, so that a few damaged bytes reach far into the procedure.
type replayed struct{ msg *dns.Msg }

func (f replayed) exchange(_ context.Context, _ netip.AddrPort, m *dns.Msg, _ string) (*dns.Msg, error) {
	r := f.msg.Copy()
	r.Id, r.Question = m.Id, m.Question
	for _, rr := range r.Answer {
		if strings.HasPrefix(rr.Header().Name, "a.") {
			rr.Header().Name = m.Question[0].Name
		}
	}
	return r, nil
}

// FuzzAnswer has any message for an answer: what comes of it keeps what Result and
// Query promise.
func FuzzAnswer(f *testing.F) {
	seed := func(records ...string) {
		m := new(dns.Msg)
		m.SetQuestion("a.example.", dns.TypeNAPTR)
		m.Response = true
		for _, text := range records {
			rr, err := dns.NewRR(text)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint16(0), "", uint8(1))
		f.Add(b, uint16(5070), "", uint8(3))
		f.Add(b, uint16(0), "udp", uint8(2))
	}
	seed()
	seed("a.example. 300 A 192.0.2.1", "a.example. 300 AAAA 2001:db8::1", "a.example. 0 SRV 1 2 5060 a.b.example.")
	seed(`a.example. 300 NAPTR 10 10 "s" "SIP+D2U" "" a.b.example.`, `a.example. 300 NAPTR 10 10 "a" "SIPS+D2T" "" .`,
		"a.b.example. 4294967295 SRV 0 0 0 .", "a.b.example. 1 SRV 65535 65535 65535 a.example.")
	seed("a.example. 300 CNAME a.b.example.", "a.b.example. 300 CNAME a.example.")
	seed("a.example. 300 CNAME b.example.", "b.example. 300 A 224.0.0.1", "b.example. 300 A 0.0.0.0")
	within := []netip.Prefix{netip.MustParsePrefix("192.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	f.Fuzz(func(t *testing.T, b []byte, port uint16, transport string, families uint8) {
		m := new(dns.Msg)
		if m.Unpack(b) != nil {
			return
		}
		n, err := New(Options{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.53:53")}, Attempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		n.memory.client.via = replayed{m}
		q := Query{Host: "a.example", Port: port, Transport: transport, Transports: []string{UDP, TLS}, IPv4: families&1 != 0, IPv6: families&2 != 0, Within: within}
		x, err := n.Add("carriers/one", q)
		if err != nil {
			return
		}
		// A damaged answer costs a bounded number of questions, whatever it says.
		warm := n.Warm(context.Background(), time.Hour)
		if s := n.Stats(); s.Questions > 10*MaxTargets*maxAliases {
			t.Errorf("%d questions", s.Questions)
		}
		r := x.Current()
		if (len(r.Targets) == 0) != (warm != nil) || (warm != nil) != (r.Err != nil) {
			t.Fatalf("%d targets, errors %v and %v", len(r.Targets), r.Err, warm)
		}
		if d := time.Until(r.Expires); d < MinTTL-time.Minute || d > MaxTTL {
			t.Errorf("due in %s", d)
		}
		seen := map[Target]bool{}
		for _, i := range r.Order(nil, rand.Uint32N) {
			c := r.Targets[i]
			a := c.Addr.Addr()
			k := Target{Addr: c.Addr, Transport: c.Transport}
			switch {
			case seen[k]:
				t.Errorf("%v comes twice", c)
			case c.Addr.Port() == 0 || c.Transport != UDP && c.Transport != TLS || transport != "" && c.Transport != transport:
				t.Errorf("%v cannot be sent to", c)
			case port != 0 && c.Addr.Port() != port:
				t.Errorf("%v has another port than the URI, %d", c, port)
			case !within[0].Contains(a) && !within[1].Contains(a):
				t.Errorf("%v is not let in", c)
			case a.Is4() && !q.IPv4 || a.Is6() && !q.IPv6 || a.Is4In6():
				t.Errorf("%v is of another family", c)
			}
			seen[k] = true
		}
		if len(seen) != len(r.Targets) || len(seen) > MaxTargets {
			t.Errorf("%d of %d targets in order", len(seen), len(r.Targets))
		}
	})
}
