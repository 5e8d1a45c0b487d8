package load

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"trunkline/tools/sipload/wire"
)

// Timers of the parties.
const (
	partyT1 = 200 * time.Millisecond
	partyT2 = time.Second
)

// dialog is one party's side of a call. Its goroutine alone touches it; messages come
// by in.
type dialog struct {
	p       *party
	id      string // Call-ID
	tag     string // ours
	local   string // URI
	remote  string // URI, with the tag once there is one
	target  string // Request-URI of what we send
	routes  []string
	proxy   netip.AddrPort // where requests go
	link    *link          // by which
	cseq    int
	branch  int
	in      chan *message
	invited *message // the INVITE being answered
	final   []byte   // the final reply to it
	ended   bool     // a BYE came
	reInv   int      // re-INVITEs answered
}

func (d *dialog) transport() string {
	if d.p.stream {
		return "TCP"
	}
	return "UDP"
}

func (d *dialog) contact() string {
	return "sip:" + d.p.addr.String() + ";transport=" + strings.ToLower(d.transport())
}

// request writes a request; branch names its transaction.
func (d *dialog) request(method, branch string) []byte {
	b := fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/%s %s;rport;branch=%s\r\nMax-Forwards: 70\r\n", method, d.target, d.transport(), d.p.addr, branch)
	for _, r := range d.routes {
		b = fmt.Appendf(b, "Route: %s\r\n", r)
	}
	return fmt.Appendf(b, "From: <%s>;tag=%s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <%s>\r\nContent-Length: 0\r\n\r\n",
		d.local, d.tag, d.remote, d.id, d.cseq, method, d.contact())
}

func (d *dialog) newBranch() string {
	d.branch++
	return fmt.Sprintf("z9hG4bK%s-%s-%d", d.tag, strings.ReplaceAll(d.id, "@", "-"), d.branch)
}

// send sends a request; over TCP by a new connection where there is none.
func (d *dialog) send(b []byte) {
	if len(b) == 0 {
		return
	}
	if d.link == nil || d.link.gone.Load() {
		if !d.p.stream || d.p.deaf.Load() {
			return
		}
		if d.link = d.p.dial(d.proxy); d.link == nil {
			return
		}
	}
	d.link.send(d.proxy, b)
}

// await sends b, if any, over UDP again and again (timers A and E), until a message that is
// wanted comes. nil: none came while there was reason to wait.
func (d *dialog) await(b []byte, want func(*message) bool) *message {
	d.send(b)
	end := time.NewTimer(patience)
	defer end.Stop()
	interval := partyT1
	again := time.NewTimer(interval)
	defer again.Stop()
	if d.link == nil || d.link.reliable() {
		again.Stop()
	}
	var lost <-chan struct{}
	if d.link != nil && d.link.reliable() {
		lost = d.link.end
	}
	for {
		select {
		case m := <-d.in:
			if want(m) {
				return m
			}
			if m.Status >= 100 && m.Status < 200 {
				again.Stop()
			}
			d.other(m)
		case <-again.C:
			d.send(b)
			interval = min(2*interval, partyT2)
			again.Reset(interval)
		case <-lost:
			return nil
		case <-end.C:
			return nil
		}
	}
}

// ask sends a request within the dialog and waits for its final reply.
func (d *dialog) ask(method string) *message {
	d.cseq++
	cseq := fmt.Sprintf("%d %s", d.cseq, method)
	return d.await(d.request(method, d.newBranch()), func(m *message) bool { return m.Status >= 200 && string(m.CSeq) == cseq })
}

// other takes what came while something else was waited for.
func (d *dialog) other(m *message) {
	switch {
	case m.Status >= 200 && m.Method == wire.INVITE:
		d.acknowledge(m) // our ACK was lost
	case m.Status != 0 || m.Method == wire.ACK:
	case m.Method == wire.INVITE && d.invited != nil && string(m.CSeq) == string(d.invited.CSeq):
		if d.final != nil {
			m.link.send(m.src, d.final)
		} else {
			m.link.send(m.src, reply(m, 180, d.tag, d.contact()))
		}
	case m.Method == wire.INVITE:
		d.reInv++
		m.link.send(m.src, reply(m, 200, d.tag, d.contact()))
	case m.Method == wire.CANCEL:
		m.link.send(m.src, reply(m, 200, d.tag, ""))
	default:
		d.ended = d.ended || m.Method == wire.BYE
		m.link.send(m.src, reply(m, 200, d.tag, d.contact()))
	}
}

// acknowledge sends the ACK of a final reply to an INVITE: of a 2xx along the dialog,
// of another with what the INVITE said (17.1.1.3).
func (d *dialog) acknowledge(m *message) {
	before, remote := d.cseq, d.remote
	_, _ = fmt.Sscan(string(m.CSeq), &d.cseq)
	d.remote = string(m.To)
	if m.Status < 300 {
		d.send(d.request("ACK", d.newBranch()))
	} else if branch, ok := wire.Param(m.Via.Value[0], "branch"); ok {
		target, routes := d.target, d.routes
		d.send(d.request("ACK", string(branch)))
		d.target, d.routes = target, routes
	}
	d.cseq, d.remote = before, remote
}

// linger goes on answering for a moment: the other side may not have heard us.
func (d *dialog) linger(long time.Duration) {
	end := time.NewTimer(long)
	defer end.Stop()
	for {
		select {
		case m := <-d.in:
			d.other(m)
		case <-end.C:
			return
		}
	}
}
