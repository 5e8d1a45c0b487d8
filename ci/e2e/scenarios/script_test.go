package scenarios

import (
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A script is lines, of which "//" begins a comment:
//
//	P MSG [CHANGE...] [-> Q [CHANGE...]]   P sends MSG; Q gets it forwarded, with the
//	                                       changes behind the arrow made to it as well
//	P MSG ... -> Q lost                    as above, but it is lost behind the proxy
//	P again MSG [-> Q]                     the same bytes once more
//	P < MSG [CHANGE...]                    P gets MSG from the proxy itself
//	P < MSG from Q [CHANGE...]             P gets what Q has sent before
//	P < BYE for Q [CHANGE...]              P gets BYE from the proxy in the name of Q
//	P << MSG                               P gets a repetition of what it got before
//	P up, P down                           reachable or not
//	P resets, P hangs-up, P half-closes    its connections
//	P gone                                 the proxy closes all connections of P's
//	P ping, P pong                         CRLF CRLF is sent, CRLF comes
//	P raw "text"                           sends just that
//	P bounces MSG                          sends what it got to the proxy as it is
//	P turned-away                          tries a connection, and has none
//	P deaf, P hears                        probes are left alone or answered
//	state P STATE                          of the destination, waited for
//	counted NAME [N]                       a counter goes up by N in all, waited for
//	forgotten                              the proxy holds nothing any more, waited for
//	noticed                                the proxy knows which connections have ended
//
// MSG is a method, or a status code with the method of the request, INVITE unless it is
// written. {P}, {carrier} and {core} are addresses, {P} of a browser its name. A line may begin with #N: it is of the call N then. Changes are:
//
//	sdp, body=N             a session description, or N bytes, as the body
//	uri=U                   the Request-URI
//	+"Name: value"          one more header line
//	via+"Name: value"       the same, below the Via lines
//	-Name                   all lines of a header less
//	"old"=>"new"            every other text
//	folded, compact, one-via  headers written otherwise: see changes
type script struct {
	t     testing.TB
	g     *group
	calls map[int]*call
	at    string // line being run

	before  figures
	acks    int // forwarded
	repeats int // that the script itself brings about
}

var words = regexp.MustCompile(`[^\s"]*"(?:[^"\\]|\\.)*"(?:=>"(?:[^"\\]|\\.)*")?|\S+`)

// run runs a script; it stops the test at the first thing that is not as written.
func (s *script) run(text string) {
	s.t.Helper()
	names := []string{"{carrier}", s.g.carrier().addr.String(), "{core}", s.g.core().addr.String()}
	for name, p := range s.g.parties {
		names = append(names, "{"+name+"}", p.host())
	}
	text = strings.NewReplacer(names...).Replace(text)
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(strings.TrimSpace(line), " // ")
		if line == "" || strings.HasPrefix(line, "//") {
			continue
		}
		s.at = fmt.Sprintf("line %d: %s", i+1, line)
		s.line(words.FindAllString(line, -1))
	}
}

func (s *script) fail(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("%s\n%s", s.at, fmt.Sprintf(format, args...))
}

func (s *script) call(n int) *call {
	c := s.calls[n]
	if c == nil {
		s.g.serial++
		c = &call{id: fmt.Sprintf("%s-%d-%d", s.g.name, s.g.serial, n), sides: map[string]*side{}}
		s.calls[n] = c
	}
	return c
}

func (s *script) party(name string) *party {
	p := s.g.parties[name]
	if p == nil {
		s.fail("there is no party %q", name)
	}
	return p
}

