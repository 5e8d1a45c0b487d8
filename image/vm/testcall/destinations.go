package testcall

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Destinations are UASs that answer OPTIONS probes and calls.
type Destinations struct {
	addresses []netip.AddrPort
	agents    []*destination
	wg        sync.WaitGroup

	mu    sync.Mutex
	calls map[string]*answered
	pings int
}

// answered is what became of one call.
type answered struct {
	by           netip.AddrPort
	reply        []byte // the last reply: 180, then the 200
	to           net.Addr
	acked, ended bool
	stop         chan struct{}
}

// destination is one UAS.
type destination struct {
	all  *Destinations
	at   netip.AddrPort
	conn net.PacketConn
}

// Answer starts a UAS at each address.
func Answer(n Network, addresses []netip.AddrPort) (*Destinations, error) {
	d := &Destinations{addresses: addresses, calls: map[string]*answered{}}
	for _, a := range addresses {
		conn, err := n.ListenPacket(a)
		if err != nil {
			d.Close()
			return nil, fmt.Errorf("test destination: %w", err)
		}
		agent := &destination{all: d, at: a, conn: conn}
		d.agents = append(d.agents, agent)
		d.wg.Go(agent.serve)
	}
	return d, nil
}

// Addresses are those given to Answer.
func (d *Destinations) Addresses() []netip.AddrPort { return d.addresses }

// Probes is the number of OPTIONS answered so far.
func (d *Destinations) Probes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pings
}

// Close stops the UASs.
func (d *Destinations) Close() {
	for _, a := range d.agents {
		_ = a.conn.Close()
	}
	d.mu.Lock()
	for _, c := range d.calls {
		c.settle()
	}
	d.mu.Unlock()
	d.wg.Wait()
}

// seen says who answered a call and whether its ACK and BYE came.
func (d *Destinations) seen(callID string) (by netip.AddrPort, acked, ended bool) {
	if d == nil {
		return netip.AddrPort{}, false, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c, ok := d.calls[callID]
	if !ok {
		return netip.AddrPort{}, false, false
	}
	return c.by, c.acked, c.ended
}

// settle ends the repeating of the 200; the lock is held.
func (c *answered) settle() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
}

func (a *destination) serve() {
	b := make([]byte, 1<<16)
	for {
		n, from, err := a.conn.ReadFrom(b)
		if err != nil {
			return
		}
		msg, err := sip.ParseMessage(b[:n])
		if err != nil {
			continue // not SIP
		}
		if req, ok := msg.(*sip.Request); ok && req.CallID() != nil {
			req.SetSource(from.String())
			a.handle(req, from)
		}
	}
}

func (a *destination) handle(req *sip.Request, from net.Addr) {
	d := a.all
	d.mu.Lock()
	defer d.mu.Unlock()
	id := req.CallID().Value()
	call := d.calls[id]
	switch req.Method {
	case sip.OPTIONS:
		d.pings++
		a.reply(req, 200, "OK", from)
	case sip.INVITE:
		if call != nil { // a retransmission
			_, _ = a.conn.WriteTo(call.reply, call.to)
			return
		}
		req.To().Params.Add("tag", sip.GenerateTagN(10)) // one tag for all replies
		ringing := sip.NewResponseFromRequest(req, 180, "Ringing", nil)
		ringing.AppendHeader(a.contact())
		ok := sip.NewResponseFromRequest(req, 200, "OK", []byte(sdp(a.at.Addr())))
		ok.AppendHeader(a.contact())
		ok.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		call = &answered{by: a.at, reply: []byte(ringing.String()), to: from, stop: make(chan struct{})}
		d.calls[id] = call
		_, _ = a.conn.WriteTo(call.reply, from)
		d.wg.Go(func() { a.answer(call, []byte(ok.String())) })
	case sip.ACK:
		if call != nil {
			call.acked = true
			call.settle()
		}
	case sip.BYE:
		if call == nil {
			a.reply(req, 481, "Call/Transaction Does Not Exist", from)
			return
		}
		call.ended = true
		call.settle()
		a.reply(req, 200, "OK", from)
	case sip.CANCEL:
		a.reply(req, 200, "OK", from) // too late to stop the answer
	default:
		a.reply(req, 501, "Not Implemented", from)
	}
}

// ringTime keeps the 180 and the 200 apart: sent back to back they may overtake
// each other.
const ringTime = 50 * time.Millisecond

// answer picks up after a moment and sends the 200 until the ACK comes (RFC
// 3261, 13.3.1.4).
func (a *destination) answer(c *answered, ok []byte) {
	select {
	case <-c.stop:
		return
	case <-time.After(ringTime):
	}
	a.all.mu.Lock()
	c.reply = ok
	a.all.mu.Unlock()
	wait := t1
	for end := time.Now().Add(transLimit); time.Now().Before(end); wait = min(2*wait, t2) {
		if _, err := a.conn.WriteTo(ok, c.to); err != nil {
			return
		}
		select {
		case <-c.stop:
			return
		case <-time.After(wait):
		}
	}
}

func (a *destination) reply(req *sip.Request, code int, reason string, to net.Addr) {
	r := sip.NewResponseFromRequest(req, code, reason, nil)
	_, _ = a.conn.WriteTo([]byte(r.String()), to) // UDP: a lost reply is asked for again
}

func (a *destination) contact() *sip.ContactHeader {
	host := a.at.Addr().String()
	if a.at.Addr().Is6() {
		host = "[" + host + "]"
	}
	return &sip.ContactHeader{Address: sip.Uri{Scheme: "sip", User: "callee", Host: host, Port: int(a.at.Port())}}
}
