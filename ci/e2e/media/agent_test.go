package media

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// message is a SIP message as an agent sees it.
type message struct {
	start, body string
	headers     map[string][]string // by lower-case name
	from        netip.AddrPort
}

func parse(raw string, from netip.AddrPort) *message {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := &message{start: lines[0], body: body, headers: map[string][]string{}, from: from}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		m.headers[name] = append(m.headers[name], strings.TrimSpace(value))
	}
	return m
}

func (m *message) get(name string) string {
	if v := m.headers[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func (m *message) code() (n int) {
	_, _ = fmt.Sscanf(m.start, "SIP/2.0 %d", &n)
	return n
}

func (m *message) method() string { return strings.Fields(m.get("cseq") + " -")[1] }

// audio is where a description wants its first stream.
func (m *message) audio() (at netip.AddrPort, ok bool) {
	var port uint16
	if _, after, found := strings.Cut(m.body, "\nm=audio "); !found {
		return at, false
	} else if _, err := fmt.Sscan(after, &port); err != nil || port == 0 {
		return at, false
	}
	_, after, _ := strings.Cut(m.body, "\nc=IN IP4 ")
	a, err := netip.ParseAddr(strings.Fields(after + " -")[0])
	return netip.AddrPortFrom(a, port), err == nil
}

// agent is a socket and the calls that go over it.
type agent struct {
	t    testing.TB
	conn *net.UDPConn
	at   netip.AddrPort
	mu   sync.Mutex
	by   map[string]chan *message // by Call-ID
	new  func(m *message)         // takes an INVITE of a call that is not known
}

func newAgent(t testing.TB, address string, fresh func(a *agent, m *message)) *agent {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(address)))
	if err != nil {
		t.Fatal(err)
	}
	a := &agent{t: t, conn: c, at: c.LocalAddr().(*net.UDPAddr).AddrPort(), by: map[string]chan *message{}}
	a.new = func(m *message) { fresh(a, m) }
	done := make(chan struct{})
	go func() { a.read(); close(done) }()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return a
}

func (a *agent) read() {
	buf := make([]byte, 65536)
	for {
		n, from, err := a.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		m := parse(string(buf[:n]), from)
		id := m.get("call-id")
		a.mu.Lock()
		c, ok := a.by[id]
		if !ok && strings.HasPrefix(m.start, "INVITE ") {
			a.openLocked(id)
			go a.new(m)
			a.mu.Unlock()
			continue
		}
		a.mu.Unlock()
		if ok {
			select {
			case c <- m:
			default: // nobody looks any more
			}
		}
	}
}

func (a *agent) openLocked(id string) chan *message {
	c := make(chan *message, 256)
	a.by[id] = c
	return c
}

func (a *agent) open(id string) chan *message {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, ok := a.by[id]; ok {
		return c
	}
	return a.openLocked(id)
}

func (a *agent) send(to netip.AddrPort, text string) {
	_, _ = a.conn.WriteToUDPAddrPort([]byte(text), to)
}

func withBody(head, body string) string {
	if body != "" {
		head += "Content-Type: application/sdp\r\n"
	}
	return fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", head, len(body), body)
}

// reply answers a request.
func (a *agent) reply(req *message, code int, body string) {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d Whatever\r\n", code)
	for _, v := range req.headers["via"] {
		fmt.Fprintf(&b, "Via: %s\r\n", v)
	}
	for _, v := range req.headers["record-route"] {
		fmt.Fprintf(&b, "Record-Route: %s\r\n", v)
	}
	to := req.get("to")
	if !strings.Contains(to, ";tag=") {
		to += ";tag=callee"
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\nContact: <sip:b@%s>\r\n", req.get("from"), to, req.get("call-id"), req.get("cseq"), a.at)
	a.send(req.from, withBody(b.String(), body))
}

// await takes messages until one fits; nil: none came in time. It repeats what has no answer, as
// a transaction over UDP does.
func await(ctx context.Context, in chan *message, within time.Duration, repeat func(), ok func(*message) bool) *message {
	end := time.NewTimer(within)
	defer end.Stop()
	pause := 200 * time.Millisecond
	again := time.NewTimer(pause)
	defer again.Stop()
	for {
		select {
		case m := <-in:
			if ok(m) {
				return m
			}
		case <-again.C:
			if repeat != nil {
				repeat()
			}
			pause = min(2*pause, 800*time.Millisecond)
			again.Reset(pause)
		case <-end.C:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// dialog is a caller's side of a call.
type dialog struct {
	*agent
	id, to, uri string
	routes      []string
	cseq, n     int
	in          chan *message
}

func (a *agent) call(id string) *dialog {
	return &dialog{agent: a, id: id, to: "<sip:b@example.net>", uri: "sip:b@" + target.String(), cseq: 1, in: a.open(id)}
}

func (d *dialog) build(method, branch, extra, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s%s\r\n", method, d.uri, d.at, d.id, branch)
	for _, r := range d.routes {
		fmt.Fprintf(&b, "Route: %s\r\n", r)
	}
	fmt.Fprintf(&b, "Max-Forwards: 70\r\nFrom: <sip:a@example.net>;tag=caller\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:a@%s>\r\n%s", d.to, d.id, d.cseq, method, d.at, extra)
	return withBody(b.String(), body)
}

// final sends a request until a final reply comes, and acknowledges that of an INVITE.
func (d *dialog) final(ctx context.Context, method, extra, body string, within time.Duration, provisional func(*message)) *message {
	d.n++
	branch := fmt.Sprint("r", d.n)
	text := d.build(method, branch, extra, body)
	d.send(target, text)
	heard := false
	m := await(ctx, d.in, within, func() {
		if !heard || method != "INVITE" {
			d.send(target, text)
		}
	}, func(m *message) bool {
		if m.method() != method || m.code() == 0 {
			return false
		}
		if heard = true; m.code() < 200 && provisional != nil {
			provisional(m)
		}
		return m.code() >= 200
	})
	if m != nil && method == "INVITE" && m.code() >= 300 {
		to := d.to
		d.to = m.get("to")
		d.send(target, d.build("ACK", branch, "", ""))
		d.to = to
	}
	return m
}

// established takes the dialog from a 2xx.
func (d *dialog) established(ok *message) {
	d.to, d.uri, d.routes = ok.get("to"), strings.Trim(ok.get("contact"), "<>"), nil
	rr := ok.headers["record-route"]
	for i := len(rr) - 1; i >= 0; i-- {
		d.routes = append(d.routes, rr[i])
	}
}
