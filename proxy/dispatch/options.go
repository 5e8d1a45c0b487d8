package dispatch

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"trunkline/appliance/runtime"
)

// outcome is how a probe ended.
type outcome struct {
	ok   bool
	what string        // "200", "503", "no final reply within 4s"
	rtt  time.Duration // to the final reply; 0: none came

	silent time.Duration // for so long nothing came; 0: something did, or nothing was sent
}

// took is how long the destination took to reply, or kept silent.
func (o outcome) took() time.Duration { return max(o.rtt, o.silent) }

// subject is a destination with all its probes have in common.
type subject struct {
	dest     *Destination
	probe    *runtime.Probe
	uri      sip.Uri
	from     sip.Uri
	host     string // of the Via, the same as calls get
	port     int
	listener string
	local    netip.AddrPort
	send     Sender

	transport string // in the Via: that of the listener
}

func newSubject(d *Destination, l runtime.Listener, send Sender) (*subject, error) {
	s := &subject{dest: d, probe: d.set.cfg.Probe, listener: l.Name, local: l.Address, send: send}
	if err := sip.ParseUri(d.URI(), &s.uri); err != nil {
		return nil, fmt.Errorf("uri %q: %w", d.URI(), err)
	}
	if err := sip.ParseUri(s.probe.From, &s.from); err != nil {
		return nil, fmt.Errorf("probe from %q: %w: write it as sip:probe@sbc.example", s.probe.From, err)
	}
	host, port, err := l.SentBy()
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", l.Name, err)
	}
	s.host, s.port = host, int(port)
	if s.transport = "UDP"; !l.Datagram() {
		s.transport = strings.ToUpper(l.Transport)
	}
	return s, nil
}

// options writes one OPTIONS (RFC 3261 11.1). Like the requests of calls its Via
// has no rport, so that a probe takes the way back a call's replies take.
func (s *subject) options() *sip.Request {
	r := sip.NewRequest(sip.OPTIONS, *s.uri.Clone())
	via := &sip.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: s.transport, Host: s.host, Port: s.port}
	via.Params.Add("branch", ProbePrefix+rand.Text())
	from := &sip.FromHeader{Address: *s.from.Clone()}
	from.Params.Add("tag", rand.Text())
	callID := sip.CallIDHeader(rand.Text())
	hops := sip.MaxForwardsHeader(70)
	r.AppendHeader(via)
	r.AppendHeader(&hops)
	r.AppendHeader(from)
	// A To has neither port nor parameters (RFC 3261 19.1.1, table 1).
	r.AppendHeader(&sip.ToHeader{Address: sip.Uri{Scheme: s.uri.Scheme, User: s.uri.User, Host: s.uri.Host}})
	r.AppendHeader(&callID)
	r.AppendHeader(&sip.CSeqHeader{SeqNo: 1, MethodName: sip.OPTIONS})
	r.AppendHeader(sip.NewHeader("Accept", "application/sdp"))
	r.SetBody(nil)
	r.SetTransport(s.transport)
	return r
}

// exchange is a probe that waits for its reply.
type exchange struct {
	tx       *sip.ClientTx
	listener string
}

// pending are the exchanges under way, by sipgo's key of the transaction.
type pending struct {
	mu    sync.Mutex
	byKey map[string]exchange
}

func (p *pending) add(key string, e exchange) {
	p.mu.Lock()
	p.byKey[key] = e
	p.mu.Unlock()
}

func (p *pending) remove(key string) {
	p.mu.Lock()
	delete(p.byKey, key)
	p.mu.Unlock()
}

func (p *pending) find(key string) (exchange, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e, ok := p.byKey[key]
	return e, ok
}

// probe sends one OPTIONS to a target and waits for what comes of it. It reports false
// when ctx ended first.
func (p *Prober) probe(ctx context.Context, s *subject, to Target) (outcome, bool) {
	timeout := s.probe.Timeout.D()
	within, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req := s.options()
	key, err := sip.ClientTxKeyMake(req)
	if err != nil {
		return outcome{what: "cannot be sent: " + err.Error()}, true
	}
	// The transaction runs on an own connection instead of sipgo's transport, which
	// would remember every source it hears and could open sockets of its own.
	conn := &connection{listener: s.listener, local: s.local, to: to.Addr, send: s.send}
	tx := sip.NewClientTx(key, req, conn, quiet)
	p.pending.add(key, exchange{tx, s.listener})
	defer p.pending.remove(key)
	defer tx.Terminate()
	start := time.Now()
	if err := tx.Init(); err != nil {
		return outcome{what: "cannot be sent: " + reason(err)}, ctx.Err() == nil
	}
	for {
		select {
		case res := <-tx.Responses():
			if res.IsProvisional() {
				continue
			}
			return outcome{ok: accepts(s.probe, res.StatusCode), what: strconv.Itoa(res.StatusCode), rtt: time.Since(start)}, true
		case <-tx.Done():
			if ctx.Err() != nil {
				return outcome{}, false
			}
			return outcome{what: "cannot be sent: " + reason(tx.Err())}, true
		case <-within.Done():
			if ctx.Err() != nil {
				return outcome{}, false
			}
			return outcome{what: "no final reply within " + timeout.String(), silent: timeout}, true
		}
	}
}

func accepts(p *runtime.Probe, code int) bool {
	for _, s := range p.Accept {
		if s.Contains(code) {
			return true
		}
	}
	return false
}

// quiet takes sipgo's log lines: what matters in them is in the outcome.
var quiet = slog.New(slog.DiscardHandler)

// errSend marks what the Sender said, to find it in what sipgo wraps around it.
type errSend struct{ error }

func (e errSend) Unwrap() error { return e.error }

func reason(err error) string {
	if s, ok := errors.AsType[errSend](err); ok {
		return s.Error()
	}
	if err == nil {
		return "transaction ended"
	}
	return err.Error()
}

// receive hands delivered replies to their transactions.
func (p *Prober) receive(ctx context.Context) {
	parser := sip.NewParser()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-p.replies:
			if !p.match(parser, r) {
				p.stray.Add(1)
			}
		}
	}
}

func (p *Prober) match(parser *sip.Parser, r reply) bool {
	msg, err := parser.ParseSIP(r.pkt)
	if err != nil {
		return false
	}
	res, ok := msg.(*sip.Response)
	if !ok {
		return false
	}
	key, err := sip.ClientTxKeyMake(res)
	if err != nil {
		return false
	}
	e, ok := p.pending.find(key)
	if !ok || e.listener != r.listener {
		return false
	}
	// It waits for the goroutine of the probe to take the reply, which only waits
	// for replies and the end.
	e.tx.Receive(res)
	return true
}

// connection lets sipgo's transactions write through a listener's socket. It is
// never closed, so references to it need not be counted.
type connection struct {
	listener string
	local    netip.AddrPort
	to       netip.AddrPort
	send     Sender
}

var _ sip.Connection = (*connection)(nil)

func (c *connection) LocalAddr() net.Addr    { return net.UDPAddrFromAddrPort(c.local) }
func (c *connection) Ref(int) int            { return 1 }
func (c *connection) TryClose() (int, error) { return 1, nil }
func (c *connection) Close() error           { return nil }

func (c *connection) WriteMsg(msg sip.Message) error {
	var b bytes.Buffer
	msg.StringWrite(&b)
	if err := c.send(c.listener, b.Bytes(), c.to); err != nil {
		return errSend{err}
	}
	return nil
}
