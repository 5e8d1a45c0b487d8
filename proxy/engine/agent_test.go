package engine

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for a message that must come.
const patience = 30 * time.Second

// sipMsg is a message as a test sees it.
type sipMsg struct {
	raw     string
	start   string
	headers [][2]string
	body    string
	from    netip.AddrPort
}

func parseMsg(raw string) *sipMsg {
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	m := &sipMsg{raw: raw, start: lines[0], body: body}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ":")
		m.headers = append(m.headers, [2]string{strings.TrimSpace(name), strings.TrimSpace(value)})
	}
	return m
}

// all returns the values of a header, one per line.
func (m *sipMsg) all(name string) []string {
	var out []string
	for _, h := range m.headers {
		if strings.EqualFold(h[0], name) {
			out = append(out, h[1])
		}
	}
	return out
}

func (m *sipMsg) get(name string) string {
	if v := m.all(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (m *sipMsg) method() string { return strings.Fields(m.start)[0] }

func (m *sipMsg) code() int {
	var code int
	if strings.HasPrefix(m.start, "SIP/2.0 ") {
		fmt.Sscan(m.start[8:], &code)
	}
	return code
}

// agent is a SIP endpoint that is nothing but a socket: tests say each message.
type agent struct {
	t    testing.TB
	conn *net.UDPConn
	addr netip.AddrPort
	held []*sipMsg       // received while waiting for something else
	seen map[string]bool // requests that request returned
	n    int
}

func newAgent(t testing.TB, ip string) *agent {
	t.Helper()
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	roomy(t, conn)
	return &agent{t: t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort()}
}

// roomy has a socket hold whatever comes while its test does not read: what a test was not sent
// must not be what the kernel dropped.
func roomy(t testing.TB, conn *net.UDPConn) {
	t.Helper()
	const size = 16 << 20
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	_ = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size) // as much as net.core.rmem_max lets it
		}
	})
}

func (a *agent) send(to netip.AddrPort, raw string) {
	a.t.Helper()
	if _, err := a.conn.WriteToUDPAddrPort([]byte(raw), to); err != nil {
		a.t.Fatal(err)
	}
}

// next returns the next message, or nil after d.
func (a *agent) next(d time.Duration) *sipMsg {
	a.t.Helper()
	if len(a.held) > 0 {
		m := a.held[0]
		a.held = a.held[1:]
		return m
	}
	return a.read(time.Now().Add(d))
}