func (s *script) line(w []string) {
	s.t.Helper()
	n := 1
	if strings.HasPrefix(w[0], "#") {
		var err error
		if n, err = strconv.Atoi(w[0][1:]); err != nil {
			s.fail("%q is no number of a call", w[0])
		}
		w = w[1:]
	}
	switch w[0] {
	case "counted":
		s.counted(w[1:])
		return
	case "forgotten":
		s.g.settle(s.t)
		return
	case "state":
		s.state(w[1], w[2])
		return
	case "noticed":
		s.g.noticed(s.t)
		return
	}
	c, p := s.call(n), s.party(w[0])
	if w = w[1:]; len(w) == 0 {
		s.fail("%s does nothing", p.name)
	}
	switch w[0] {
	case "up":
		p.open(s.t)
	case "down":
		p.close()
	case "resets":
		p.hangUp(true)
	case "hangs-up":
		p.hangUp(false)
	case "half-closes":
		p.halfClose(s.t)
	case "gone":
		if !p.gone() {
			s.fail("a connection was not closed")
		}
	case "turned-away":
		if c, err := p.connect(); err == nil {
			if !p.gone(p.take(c)) {
				s.fail("%s has a connection", p.name)
			}
		}
	case "deaf", "hears":
		p.mu.Lock()
		p.deaf = w[0] == "deaf"
		p.mu.Unlock()
	case "bounces":
		msg := c.side(p).got[w[1]].msg
		c.sends(p, msg)
		p.send(s.t, p.route(s.t), msg)
	case "ping":
		p.send(s.t, p.route(s.t), "\r\n\r\n")
	case "pong":
		if a, ok := p.next(); !ok || a.msg != "\r\n" {
			s.fail("instead of CRLF came %q", a.msg)
		}
	case "raw":
		text, err := strconv.Unquote(w[1])
		if err != nil {
			s.fail("%v", err)
		}
		p.send(s.t, p.route(s.t), text)
	case "<<":
		what, _ := s.message(w[1:])
		s.repeated(c, p, what)
	case "<":
		s.gets(c, p, w[1:])
	default:
		s.sends(c, p, w)
	}
}

// message reads MSG; rest is what follows.
func (s *script) message(w []string) (what string, rest []string) {
	if len(w) == 0 {
		s.fail("no message is named")
	}
	if w[0][0] < '1' || w[0][0] > '6' {
		return w[0], w[1:]
	}
	m := "INVITE"
	if len(w) > 1 && regexp.MustCompile(`^[A-Z]+$`).MatchString(w[1]) {
		m = w[1]
		return w[0] + " " + m, w[2:]
	}
	return w[0] + " " + m, w[1:]
}

func (s *script) sends(c *call, p *party, w []string) {
	s.t.Helper()
	again := w[0] == "again"
	if again {
		w = w[1:]
	}
	what, w := s.message(w)
	changes, after, to := w, []string(nil), ""
	for i, x := range w {
		if x == "->" {
			if i+1 == len(w) {
				s.fail("nobody is behind the arrow")
			}
			changes, to, after = w[:i], w[i+1], w[i+2:]
			break
		}
	}
	var msg string
	var by *link
	code, m, isReply := strings.Cut(what, " ")
	switch {
	case again:
		if msg = c.side(p).sent[what]; msg == "" {
			s.fail("%s has sent no %s", p.name, what)
		}
		if isReply {
			by = c.side(p).got[m].from
		}
	case isReply:
		if msg, by = c.reply(p, number(code), m, s.body(changes)); by == nil {
			s.fail("%s has got no %s", p.name, m)
		}
	default:
		msg = c.request(p, what, s.body(changes))
	}
	if by == nil || p.isGone(by) {
		by = p.route(s.t)
	}
	if !again {
		msg = s.change(msg, changes)
		c.sends(p, msg)
	}
	p.send(s.t, by, msg)
	if to != "" {
		if again && p.transport == "udp" && s.party(to).transport == "udp" {
			s.passed(c, p, s.party(to), what, after, true)
			return
		}
		s.passed(c, p, s.party(to), what, after, false)
	}
}

// gets is the line "P < MSG".
func (s *script) gets(c *call, p *party, w []string) {
	s.t.Helper()
	what, w := s.message(w)
	if len(w) > 1 && w[0] == "from" {
		s.passed(c, s.party(w[1]), p, what, w[2:], false)
		return
	}
	a := p.receive(s.t, what+" of the proxy ("+s.at+")")
	s.isLabel(p, a, what)
	if what == "BYE" && len(w) > 1 && w[0] == "for" {
		s.same(p, a.msg, s.bye(c, p, s.party(w[1]), a.msg, w[2:]))
		c.gets(p, a)
		return
	}
	code, m, isReply := strings.Cut(what, " ")
	d := c.side(p)
	got, want := a.msg, ""
	switch {
	case isReply:
		req := d.sent[m]
		if req == "" {
			req = d.request // whose CSeq names another method
		}
		var err error
		if got, err = unlocal(got, req, number(code)); err != nil {
			s.fail("%v", err)
		}
		want = localReply(req, p.source(), number(code), s.extra(w))
	case what == "CANCEL":
		invite := d.got["INVITE"].msg
		want = hopByHop("CANCEL", invite, all(invite, "to"))
	case what == "ACK":
		want = hopByHop("ACK", d.got["INVITE"].msg, all(d.finalSent, "to"))
	default:
		s.fail("the proxy makes no %s", what)
	}
	s.same(p, got, want)
	d.came[what] = a
	c.gets(p, a)
}

