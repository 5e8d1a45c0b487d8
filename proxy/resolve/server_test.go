package resolve

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// zone is what a server of the tests knows, by name and type in lower case:
// "sip.example. SRV". It may be changed while the server runs.
type zone struct {
	t  testing.TB
	mu sync.Mutex

	rrs     map[string][]dns.RR
	rcode   map[string]int  // instead of an answer
	silent  map[string]bool // no answer
	noEDNS  bool            // FORMERR without the question, as of RFC 6891 7
	minimum uint32          // of the SOA that comes with "there is none"; 0: no SOA
	alter   func(*dns.Msg)  // last change to an answer
	asked   []string        // "udp sip.example. SRV"
	at      []time.Time     // when
}

func newZone(t testing.TB, records ...string) *zone {
	z := &zone{t: t, rrs: map[string][]dns.RR{}, rcode: map[string]int{}, silent: map[string]bool{}, minimum: 60}
	z.add(records...)
	return z
}

// add adds records as a zone file has them.
func (z *zone) add(records ...string) {
	z.t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			z.t.Fatalf("%s: %v", text, err)
		}
		k := entry(rr.Header().Name, rr.Header().Rrtype)
		z.rrs[k] = append(z.rrs[k], rr)
	}
}

// change changes the zone.
func (z *zone) change(f func()) {
	z.mu.Lock()
	defer z.mu.Unlock()
	f()
}

func (z *zone) questions() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return append([]string(nil), z.asked...)
}

func entry(name string, kind uint16) string {
	return strings.ToLower(name) + " " + dns.TypeToString[kind]
}

// answer is the answer to a question; nil: none comes.
func (z *zone) answer(m *dns.Msg, network string) *dns.Msg {
	z.mu.Lock()
	defer z.mu.Unlock()
	q := m.Question[0]
	k := entry(q.Name, q.Qtype)
	z.asked, z.at = append(z.asked, network+" "+k), append(z.at, time.Now())
	if z.silent[k] || z.silent["*"] {
		return nil
	}
	r := new(dns.Msg)
	r.SetReply(m)
	r.RecursionAvailable = true
	if z.noEDNS && m.IsEdns0() != nil {
		r.Rcode, r.Question = dns.RcodeFormatError, nil
		return r
	}
	for _, k := range []string{k, "*"} {
		if code, ok := z.rcode[k]; ok {
			r.Rcode = code
			return r
		}
	}
	name := strings.ToLower(q.Name)
	for range 4 { // part of a chain of aliases, as some servers answer
		c := z.rrs[name+" CNAME"]
		if len(c) == 0 {
			break
		}
		r.Answer = append(r.Answer, c...)
		name = strings.ToLower(c[0].(*dns.CNAME).Target)
	}
	here := z.rrs[entry(name, q.Qtype)]
	for _, rr := range here {
		r.Answer = append(r.Answer, dns.Copy(rr))
	}
	if len(here) == 0 {
		known := len(r.Answer) > 0
		for k := range z.rrs {
			known = known || strings.HasSuffix(k, "."+name+" SRV") || strings.HasPrefix(k, name+" ")
		}
		if !known {
			r.Rcode = dns.RcodeNameError
		}
		if z.minimum > 0 && len(z.rrs[name+" CNAME"]) == 0 {
			r.Ns = []dns.RR{&dns.SOA{
				Hdr: dns.RR_Header{Name: "example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: z.minimum},
				Ns:  "ns.example.", Mbox: "hostmaster.example.", Minttl: z.minimum,
			}}
		}
	}
	if z.alter != nil {
		z.alter(r)
	}
	if opt := m.IsEdns0(); network == "udp" {
		size := dns.MinMsgSize
		if opt != nil {
			size = int(opt.UDPSize())
		}
		r.Truncate(size)
	}
	return r
}

// serve runs a real server, over UDP and TCP on one port of a loopback address.
func (z *zone) serve(address string) netip.AddrPort {
	z.t.Helper()
	var udp net.PacketConn
	var tcp net.Listener
	for range 20 { // until a port is free in both
		var err error
		if tcp, err = net.Listen("tcp", address+":0"); err != nil {
			z.t.Fatal(err)
		}
		if udp, err = net.ListenPacket("udp", tcp.Addr().String()); err == nil {
			break
		}
		tcp.Close()
	}
	if udp == nil {
		z.t.Fatal("no port is free in UDP and TCP")
	}
	for _, s := range []*dns.Server{
		{PacketConn: udp, Handler: z.handler("udp")},
		{Listener: tcp, Handler: z.handler("tcp")},
	} {
		started, ended := make(chan struct{}), make(chan error, 1)
		s.NotifyStartedFunc = func() { close(started) }
		go func() { ended <- s.ActivateAndServe() }()
		select {
		case <-started:
		case err := <-ended:
			z.t.Fatal(err)
		}
		z.t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				z.t.Error(err)
			}
			<-ended
		})
	}
	return tcp.Addr().(*net.TCPAddr).AddrPort()
}

func (z *zone) handler(network string) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, m *dns.Msg) {
		if r := z.answer(m, network); r != nil {
			_ = w.WriteMsg(r)
		}
	})
}

// exchange lets a zone stand for the network in tests on a fake clock. A silent one
// lasts until the question's time is up.
func (z *zone) exchange(ctx context.Context, _ netip.AddrPort, m *dns.Msg, network string) (*dns.Msg, error) {
	r := z.answer(m, network)
	if r == nil {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	return r, nil
}

// names are those of one test, with a time limit no busy machine reaches.
func names(t testing.TB, o Options) *Names {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	n, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func add(t testing.TB, n *Names, q Query) *Name {
	t.Helper()
	x, err := n.Add("carriers/one", q)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
