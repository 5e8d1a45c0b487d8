package testcall

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
)

// caller is the UAC of one call.
type caller struct {
	conn    net.PacketConn
	c       Call
	callID  string
	tag     string
	replies chan *sip.Response
	done    chan struct{}

	// Set by the answer.
	ack    []byte
	target string   // Contact of the answer
	routes []string // route set, as the caller sends it
	hop    netip.AddrPort
	toHdr  string
}

func newCaller(conn net.PacketConn, c Call) *caller {
	u := &caller{
		conn: conn, c: c, hop: c.To,
		callID: sip.GenerateTagN(20), tag: sip.GenerateTagN(10),
		replies: make(chan *sip.Response, 32), done: make(chan struct{}),
	}
	go u.read()
	return u
}

func (u *caller) close() {
	_ = u.conn.Close()
	<-u.done
}

// read sorts what arrives: replies to this call go to the waiting request;
// requests to the caller get 200, as hanging up from the other side would.
func (u *caller) read() {
	defer close(u.done)
	b := make([]byte, 1<<16)
	for {
		n, from, err := u.conn.ReadFrom(b)
		if err != nil {
			return
		}
		msg, err := sip.ParseMessage(b[:n])
		if err != nil {
			continue // not SIP; the call's own timers decide
		}
		switch m := msg.(type) {
		case *sip.Response:
			if id := m.CallID(); id == nil || id.Value() != u.callID {
				continue
			}
			select {
			case u.replies <- m:
			default: // retransmissions beyond what anyone waits for
			}
		case *sip.Request:
			if !m.IsAck() {
				_, _ = u.conn.WriteTo([]byte(sip.NewResponseFromRequest(m, 200, "OK", nil).String()), from)
			}
		}
	}
}

// call runs the whole call.
func (u *caller) call(ctx context.Context) (Result, error) {
	r := Result{CallID: u.callID}
	start := time.Now()
	invite := u.request("INVITE", 1, fmt.Sprintf("sip:%s@%s", u.c.User, u.c.To), "", nil, sdp(u.c.From.Addr()))
	final, err := u.transact(ctx, "INVITE", 1, invite, u.c.To, func(p *sip.Response) {
		if p.StatusCode >= 180 && r.Ringing == 0 {
			r.Ringing = time.Since(start)
		}
	})
	if err != nil {
		return r, err
	}
	r.Answered = time.Since(start)
	if !final.IsSuccess() {
		// The ACK of a refusal belongs to the INVITE's transaction: its branch.
		ack := u.request("ACK", 1, fmt.Sprintf("sip:%s@%s", u.c.User, u.c.To), to(final), nil, "")
		_, _ = u.conn.WriteTo(withBranch(ack, invite), net.UDPAddrFromAddrPort(u.c.To))
		return r, statusError("INVITE", final)
	}
	if err := u.establish(final); err != nil {
		return r, err
	}
	if err := u.sendACK(); err != nil {
		return r, err
	}
	if err := u.hold(ctx); err != nil {
		return r, err
	}
	bye := u.request("BYE", 2, u.target, u.toHdr, u.routes, "")
	start = time.Now()
	final, err = u.transact(ctx, "BYE", 2, bye, u.hop, nil)
	if err != nil {
		return r, err
	}
	if !final.IsSuccess() {
		return r, statusError("BYE", final)
	}
	r.Ended = time.Since(start)
	return r, nil
}

// establish takes the dialog's target and route set from the 200 (RFC 3261,
// 12.1.2).
func (u *caller) establish(ok *sip.Response) error {
	contact := ok.Contact()
	if contact == nil {
		return fmt.Errorf("the 200 has no Contact")
	}
	u.target, u.toHdr = contact.Address.String(), to(ok)
	records := ok.GetHeaders("Record-Route")
	for i := len(records) - 1; i >= 0; i-- {
		u.routes = append(u.routes, records[i].Value())
	}
	next := contact.Address
	if len(u.routes) > 0 {
		uri := u.routes[0]
		if a, b := strings.IndexByte(uri, '<'), strings.IndexByte(uri, '>'); a >= 0 && b > a {
			uri = uri[a+1 : b]
		}
		if err := sip.ParseUri(uri, &next); err != nil {
			return fmt.Errorf("Record-Route %q: %w", u.routes[0], err)
		}
	}
	// An advertised name or address is for the outside; here the listener is
	// where it was.
	if addr, err := netip.ParseAddr(strings.Trim(next.Host, "[]")); err == nil && addr == u.c.To.Addr() {
		port := next.Port
		if port == 0 {
			port = 5060
		}
		u.hop = netip.AddrPortFrom(addr, uint16(port))
	}
	u.ack = u.request("ACK", 1, u.target, u.toHdr, u.routes, "")
	return nil
}

