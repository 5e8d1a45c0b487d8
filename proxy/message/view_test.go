package message

import (
	"strings"
	"testing"
)

// crlf turns the lines of a test into a message.
func crlf(s string) []byte { return []byte(strings.ReplaceAll(s, "\n", "\r\n")) }

const invite = `INVITE sip:+4930123@203.0.113.10:5060;user=phone SIP/2.0
Via: SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKa1
Via: SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKa0;received=192.0.2.4
Route: <sip:203.0.113.10;lr>, "a, b" <sip:203.0.113.11;lr>;x="<,>"
Record-Route: <sip:198.51.100.7;lr>
Route: <sip:203.0.113.12;lr>
Max-Forwards: 69
From: "Bob \"x\" ;tag=no" <sip:bob@example.net;tag=no>;tag=f-1
To: <sip:+4930123@example.net>
Call-ID: 7f@198.51.100.7
CSeq: 17 INVITE
Contact: "B, <b>" <sip:bob@198.51.100.7:5070>;expires=60, <sip:c@192.0.2.1>
Require: 100rel
Proxy-Require: foo, bar
Timestamp: 12.5
Content-Length: 4

v=0
`

func parsed(t testing.TB, b []byte) *View {
	t.Helper()
	v := new(View)
	if err := v.Parse(b); err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	return v
}

func TestRequestFields(t *testing.T) {
	v := parsed(t, crlf(invite+"beyond the body"))
	r0, u0 := v.Route(0)
	r1, u1 := v.Route(1)
	_, u2 := v.Route(2)
	for _, tt := range []struct {
		what string
		got  Span
		want string
	}{
		{"method", v.MethodText, "INVITE"},
		{"uri", v.URI, "sip:+4930123@203.0.113.10:5060;user=phone"},
		{"via", v.Via.Value, "SIP/2.0/UDP 198.51.100.7:5070;rport;branch=z9hG4bKa1"},
		{"transport", v.Via.Transport, "UDP"},
		{"host", v.Via.Host, "198.51.100.7"},
		{"branch", v.Via.Branch, "z9hG4bKa1"},
		{"second via", v.SecondVia, "SIP/2.0/UDP 10.1.1.1;branch=z9hG4bKa0;received=192.0.2.4"},
		{"from uri", v.From.URI, "sip:bob@example.net;tag=no"},
		{"from tag", v.From.Tag, "f-1"},
		{"to uri", v.To.URI, "sip:+4930123@example.net"},
		{"to tag", v.To.Tag, ""},
		{"call-id", v.CallID, "7f@198.51.100.7"},
		{"contact", v.Contact, "sip:bob@198.51.100.7:5070"},
		{"require", v.Require, "100rel"},
		{"proxy-require", v.ProxyRequire, "foo, bar"},
		{"timestamp", v.Timestamp, "Timestamp: 12.5\r\n"},
		{"route 0", r0, "<sip:203.0.113.10;lr>"},
		{"route 0 uri", u0, "sip:203.0.113.10;lr"},
		{"route 1", r1, `"a, b" <sip:203.0.113.11;lr>;x="<,>"`},
		{"route 1 uri", u1, "sip:203.0.113.11;lr"},
		{"route 2 uri", u2, "sip:203.0.113.12;lr"},
		{"body", v.Body, "v=0\r"},
	} {
		if got := string(v.Get(tt.got)); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.what, got, tt.want)
		}
	}
	if !v.IsRequest() || v.Method != INVITE || v.CSeq != 17 || v.CSeqMethod != INVITE ||
		v.MaxForwards != 69 || v.ContentLength != 4 || v.RouteCount != 3 || v.Via.Port != 5070 ||
		!v.Via.HasRPort || !v.Via.RPort.Empty() {
		t.Errorf("%+v", v)
	}
	if !strings.HasSuffix(string(v.Bytes()), "\r\n\r\nv=0\r") {
		t.Errorf("bytes beyond the body are kept")
	}
}

func TestReplyFields(t *testing.T) {
	v := parsed(t, crlf("\n\nsip/2.0 183 Session  Progress\nv:SIP/2.0/UDP [2001:db8::1]:5070;branch=z9hG4bKx;rport=5099;received=2001:db8::9 , SIP / 2.0/TCP\n host.example\nf: sip:a@b;tag=1\nT : sip:c@d ; TAG = 2\ni: x\ncseq: 1\n\tINVITE\n\n"))
	if v.IsRequest() || v.Status() != 183 || v.RouteCount != 0 || v.MaxForwards != -1 || v.ContentLength != -1 {
		t.Fatalf("%+v", v)
	}
	for got, want := range map[Span]string{
		v.Reason: "Session  Progress", v.Via.Host: "2001:db8::1", v.Via.RPort: "5099",
		v.Via.Received: "2001:db8::9", v.SecondVia: "SIP / 2.0/TCP\r\n host.example",
		v.From.Tag: "1", v.To.Tag: "2", v.CSeqMethodText: "INVITE",
	} {
		if string(v.Get(got)) != want {
			t.Errorf("%q, want %q", v.Get(got), want)
		}
	}
	second, ok := v.ViaAt(v.SecondVia)
	if !ok || string(v.Get(second.Host)) != "host.example" || string(v.Get(second.Transport)) != "TCP" {
		t.Errorf("second Via %+v", second)
	}
}

