package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// call is one Call-ID: what each party knows of it.
type call struct {
	id    string
	sides map[string]*side
}

// side is one party's end of a call (RFC 3261 12, and of what makes no dialog).
type side struct {
	cseq      int
	tag       string
	remoteTag string // "": no dialog
	target    string // remote target
	routes    []string
	remote    string // URI of the other side

	request string // the last sent

	sent map[string]string  // the last of each label
	got  map[string]arrival // the same
	came map[string]arrival // the last of each label that reached the party's side, lost or not
	// missed are labels of which the last was lost.
	missed map[string]bool
	// The last final replies to INVITE.
	finalGot, finalSent string
	branches            int
}

func (c *call) side(p *party) *side {
	s := c.sides[p.name]
	if s == nil {
		s = &side{tag: "tag-" + p.name + "-" + c.id, sent: map[string]string{}, got: map[string]arrival{}, came: map[string]arrival{}, missed: map[string]bool{}}
		c.sides[p.name] = s
	}
	return s
}

// contact is where a party says it is reached.
func (p *party) contact() string {
	uri := "sip:" + p.name + "@" + p.host()
	if p.transport != "udp" {
		uri += ";transport=" + spoken(p.transport)
	}
	return uri
}

// host is how a party calls its machine. A browser knows no address of its own and makes
// up a name (RFC 7118 5).
func (p *party) host() string {
	if p.browser() {
		return "df7jal23ls0d.invalid"
	}
	return p.addr.String()
}

func (p *party) via(branch string) string {
	return fmt.Sprintf("Via: SIP/2.0/%s %s;branch=z9hG4bK%s\r\n", strings.ToUpper(p.transport), p.host(), branch)
}

const called = "sip:+4930123456@sbc.example"

// session is a session description of the usual size.
const session = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 18 101\r\n" +
	"a=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:18 G729/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n"

// content is a body with the headers that tell of it.
func content(typ, body string) string {
	if typ != "" {
		typ = "Content-Type: " + typ + "\r\n"
	}
	return typ + "Content-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body
}

// formsDialog reports whether a request of this method, outside of a dialog, makes one.
func formsDialog(m string) bool { return m == "INVITE" || m == "SUBSCRIBE" || m == "REFER" }

// request writes a request of a party's own.
func (c *call) request(p *party, m, body string) string {
	s := c.side(p)
	invite := s.sent["INVITE"]
	switch {
	case m == "CANCEL":
		return hopByHop("CANCEL", invite, all(invite, "to"))
	case m == "ACK" && status(s.finalGot) >= 300:
		return hopByHop("ACK", invite, all(s.finalGot, "to"))
	}
	s.branches++
	n := cseqOf(s.finalGot)
	if m != "ACK" {
		s.cseq++
		n = s.cseq
	}
	uri, routes, from, to := called, "", p.name+"@caller.example", called
	if s.remoteTag != "" {
		uri, to = s.target, s.remote
		for _, r := range s.routes {
			routes += "Route: " + r + "\r\n"
		}
	}
	own := "<sip:" + from + ">"
	if s.remoteTag != "" && s.sent["INVITE"] == "" && s.sent["SUBSCRIBE"] == "" && s.sent["REFER"] == "" {
		own = "<" + called + ">" // the called party keeps its name
	}
	toTag := ""
	if s.remoteTag != "" {
		toTag = ";tag=" + s.remoteTag
	}
	return m + " " + uri + " SIP/2.0\r\n" +
		p.via(fmt.Sprintf("%s.%s.%d", c.id, p.name, s.branches)) +
		"Max-Forwards: 70\r\n" + routes +
		"From: " + own + ";tag=" + s.tag + "\r\n" +
		"To: <" + to + ">" + toTag + "\r\n" +
		"Call-ID: " + c.id + "\r\n" +
		fmt.Sprintf("CSeq: %d %s\r\n", n, m) +
		"Contact: <" + p.contact() + ">\r\n" + body
}

// hopByHop is the CANCEL of a request (RFC 3261 9.1), or the ACK of a refusal
// (17.1.1.3), as the client transaction of the request makes them.
func hopByHop(m, sent, to string) string {
	via := all(sent, "via")
	top, _, _ := strings.Cut(via, "\r\n")
	first, _, _ := strings.Cut(top, ",")
	return m + " " + requestURI(sent) + " SIP/2.0\r\n" + first + "\r\nMax-Forwards: 70\r\n" + all(sent, "route", "from") + to +
		all(sent, "call-id") + fmt.Sprintf("CSeq: %d %s\r\nContent-Length: 0\r\n\r\n", cseqOf(sent), m)
}

// reply writes a party's reply to the last request of a method it got.
func (c *call) reply(p *party, code int, m, body string) (string, *link) {
	s := c.side(p)
	a, ok := s.got[m]
	if !ok {
		return "", nil
	}
	req := a.msg
	to := all(req, "to")
	if code > 100 && tagOf(to) == "" {
		to = strings.TrimSuffix(to, "\r\n") + ";tag=" + s.tag + "\r\n"
	}
	msg := fmt.Sprintf("SIP/2.0 %d %s\r\n", code, phrase(code)) + all(req, "via")
	if code > 100 && code < 300 {
		msg += all(req, "record-route")
	}
	msg += all(req, "from") + to + all(req, "call-id", "cseq")
	if code > 100 && code < 300 && (formsDialog(m) || m == "UPDATE") {
		msg += "Contact: <" + p.contact() + ">\r\n"
	}
	return msg + body, a.from
}

// sends notes what a party has sent.
func (c *call) sends(p *party, msg string) {
	s := c.side(p)
	s.sent[label(msg)] = msg
	code, m := status(msg), method(msg)
	if code == 0 {
		s.request = msg
		return
	}
	req := s.got[m].msg
	if m == "INVITE" && code >= 200 {
		s.finalSent = msg
	}
	if tagOf(header(req, "to")) != "" || !formsDialog(m) {
		return
	}
	switch {
	case code > 100 && code < 300:
		s.remoteTag, s.remote = tagOf(header(req, "from")), uriOf(header(req, "from"))
		s.target, s.routes = uriOf(header(req, "contact")), values(req, "record-route")
	case code >= 300:
		s.remoteTag = ""
	}
}

// gets notes what a party has got.
func (c *call) gets(p *party, a arrival) {
	s := c.side(p)
	s.got[label(a.msg)] = a
	code, m := status(a.msg), method(a.msg)
	if code == 0 {
		return
	}
	if m == "INVITE" && code >= 200 {
		s.finalGot = a.msg
	}
	if tagOf(header(s.sent[m], "to")) != "" || !formsDialog(m) {
		return
	}
	switch {
	case code > 100 && code < 300 && header(a.msg, "contact") != "":
		s.remoteTag, s.remote = tagOf(header(a.msg, "to")), uriOf(header(a.msg, "to"))
		s.target, s.routes = uriOf(header(a.msg, "contact")), values(a.msg, "record-route")
		slices.Reverse(s.routes)
	case code >= 300:
		s.remoteTag = ""
	}
}
