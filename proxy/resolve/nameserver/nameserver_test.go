package nameserver

import (
	"fmt"
	"testing"

	"github.com/miekg/dns"
)

func TestAnswers(t *testing.T) {
	s, err := Start("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Set("a.example. 5 A 192.0.2.1", "A.example. 5 A 192.0.2.2", "_sip._udp.a.example. 5 SRV 1 2 5060 a.example."); err != nil {
		t.Fatal(err)
	}
	if err := s.Set("not a record"); err == nil {
		t.Error("what is no record was taken")
	}
	ask := func(network, name string, kind uint16) string {
		t.Helper()
		m := new(dns.Msg)
		m.SetQuestion(name, kind)
		r, _, err := (&dns.Client{Net: network}).Exchange(m, s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%s %d", dns.RcodeToString[r.Rcode], len(r.Answer))
	}
	for _, tt := range []struct {
		name string
		kind uint16
		want string
	}{
		{"A.EXAMPLE.", dns.TypeA, "NOERROR 2"},
		{"a.example.", dns.TypeAAAA, "NOERROR 0"},
		{"_sip._udp.a.example.", dns.TypeSRV, "NOERROR 1"},
		{"_udp.a.example.", dns.TypeSRV, "NOERROR 0"},
		{"b.example.", dns.TypeA, "NXDOMAIN 0"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			if got := ask(network, tt.name, tt.kind); got != tt.want {
				t.Errorf("%s %s over %s: %s, want %s", tt.name, dns.TypeToString[tt.kind], network, got, tt.want)
			}
		}
	}
	s.Fail(dns.RcodeServerFailure)
	if got := ask("udp", "a.example.", dns.TypeA); got != "SERVFAIL 0" {
		t.Errorf("a server that fails says %s", got)
	}
	if s.Asked() != 11 {
		t.Errorf("%d questions, want 11", s.Asked())
	}
}