// What RFC 4475 does not show.
func TestFaults(t *testing.T) {
	const rest = "Via: SIP/2.0/UDP h;branch=z9hG4bK1\nFrom: <sip:a@b>;tag=1\nTo: <sip:c@d>\nCall-ID: x\nCSeq: 1 OPTIONS\n"
	const req = "OPTIONS sip:x SIP/2.0\n"
	for _, tt := range []struct {
		name, msg string
		fault     Fault
		replyable bool
	}{
		{"minimal", req + rest + "\n", FaultNone, true},
		{"empty", "\n\n\n", FaultEmpty, false},
		{"noise", "\x00\x01\x02\n\n", FaultNotSIP, false},
		{"no line", "OPTIONS sip:x SIP/2.0", FaultNotSIP, false},
		{"other protocol", "GET / HTTP/1.1\nHost: x\n\n", FaultNotSIP, false},
		{"no URI", "OPTIONS SIP/2.0\n" + rest + "\n", FaultRequestLine, true},
		{"tab in line", "OPTIONS sip:x\ty SIP/2.0\n" + rest + "\n", FaultRequestLine, true},
		{"version 3", "OPTIONS sip:x SIP/3.0\n" + rest + "\n", FaultVersion, true},
		{"reply version", "SIP/3.0 200 OK\n" + rest + "\n", FaultNotSIP, false},
		{"code 99", "SIP/2.0 099 X\n" + rest + "\n", FaultStatusLine, false},
		{"code 700", "SIP/2.0 700 X\n" + rest + "\n", FaultStatusLine, false},
		{"code glued", "SIP/2.0 200OK\n" + rest + "\n", FaultStatusLine, false},
		{"no end", req + rest, FaultUnterminated, true},
		{"cut line", req + rest + "Subject: x", FaultUnterminated, true},
		{"lone CR", req + rest + "Subject: a\rX-Evil: b\n\n", FaultLineEnd, true},
		{"no colon", req + rest + "Subject\n\n", FaultHeader, true},
		{"no name", req + rest + ": x\n\n", FaultHeader, true},
		{"fold first", req + " x\n" + rest + "\n", FaultHeader, true},
		{"no via", req + strings.SplitN(rest, "\n", 2)[1] + "\n", FaultNoVia, false},
		{"via no host", req + strings.Replace(rest, " h;", " ;", 1) + "\n", FaultVia, false},
		{"via port 0", req + strings.Replace(rest, " h;", " h:0;", 1) + "\n", FaultVia, false},
		{"via port", req + strings.Replace(rest, " h;", " h:65536;", 1) + "\n", FaultVia, false},
		{"via v6", req + strings.Replace(rest, " h;", " [::1;", 1) + "\n", FaultVia, false},
		{"via comma", req + strings.Replace(rest, "bK1", "bK1,", 1) + "\n", FaultVia, true},
		{"via quote", req + strings.Replace(rest, "bK1", "bK1;a=\"b", 1) + "\n", FaultVia, true},
		{"branch twice", req + strings.Replace(rest, "bK1", "bK1;Branch=z9hG4bK2", 1) + "\n", FaultVia, true},
		{"rport twice", req + strings.Replace(rest, "bK1", "bK1;rport;rport=1", 1) + "\n", FaultVia, true},
		{"tag twice", req + strings.Replace(rest, "tag=1", "tag=1;TAG=2", 1) + "\n", FaultFrom, true},
		{"second via", req + rest + "Via: x\n\n", FaultVia, true},
		{"from twice", req + rest + "f: <sip:a@b>\n\n", FaultDuplicate, true},
		{"no bracket", req + strings.Replace(rest, "b>", "b", 1) + "\n", FaultFrom, true},
		{"no from", req + strings.Replace(rest, "From", "X-From", 1) + "\n", FaultNoFrom, true},
		{"no to", req + strings.Replace(rest, "To:", "X-To:", 1) + "\n", FaultNoTo, true},
		{"no call-id", req + strings.Replace(rest, "Call-ID", "X-Call-ID", 1) + "\n", FaultNoCallID, true},
		{"no cseq", req + strings.Replace(rest, "CSeq", "X-CSeq", 1) + "\n", FaultNoCSeq, false},
		{"empty call-id", req + strings.Replace(rest, "ID: x", "ID: ", 1) + "\n", FaultNoCallID, true},
		{"cseq alone", req + strings.Replace(rest, "1 OPTIONS", "1", 1) + "\n", FaultCSeq, true},
		{"cseq glued", req + strings.Replace(rest, "1 OPTIONS", "1OPTIONS", 1) + "\n", FaultCSeq, true},
		{"cseq 2^31", req + strings.Replace(rest, "1 OPTIONS", "2147483648 OPTIONS", 1) + "\n", FaultCSeq, true},
		{"cseq case", req + strings.Replace(rest, "1 OPTIONS", "1 Options", 1) + "\n", FaultCSeqMethod, true},
		{"hops 256", req + rest + "Max-Forwards: 256\n\n", FaultMaxForwards, true},
		{"hops empty", req + rest + "Max-Forwards:\n\n", FaultMaxForwards, true},
		{"hops twice", req + rest + "Max-Forwards: 1\nMax-Forwards: 1\n\n", FaultDuplicate, true},
		{"route", req + rest + "Route: <sip:x\n\n", FaultRoute, true},
		{"route comma", req + rest + "Route: <sip:x>,\n\n", FaultRoute, true},
		{"ack", strings.Replace(req, "OPTIONS", "ACK", 1) + strings.Replace(rest, "OPTIONS", "ACK", 1), FaultUnterminated, false},
		{"lines", req + rest + strings.Repeat("X: y\n", MaxHeaders) + "\n", FaultTooManyLines, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v View
			err := v.Parse(crlf(tt.msg))
			if v.Fault() != tt.fault || v.Replyable() != tt.replyable {
				t.Fatalf("%v, replyable %v", err, v.Replyable())
			}
		})
	}
	var v View
	if err := v.Parse(make([]byte, MaxSize+1)); err != FaultTooLarge {
		t.Errorf("%v", err)
	}
	// A View is as new after a fault.
	if err := v.Parse(crlf(req + rest + "\n")); err != nil || !v.Replyable() {
		t.Errorf("%v", err)
	}
}