// bye is the BYE that p gets from the proxy in the name of q (RFC 3261 12.2.1.1), with the Via that came.
func (s *script) bye(c *call, p, q *party, got string, w []string) string {
	s.t.Helper()
	via := all(got, "via")
	if !s.g.faceOf(p).via(face{transport: "udp"}).MatchString(via) {
		s.fail("the Via of %s's BYE is %q", p.name, via)
	}
	at, other := c.side(p), c.side(q)
	return "BYE " + p.contact() + " SIP/2.0\r\n" + via + "Max-Forwards: 70\r\n" +
		"From: <" + at.remote + ">;tag=" + at.remoteTag + "\r\nTo: <" + other.remote + ">;tag=" + other.remoteTag + "\r\n" +
		"Call-ID: " + c.id + "\r\n" + fmt.Sprintf("CSeq: %d BYE\r\n", other.cseq+1) + s.extra(w) + "Content-Length: 0\r\n\r\n"
}

// source is what the proxy sees a party's requests come from.
func (p *party) source() netip.AddrPort {
	if p.transport != "udp" && p.out != nil {
		return p.out.conn.LocalAddr().(*net.TCPAddr).AddrPort()
	}
	return p.addr
}

// passed is a message of p that arrives at q through the proxy.
func (s *script) passed(c *call, p, q *party, what string, w []string, again bool) {
	s.t.Helper()
	lost := false
	if len(w) > 0 && w[0] == "lost" {
		lost, w = true, w[1:]
	}
	sent := c.side(p).sent[what]
	if sent == "" {
		s.fail("%s has sent no %s", p.name, what)
	}
	if what == "ACK" {
		s.acks++ // no transaction of the proxy's (RFC 3261 17)
	}
	if again {
		s.repeated(c, q, what)
		return
	}
	a := q.receive(s.t, what+" of "+p.name+" ("+s.at+")")
	s.isLabel(q, a, what)
	var got, want string
	if status(sent) == 0 {
		in, out := s.g.faceOf(p), s.g.faceOf(q)
		var err error
		want = asForwarded(sent, p.source(), in, out)
		if got, err = unforward(a.msg, sent, in, out); err != nil {
			s.fail("%v\n%s", err, a.msg)
		}
	} else {
		got, want = a.msg, asRelayed(sent)
	}
	s.same(q, got, s.change(want, w))
	d := c.side(q)
	d.came[what] = a
	if lost {
		d.missed[what] = true
		return
	}
	c.gets(q, a)
}

// repeated waits for a message to come again; what was lost the first time is there now.
func (s *script) repeated(c *call, p *party, what string) {
	s.t.Helper()
	d := c.side(p)
	a, ok := d.came[what]
	if !ok {
		s.fail("no %s has come to %s before", what, p.name)
	}
	s.repeats++
	p.repeat(s.t, a.msg)
	if d.missed[what] {
		delete(d.missed, what)
		c.gets(p, a)
	}
}

func (s *script) isLabel(p *party, a arrival, what string) {
	s.t.Helper()
	if label(a.msg) != what {
		s.fail("%s got instead\n%s", p.name, a.msg)
	}
}

func (s *script) same(p *party, got, want string) {
	s.t.Helper()
	if got == want {
		return
	}
	g, w := strings.SplitAfter(got, "\r\n"), strings.SplitAfter(want, "\r\n")
	for i := 0; i < max(len(g), len(w)); i++ {
		switch {
		case i >= len(g):
			s.fail("%s got a message without line %d, %q\n%s", p.name, i+1, w[i], got)
		case i >= len(w):
			s.fail("%s got a message with a line %d, %q\n%s", p.name, i+1, g[i], got)
		case g[i] != w[i]:
			s.fail("%s got another line %d\n%q, want\n%q\n%s", p.name, i+1, g[i], w[i], got)
		}
	}
}