func (a *agent) read(until time.Time) *sipMsg {
	a.t.Helper()
	a.conn.SetReadDeadline(until)
	buf := make([]byte, 65536)
	n, from, err := a.conn.ReadFromUDPAddrPort(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	if err != nil {
		a.t.Fatalf("agent %s: %v", a.addr, err)
	}
	m := parseMsg(string(buf[:n]))
	m.from = from
	return m
}

// expect returns the next message for which ok holds; others that come first are
// kept for later, so that retransmissions do not disturb a test.
func (a *agent) expect(what string, ok func(*sipMsg) bool) *sipMsg {
	a.t.Helper()
	m := a.look(patience, ok)
	if m == nil {
		var got []string
		for _, h := range a.held {
			got = append(got, h.start+" / CSeq "+h.get("CSeq"))
		}
		a.t.Fatalf("agent %s waits for %s in vain; it got %q", a.addr, what, got)
	}
	return m
}

// look is expect with a time, and nil when that is over.
func (a *agent) look(d time.Duration, ok func(*sipMsg) bool) *sipMsg {
	a.t.Helper()
	for i, m := range a.held {
		if ok(m) {
			a.held = append(a.held[:i:i], a.held[i+1:]...)
			return m
		}
	}
	for until := time.Now().Add(d); ; {
		m := a.read(until)
		if m == nil || ok(m) {
			return m
		}
		a.held = append(a.held, m)
	}
}

// request waits for a request. One that it returned before and that comes again, for the answer
// was late, is not another.
func (a *agent) request(method string) *sipMsg {
	a.t.Helper()
	m := a.expect("a "+method, a.isNew(method))
	a.took(m)
	return m
}

// isNew holds for a request that repeats none taken before.
func (a *agent) isNew(method string) func(*sipMsg) bool {
	return func(m *sipMsg) bool { return m.method() == method && !a.seen[m.transaction()] }
}

// took has request pass over what repeats m. An ACK is for each final reply that it follows.
func (a *agent) took(m *sipMsg) {
	if a.seen == nil {
		a.seen = map[string]bool{}
	}
	a.seen[m.transaction()] = m.method() != "ACK"
}

// again waits for a request that comes once more.
func (a *agent) again(req *sipMsg) *sipMsg {
	a.t.Helper()
	return a.expect("the same "+req.method(), func(m *sipMsg) bool { return m.method() != "" && m.transaction() == req.transaction() })
}

// transaction is what a request has in common with its repetitions, and with no other.
func (m *sipMsg) transaction() string { return m.get("Via") + m.get("v") + " " + m.get("CSeq") }

// reply waits for a reply of one code to one method.
func (a *agent) reply(code int, method string) *sipMsg {
	a.t.Helper()
	return a.expect(fmt.Sprintf("%d to %s", code, method), func(m *sipMsg) bool {
		return m.code() == code && strings.HasSuffix(m.get("CSeq"), " "+method)
	})
}

// forget drops what was kept.
func (a *agent) forget() { a.held = nil }

// quiet fails if a message for which bad holds comes within d or was kept.
func (a *agent) quiet(d time.Duration, what string, bad func(*sipMsg) bool) {
	a.t.Helper()
	for _, m := range a.held {
		if bad(m) {
			a.t.Fatalf("agent %s got %s: %s", a.addr, what, m.start)
		}
	}
	until := time.Now().Add(d)
	for {
		m := a.read(until)
		if m == nil {
			return
		}
		if bad(m) {
			a.t.Fatalf("agent %s got %s:\n%s", a.addr, what, m.raw)
		}
		a.held = append(a.held, m)
	}
}

// call is a caller's view of one dialog.
type caller struct {
	*agent
	proxy  netip.AddrPort
	callID string
	tag    string
	cseq   int
	branch string
	uri    string
	toTag  string
	routes []string // of the dialog, nearest first
}

func (a *agent) newCall(proxy netip.AddrPort) *caller {
	a.n++
	return &caller{
		agent: a, proxy: proxy, cseq: 1,
		callID: fmt.Sprintf("c%d-%d@%s", a.n, time.Now().UnixNano(), a.addr.Addr()),
		tag:    fmt.Sprintf("from%d", a.n),
		uri:    "sip:+4930123456@" + proxy.String(),
	}
}

const sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n"

// build writes a request of this call. extra lines end in CRLF.
func (c *caller) build(method, branch string, cseq int, extra, body string) string {
	to := "<sip:+4930123456@example.net>"
	if c.toTag != "" {
		to += ";tag=" + c.toTag
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, c.uri)
	fmt.Fprintf(&b, "Via: SIP/2.0/UDP %s;rport;branch=%s\r\n", c.addr, branch)
	for _, r := range c.routes {
		fmt.Fprintf(&b, "Route: %s\r\n", r)
	}
	fmt.Fprintf(&b, "Max-Forwards: 70\r\nFrom: \"Alice, A.\" <sip:alice@example.net>;tag=%s\r\nTo: %s\r\n", c.tag, to)
	fmt.Fprintf(&b, "Call-ID: %s\r\nCSeq: %d %s\r\nContact: <sip:alice@%s>\r\n%s", c.callID, cseq, method, c.addr, extra)
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

func (c *caller) newBranch() string {
	c.n++
	return fmt.Sprintf("z9hG4bK-%s-%d", strings.ReplaceAll(c.callID, "@", "."), c.n)
}

// invite sends a new INVITE and returns it.
func (c *caller) invite(extra string) string {
	c.branch = c.newBranch()
	raw := c.build("INVITE", c.branch, c.cseq, extra, sdp)
	c.send(c.proxy, raw)
	return raw
}

// hop sends a request about the last INVITE: ACK for a non-2xx, or CANCEL.
func (c *caller) hop(method string) string {
	raw := c.build(method, c.branch, c.cseq, "", "")
	c.send(c.proxy, raw)
	return raw
}

// established takes dialog state from a 2xx.
func (c *caller) established(ok *sipMsg) {
	_, c.toTag, _ = strings.Cut(ok.get("To"), ";tag=")
	rr := ok.all("Record-Route")
	c.routes = nil
	for i := len(rr) - 1; i >= 0; i-- {
		c.routes = append(c.routes, rr[i])
	}
	c.uri = strings.Trim(ok.get("Contact"), "<>")
}

// inDialog sends a new request within the dialog.
func (c *caller) inDialog(method, extra, body string) string {
	if method != "ACK" {
		c.cseq++
	}
	branch := c.newBranch()
	if method == "INVITE" {
		c.branch = branch
	}
	raw := c.build(method, branch, c.cseq, extra, body)
	c.send(c.proxy, raw)
	return raw
}

// answer builds a reply as a server would (8.2.6), without sending it.
func (a *agent) answer(req *sipMsg, code int, reason, extra string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d %s\r\n", code, reason)
	for _, h := range req.headers {
		switch strings.ToLower(h[0]) {
		case "via", "from", "call-id", "cseq", "record-route":
			fmt.Fprintf(&b, "%s: %s\r\n", h[0], h[1])
		case "to":
			to := h[1]
			if code > 100 && !strings.Contains(to, ";tag=") {
				to += ";tag=" + a.toTag()
			}
			fmt.Fprintf(&b, "To: %s\r\n", to)
		}
	}
	fmt.Fprintf(&b, "Contact: <sip:bob@%s>\r\n%sContent-Length: 0\r\n\r\n", a.addr, extra)
	return b.String()
}

func (a *agent) toTag() string { return fmt.Sprintf("uas%d", a.addr.Port()) }

// respond answers a request where it came from.
func (a *agent) respond(req *sipMsg, code int, reason string) string {
	a.t.Helper()
	raw := a.answer(req, code, reason, "")
	a.send(req.from, raw)
	return raw
}