// A line feed alone ends no line, wherever it is; in a body it is data.
func TestLineFeeds(t *testing.T) {
	whole := string(crlf(invite))
	head, _, _ := strings.Cut(whole, "\r\n\r\n")
	for i := range strings.Count(head, "\n") + 2 {
		at := 0
		for range i {
			at += strings.IndexByte(whole[at:], '\n') + 1
		}
		at += strings.IndexByte(whole[at:], '\r')
		var v View
		if err := v.Parse([]byte(whole[:at] + whole[at+1:])); err != FaultLineEnd {
			t.Errorf("line %d: %v", i, err)
		}
	}
	parsed(t, []byte(strings.Replace(whole, "v=0\r", "v=0\n", 1)))
}

func TestMethods(t *testing.T) {
	for m := INVITE; m <= PUBLISH; m++ {
		if got := ParseMethod([]byte(m.String())); got != m {
			t.Errorf("%s: %d", m, got)
		}
		if got := ParseMethod([]byte(strings.ToLower(m.String()))); got != MethodOther {
			t.Errorf("%s in lower case is %s", m, got)
		}
	}
	if Method(200).String() != "" {
		t.Error("a method nobody knows has a name")
	}
}

func TestPhrases(t *testing.T) {
	for code, want := range map[int]string{100: "Trying", 487: "Request Terminated", 503: "Service Unavailable", 499: "Bad Request", 299: "OK", 42: "Unknown"} {
		if got := ReasonPhrase(code); got != want {
			t.Errorf("%d %q", code, got)
		}
	}
	for f := FaultNone; int(f) < Faults; f++ {
		if f.Text() == "" {
			t.Errorf("fault %d has no text", f)
		}
	}
}

// Options and session timers: the first line counts, what is further is said, and an empty line is
// not none.
func TestOptionFields(t *testing.T) {
	const head = "INVITE sip:1@192.0.2.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n"
	for _, c := range []struct {
		lines                              string
		require, supported, expires, minSE string // "-": there is none
		more                               bool
	}{
		{"", "", "", "-", "-", false},
		{"k: timer\r\nX : 90 ;refresher=uac\r\nMIN-SE: 80\r\n", "", "timer", "90 ;refresher=uac", "80", false},
		{"session-expires: 1\r\nx: 2\r\nMin-SE:\r\nMin-SE: 3\r\n", "", "", "1", "", false},
		{"x:\r\nSupported:\r\nSupported: a\r\nRequire:\r\n b\r\n", "b", "a", "", "-", false},
		{"Supported: a\r\nk: b\r\n", "", "a", "-", "-", true},
		{"Require: a\r\nRequire: b\r\n", "a", "", "-", "-", true},
		{"Session-Expired: 1\r\nSupporter: a\r\nMin-XE: 1\r\n", "", "", "-", "-", false},
	} {
		v := parsed(t, []byte(head+c.lines+"\r\n"))
		there := func(s Span) string {
			if s == (Span{}) {
				return "-"
			}
			return string(v.Get(s))
		}
		if r, s := string(v.Get(v.Require)), string(v.Get(v.Supported)); r != c.require || s != c.supported || v.MoreOptions != c.more {
			t.Errorf("%q: requires %q, supports %q, more %v", c.lines, r, s, v.MoreOptions)
		}
		if x, m := there(v.SessionExpires), there(v.MinSE); x != c.expires || m != c.minSE {
			t.Errorf("%q: Session-Expires %q, Min-SE %q", c.lines, x, m)
		}
	}
}
