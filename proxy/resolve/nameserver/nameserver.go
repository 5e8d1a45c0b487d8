// Package nameserver is a name server for tests: it answers, over UDP and TCP on a
// loopback address, from records as a zone file has them, which may change while it
// runs. It answers for every name as its own server would, with an SOA where there is
// nothing (RFC 2308 3), and follows no alias. Nothing else is to use it.
package nameserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/miekg/dns"
)

// Server is a running name server.
type Server struct {
	servers []*dns.Server
	ended   sync.WaitGroup
	addr    netip.AddrPort

	mu      sync.Mutex
	records map[question][]dns.RR
	names   map[string]bool
	rcode   int
	asked   int
}

type question struct {
	name string // in lower case, with the final dot
	kind uint16
}

// Start starts a server at a port that is free on an address, without any records.
func Start(address string) (*Server, error) {
	s := &Server{}
	_ = s.Set()    // nothing cannot be wrong
	for range 20 { // until a port is free for both
		tcp, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
		if err != nil {
			return nil, err
		}
		udp, err := net.ListenPacket("udp", tcp.Addr().String())
		if err != nil {
			_ = tcp.Close()
			continue
		}
		s.addr = tcp.Addr().(*net.TCPAddr).AddrPort()
		return s, s.serve(&dns.Server{PacketConn: udp}, &dns.Server{Listener: tcp})
	}
	return nil, errors.New("no port is free for UDP and TCP")
}

// serve returns when all servers answer.
func (s *Server) serve(servers ...*dns.Server) error {
	for _, x := range servers {
		started, failed := make(chan struct{}), make(chan error, 1)
		x.Handler, x.NotifyStartedFunc = dns.HandlerFunc(s.handle), func() { close(started) }
		s.ended.Go(func() { failed <- x.ActivateAndServe() })
		select {
		case <-started:
			s.servers = append(s.servers, x)
		case err := <-failed:
			s.Close()
			return fmt.Errorf("name server: %w", err)
		}
	}
	return nil
}

// Addr is where the server is asked.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Close ends the server; its port is closed then. Closing twice is harmless.
func (s *Server) Close() {
	for _, x := range s.servers {
		_ = x.Shutdown() // it is running, or has ended
	}
	s.servers = nil
	s.ended.Wait()
}

// Set puts other records in place of those there are. Its error names the one that is
// wrong; then nothing has changed.
func (s *Server) Set(records ...string) error {
	byQuestion, names := map[question][]dns.RR{}, map[string]bool{}
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			return fmt.Errorf("record %q: %w", text, err)
		}
		name := strings.ToLower(rr.Header().Name)
		q := question{name, rr.Header().Rrtype}
		byQuestion[q] = append(byQuestion[q], rr)
		for names[name] = true; strings.Contains(name, "."); names[name] = true {
			_, name, _ = strings.Cut(name, ".") // what is above a name exists as well
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.names = byQuestion, names
	return nil
}

// Fail makes the server answer every question with a code, such as
// dns.RcodeServerFailure; dns.RcodeSuccess ends that.
func (s *Server) Fail(rcode int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode = rcode
}

// Asked is how many questions have come.
func (s *Server) Asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *Server) handle(w dns.ResponseWriter, m *dns.Msg) {
	_ = w.WriteMsg(s.answer(m)) // who asked may be gone
}

func (s *Server) answer(m *dns.Msg) *dns.Msg {
	r := new(dns.Msg)
	r.SetReply(m)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if len(m.Question) != 1 || s.rcode != dns.RcodeSuccess {
		r.Rcode = max(s.rcode, dns.RcodeFormatError)
		return r
	}
	name := strings.ToLower(m.Question[0].Name)
	for _, rr := range s.records[question{name, m.Question[0].Qtype}] {
		r.Answer = append(r.Answer, dns.Copy(rr))
	}
	if len(r.Answer) > 0 {
		return r
	}
	if !s.names[name] {
		r.Rcode = dns.RcodeNameError
	}
	r.Ns = []dns.RR{&dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 1},
		Ns:  "ns.invalid.", Mbox: "hostmaster.invalid.", Minttl: 1,
	}}
	return r
}
