package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// payload is the UDP payload size told with EDNS0 (RFC 6891 6.2.3): 1232 bytes fit
// the smallest IPv6 MTU, so that no answer comes in fragments.
const payload = 1232

// exchanger asks one server one question, by UDP or TCP. The answer it returns is
// one to that question. Tests on a fake clock put their own in place.
type exchanger interface {
	exchange(ctx context.Context, server netip.AddrPort, m *dns.Msg, network string) (*dns.Msg, error)
}

// wire asks real servers.
type wire struct{}

func (wire) exchange(ctx context.Context, server netip.AddrPort, m *dns.Msg, network string) (*dns.Msg, error) {
	var d net.Dialer
	// The socket is connected: the kernel lets in packets of that server alone, and
	// a port nobody listens at is an error at once.
	c, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	co := &dns.Conn{Conn: c, UDPSize: 4096} // some servers send more than they are asked to
	if err := co.WriteMsg(m); err != nil {
		return nil, ended(ctx, err)
	}
	for {
		r, err := co.ReadMsg()
		switch {
		case err == nil && answers(m, r):
			return r, nil
		case network == "udp" && r != nil && r.Truncated && answers(m, r): // cut within a record
			return r, nil
		case ctx.Err() != nil:
			return nil, ended(ctx, err)
		case network != "udp" && err == nil:
			return nil, errors.New("the answer is to another question")
		case network != "udp" || isNet(err):
			return nil, err
		}
		// What does not answer the question may be forged, and must not keep the true
		// answer away (RFC 5452 9.1): go on reading until the time is up.
	}
}

// ended prefers the reason why ctx ended to the error that followed from it.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func isNet(err error) bool {
	var n net.Error
	return errors.As(err, &n)
}

// answers reports whether r answers m: same identifier and question. A server that
// does not know EDNS0 may leave the question out of its refusal.
func answers(m, r *dns.Msg) bool {
	if !r.Response || r.Id != m.Id || r.Opcode != dns.OpcodeQuery {
		return false
	}
	if len(r.Question) == 0 {
		return refusesEDNS(r)
	}
	q := m.Question[0]
	return len(r.Question) == 1 && r.Question[0].Qtype == q.Qtype && r.Question[0].Qclass == q.Qclass &&
		strings.EqualFold(r.Question[0].Name, q.Name)
}

// refusesEDNS reports an answer as RFC 6891 7 foresees of servers without EDNS0.
func refusesEDNS(r *dns.Msg) bool {
	return r.Rcode == dns.RcodeFormatError || r.Rcode == dns.RcodeNotImplemented
}

// client asks servers until one says something of use.
type client struct {
	via      exchanger
	servers  []netip.AddrPort
	timeout  time.Duration // of one question to one server
	attempts int           // rounds through the servers
	stats    *counters

	// first is the server asked first: the one that answered last, so that a dead one
	// costs its timeout once and not with every question.
	first atomic.Int32
}

var errTimeout = errors.New("no answer in time")

// ask returns an answer with NOERROR or NXDOMAIN. Its error says what every server
// said last.
func (c *client) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	said := make([]error, len(c.servers))
	first := int(c.first.Load())
	for range c.attempts {
		for turn := range c.servers {
			i := (first + turn) % len(c.servers)
			s := c.servers[i]
			r, err := c.askOne(ctx, s, name, kind)
			if err == nil {
				c.first.Store(int32(i))
				return r, nil
			}
			if ctx.Err() != nil {
				return nil, fmt.Errorf("%s %s: %w", name, dns.TypeToString[kind], context.Cause(ctx))
			}
			c.stats.failures.Add(1)
			said[i] = fmt.Errorf("server %s: %w", s.Addr(), err)
		}
	}
	return nil, fmt.Errorf("%s %s: %w", name, dns.TypeToString[kind], joined(said))
}

// joined is errors.Join on one line.
func joined(errs []error) error {
	out := errs[0]
	for _, err := range errs[1:] {
		out = fmt.Errorf("%w; %w", out, err)
	}
	return out
}

func (c *client) askOne(ctx context.Context, s netip.AddrPort, name string, kind uint16) (*dns.Msg, error) {
	m := new(dns.Msg)
	m.SetQuestion(name, kind)
	m.SetEdns0(payload, false)
	r, err := c.send(ctx, s, m, "udp")
	if err == nil && refusesEDNS(r) {
		m = new(dns.Msg)
		m.SetQuestion(name, kind)
		r, err = c.send(ctx, s, m, "udp")
	}
	if err == nil && r.Truncated {
		c.stats.truncated.Add(1)
		r, err = c.send(ctx, s, m, "tcp")
	}
	switch {
	case err != nil:
		return nil, err
	case r.Rcode != dns.RcodeSuccess && r.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("it says %s", rcode(r.Rcode))
	case r.Truncated:
		return nil, errors.New("its answer is cut short even over TCP")
	}
	return r, nil
}

func rcode(n int) string {
	if s, ok := dns.RcodeToString[n]; ok {
		return s
	}
	return fmt.Sprintf("code %d", n)
}

func (c *client) send(ctx context.Context, s netip.AddrPort, m *dns.Msg, network string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, errTimeout)
	defer cancel()
	c.stats.questions.Add(1)
	return c.via.exchange(ctx, s, m, network)
}