func (u *caller) sendACK() error {
	if _, err := u.conn.WriteTo(u.ack, net.UDPAddrFromAddrPort(u.hop)); err != nil {
		return fmt.Errorf("ACK: %w", err)
	}
	return nil
}

// hold keeps the call up, acknowledging a repeated 200 again.
func (u *caller) hold(ctx context.Context) error {
	end := time.After(u.c.Hold)
	for {
		select {
		case r := <-u.replies:
			if r.IsSuccess() && r.CSeq() != nil && r.CSeq().MethodName == sip.INVITE {
				if err := u.sendACK(); err != nil {
					return err
				}
			}
		case <-end:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("call up, then: %w", ctx.Err())
		}
	}
}

// transact sends a request with retransmissions (RFC 3261, 17.1) and returns
// its final reply.
func (u *caller) transact(ctx context.Context, method string, seq uint32, msg []byte, dst netip.AddrPort, provisional func(*sip.Response)) (*sip.Response, error) {
	limit := time.NewTimer(transLimit)
	defer limit.Stop()
	wait := t1
	retry := time.NewTimer(0) // the first sending
	defer retry.Stop()
	last := "nothing came back: is the caller among the listener's sources, and the listener up?"
	for {
		select {
		case <-retry.C:
			if _, err := u.conn.WriteTo(msg, net.UDPAddrFromAddrPort(dst)); err != nil {
				return nil, fmt.Errorf("%s: %w", method, err)
			}
			retry.Reset(wait)
			wait *= 2
			if method != "INVITE" {
				wait = min(wait, t2)
			}
		case r := <-u.replies:
			cseq := r.CSeq()
			if cseq == nil || cseq.SeqNo != seq || string(cseq.MethodName) != method {
				continue
			}
			if !r.IsProvisional() {
				return r, nil
			}
			last = fmt.Sprintf("the last reply was %d %s", r.StatusCode, r.Reason)
			if method == "INVITE" {
				retry.Stop()
			}
			if provisional != nil {
				provisional(r)
			}
		case <-limit.C:
			return nil, fmt.Errorf("%s: %w within %v; %s", method, errTimeout, transLimit, last)
		case <-ctx.Done():
			return nil, fmt.Errorf("%s: %w; %s", method, ctx.Err(), last)
		}
	}
}

// request writes one request of the call.
func (u *caller) request(method string, seq uint32, uri, toHdr string, routes []string, body string) []byte {
	if toHdr == "" {
		toHdr = "<" + uri + ">"
	}
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + ": " + value + "\r\n") }
	b.WriteString(method + " " + uri + " SIP/2.0\r\n")
	line("Via", "SIP/2.0/UDP "+u.c.From.String()+";branch="+sip.GenerateBranch()+";rport")
	for _, r := range routes {
		line("Route", r)
	}
	line("Max-Forwards", "70")
	line("From", "<sip:caller@"+u.c.From.String()+">;tag="+u.tag)
	line("To", toHdr)
	line("Call-ID", u.callID)
	line("CSeq", strconv.FormatUint(uint64(seq), 10)+" "+method)
	line("Contact", "<sip:caller@"+u.c.From.String()+">")
	if body != "" {
		line("Content-Type", "application/sdp")
	}
	line("Content-Length", strconv.Itoa(len(body)))
	b.WriteString("\r\n" + body)
	return []byte(b.String())
}

// withBranch gives msg the Via branch of other.
func withBranch(msg, other []byte) []byte {
	branch := func(m []byte) string {
		s := string(m)
		s = s[strings.Index(s, ";branch=")+len(";branch="):]
		return s[:strings.IndexByte(s, ';')]
	}
	return []byte(strings.Replace(string(msg), branch(msg), branch(other), 1))
}

// to is the To header of a reply, with its tag.
func to(r *sip.Response) string {
	if h := r.To(); h != nil {
		return h.Value()
	}
	return ""
}

// sdp offers or answers one G.711 stream that carries nothing.
func sdp(at netip.Addr) string {
	family := "IP4"
	if at.Is6() {
		family = "IP6"
	}
	return fmt.Sprintf("v=0\r\no=trunkline 1 1 IN %[1]s %[2]s\r\ns=-\r\nc=IN %[1]s %[2]s\r\nt=0 0\r\n"+
		"m=audio 40000 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=inactive\r\n", family, at)
}
