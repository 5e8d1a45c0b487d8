package agent

import (
	"fmt"
	"net/netip"
	"strings"

	"trunkline/tools/sipload/wire"
)

// MaxMessage is the largest message an agent writes, bytes.
const MaxMessage = 8192

// Texts are what a user may choose of the messages.
type Texts struct {
	FromUser string   // user part of the caller
	ToUser   string   // what the called number begins with; seven digits follow
	Headers  []string // further lines "Name: value" of every INVITE and OPTIONS
	BodySize int      // bytes an SDP is made up to; smaller or 0: as it is
}

// DefaultTexts give an INVITE of about 850 bytes.
var DefaultTexts = Texts{FromUser: "+4989123456", ToUser: "+4930"}

const userAgent = "User-Agent: sipload\n"

// sdp is an offer or answer of usual size, made up to size with attribute lines.
func sdp(ip netip.Addr, codecs string, size int) string {
	family := "IP4"
	if ip.Is6() {
		family = "IP6"
	}
	s := fmt.Sprintf("v=0\r\no=- 53655765 2353687637 IN %s %s\r\ns=-\r\nc=IN %s %s\r\nt=0 0\r\n%sa=ptime:20\r\na=sendrecv\r\n",
		family, ip, family, ip, strings.ReplaceAll(codecs, "\n", "\r\n"))
	const empty = len("a=x:\r\n")
	for missing := size - len(s); missing > empty; missing = size - len(s) {
		n := min(missing-empty, 64)
		if left := missing - empty - n; left > 0 && left <= empty {
			n -= empty // leave room for a last line
		}
		s += "a=x:" + strings.Repeat("y", n) + "\r\n"
	}
	return s
}

const (
	offered = "m=audio 16384 RTP/AVP 8 0 18 101\na=rtpmap:8 PCMA/8000\na=rtpmap:0 PCMU/8000\na=rtpmap:18 G729/8000\na=fmtp:18 annexb=no\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n"
	chosen  = "m=audio 26384 RTP/AVP 8 101\na=rtpmap:8 PCMA/8000\na=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\n"
)

func withBody(header, body string) string {
	return header + fmt.Sprintf("Content-Type: application/sdp\nContent-Length: %d\n\n%s", len(body), body)
}

// callerTexts are the messages of calls from one socket. What an ACK or BYE within
// a dialog needs besides stands between the parts: method and URI before the Via,
// the route set after it, the To value before the rest.
type callerTexts struct {
	callIDEnd []byte // what follows the id in our Call-IDs

	invite, cancel, options wire.Template
	refused, ackEnd         wire.Template // ACK of a refusal up to its To value; what follows it
	ackVia, byeVia          wire.Template // from behind the URI to the end of the Via line
	dialog, byeEnd          wire.Template // from behind the routes up to the To value; what follows
}

func newCallerTexts(t Texts, local, target netip.AddrPort, run string) *callerTexts {
	host := "@" + local.Addr().String()
	if local.Addr().Is6() {
		host = "@[" + local.Addr().String() + "]"
	}
	uri := fmt.Sprintf("sip:%s%s@%s;user=phone", t.ToUser, wire.MarkNumber, target)
	via := func(letter string) string {
		return fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%s%s;rport\n", local, wire.MarkID, run, letter)
	}
	from := fmt.Sprintf("Max-Forwards: 70\nFrom: \"Load\" <sip:%s%s;user=phone>;tag=%s\nTo: ", t.FromUser, host, wire.MarkID)
	end := func(cseq string) string {
		return "\nCall-ID: " + wire.MarkID + "-" + run + host + "\nCSeq: " + cseq + "\n"
	}
	extra := ""
	for _, h := range t.Headers {
		extra += h + "\n"
	}
	contact := fmt.Sprintf("Contact: <sip:%s@%s>\n", t.FromUser, local)
	last := userAgent + "Content-Length: 0\n\n"
	return &callerTexts{
		callIDEnd: []byte("-" + run + host),
		invite: wire.NewTemplate(withBody("INVITE "+uri+" SIP/2.0\n"+via("i")+from+"<"+uri+">"+end("1 INVITE")+contact+
			"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\nSupported: timer\nSession-Expires: 1800\nMin-SE: 90\n"+userAgent+extra,
			sdp(local.Addr(), offered, t.BodySize))),
		cancel:  wire.NewTemplate("CANCEL " + uri + " SIP/2.0\n" + via("i") + from + "<" + uri + ">" + end("1 CANCEL") + last),
		options: wire.NewTemplate("OPTIONS " + "sip:" + target.String() + " SIP/2.0\n" + via("o") + from + "<sip:" + target.String() + ">" + end("1 OPTIONS") + contact + extra + last),
		refused: wire.NewTemplate("ACK " + uri + " SIP/2.0\n" + via("i") + from),
		ackEnd:  wire.NewTemplate(end("1 ACK") + last),
		ackVia:  wire.NewTemplate(" SIP/2.0\n" + via("a")),
		byeVia:  wire.NewTemplate(" SIP/2.0\n" + via("b")),
		dialog:  wire.NewTemplate(from),
		byeEnd:  wire.NewTemplate(end("2 BYE") + last),
	}
}

// calleeTexts are what follows the header fields copied from a request.
type calleeTexts struct{ ringing, answer []byte }

const noBody = "Content-Length: 0\r\n\r\n"

func newCalleeTexts(t Texts, local netip.AddrPort) *calleeTexts {
	contact := fmt.Sprintf("Contact: <sip:%s>\n", local)
	answer := wire.NewTemplate(withBody(contact+"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\n", sdp(local.Addr(), chosen, t.BodySize)))
	ringing := wire.NewTemplate(contact + "Content-Length: 0\n\n")
	return &calleeTexts{ringing: ringing.Append(nil, 0, 0), answer: answer.Append(nil, 0, 0)}
}

// Check reports what is wrong with the texts.
func (t Texts) Check() error {
	for _, h := range t.Headers {
		name, _, ok := strings.Cut(h, ":")
		if !ok || strings.TrimSpace(name) == "" || strings.ContainsAny(name, " \t") || strings.ContainsAny(h, "\r\n\x00\x01\x02") {
			return fmt.Errorf("header %q is not a line \"Name: value\". Write, for example, 'P-Asserted-Identity: <sip:+4989@carrier.example>'", h)
		}
	}
	for what, user := range map[string]string{"caller": t.FromUser, "called number": t.ToUser} {
		if strings.Trim(user, "+0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.") != "" {
			return fmt.Errorf("%s %q: write letters, digits, + - _ . only", what, user)
		}
	}
	if t.FromUser == "" {
		return fmt.Errorf("the caller has no user part. Write, for example, %s", DefaultTexts.FromUser)
	}
	a := netip.MustParseAddrPort("[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535")
	if n := newCallerTexts(t, a, a, "00000000").invite.Len(); n > MaxMessage {
		return fmt.Errorf("an INVITE would have up to %d bytes, and %d is the most. Choose a smaller body or fewer headers", n, MaxMessage)
	}
	return nil
}
