package engine

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"trunkline/appliance/runtime"
)

const (
	wideSDP   = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 18 101\r\na=rtpmap:18 G729/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
	narrowSDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
	typeSDP   = "Content-Type: application/sdp\r\n"
)

func policyRig(t testing.TB, n int, m runtime.Messages) *rig {
	m.Fallback = true
	return newRig(t, n, func(a *runtime.Appliance) { a.Messages = &m })
}

// withBody gives a reply built by answer a body.
func withBody(reply, body string) string {
	return strings.Replace(reply, "Content-Length: 0\r\n\r\n", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body), 1)
}

// unchanged compares two messages but for the lines that a proxy adds or changes by
// duty, and for what the policy takes out: gone are beginnings of header lines of the
// first that the second must not have.
func unchanged(t *testing.T, what string, sent, got *sipMsg, gone ...string) {
	t.Helper()
	hop := func(m *sipMsg) (out []string) {
		for _, h := range m.headers {
			switch strings.ToLower(h[0]) {
			case "via", "v", "max-forwards", "record-route", "route", "content-length", "l":
				continue
			}
			out = append(out, h[0]+": "+h[1])
		}
		return out
	}
	var want []string
	for _, l := range hop(sent) {
		keep := true
		for _, g := range gone {
			keep = keep && !strings.HasPrefix(strings.ToLower(l), strings.ToLower(g)+":")
		}
		if keep {
			want = append(want, l)
		}
	}
	if have := hop(got); strings.Join(have, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s: header\n%s\nwant\n%s", what, strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	if n := got.get("Content-Length"); n != fmt.Sprint(len(got.body)) {
		t.Errorf("%s: Content-Length %q of a body of %d bytes", what, n, len(got.body))
	}
}

// The diet and the pruning act in both directions, at the start of a call and within
// it, with transactions and without.
func TestPolicyOfACall(t *testing.T) {
	t.Parallel()
	r := policyRig(t, 1, runtime.Messages{RemoveHeaders: []string{"User-Agent", "Server", "X-*"}, Codecs: []string{"PCMA", "telephone-event"}})
	const extra = "User-Agent: phone\r\nSupported: timer\r\nX-One: 1\r\nSession-Expires: 1800\r\n" + typeSDP
	c := r.alice.newCall(r.out)
	c.branch = c.newBranch()
	raw := c.build("INVITE", c.branch, c.cseq, extra, wideSDP)
	c.send(c.proxy, raw)
	uas, inv := r.anyUAS("INVITE")
	unchanged(t, "INVITE", parseMsg(raw), inv, "User-Agent", "X-One")
	if inv.body != narrowSDP {
		t.Errorf("offer %q", inv.body)
	}
	ringing := withBody(uas.answer(inv, 183, "Session Progress", "Server: switch\r\n"+typeSDP), wideSDP)
	uas.send(inv.from, ringing)
	got := c.reply(183, "INVITE")
	unchanged(t, "183", parseMsg(ringing), got, "Server")
	if got.body != narrowSDP {
		t.Errorf("answer in the 183 %q", got.body)
	}
	okay := withBody(uas.answer(inv, 200, "OK", "Server: switch\r\nk: timer\r\nX-Two: 2\r\n"+typeSDP), wideSDP)
	uas.send(inv.from, okay)
	got = c.reply(200, "INVITE")
	unchanged(t, "200", parseMsg(okay), got, "Server", "X-Two")
	if got.body != narrowSDP {
		t.Errorf("answer %q", got.body)
	}
	// The ACK and everything within the dialog.
	c.established(got)
	raw = c.inDialog("ACK", extra, wideSDP)
	ack := uas.request("ACK")
	unchanged(t, "ACK", parseMsg(raw), ack, "User-Agent", "X-One")
	if ack.body != narrowSDP {
		t.Errorf("answer in the ACK %q", ack.body)
	}
	raw = c.inDialog("INFO", "X-One: 1\r\n"+typeSDP, wideSDP)
	info := uas.request("INFO")
	unchanged(t, "INFO", parseMsg(raw), info, "X-One")
	if info.body != wideSDP {
		t.Errorf("body of the INFO, which carries no offer: %q", info.body)
	}
	uas.send(info.from, uas.answer(info, 200, "OK", "Server: switch\r\n"))
	if got = c.reply(200, "INFO"); got.get("Server") != "" {
		t.Error("the 200 to INFO has a Server")
	}
	raw = c.inDialog("BYE", "User-Agent: phone\r\n", "")
	bye := uas.request("BYE")
	unchanged(t, "BYE", parseMsg(raw), bye, "User-Agent")
	uas.respond(bye, 200, "OK")
	c.reply(200, "BYE")
	r.settle(0)
	// INVITE 2, 183 1, 200 2, ACK 2, INFO 1, its 200 1, BYE 1.
	r.atLeast("headers_removed", 10)
	r.atLeast("encodings_removed", 4)
	r.count("descriptions_not_pruned", 0)
}

// A retransmission repeats the first one byte for byte, and CANCEL and ACK are for the
// INVITE that was sent.
func TestPolicyAndRetransmissions(t *testing.T) {
	t.Parallel()
	r := policyRig(t, 1, runtime.Messages{RemoveHeaders: []string{"User-Agent"}, Compact: true, Codecs: []string{"PCMA"}})
	c := r.alice.newCall(r.out)
	c.branch = c.newBranch()
	c.send(c.proxy, c.build("INVITE", c.branch, c.cseq, "User-Agent: phone\r\n"+typeSDP, wideSDP))
	uas, first := r.anyUAS("INVITE")
	again := uas.again(first)
	if again.raw != first.raw {
		t.Errorf("the retransmission differs:\n%s\nfrom\n%s", again.raw, first.raw)
	}
	if v := first.get("v"); v == "" || first.get("Via") != "" || first.get("User-Agent") != "" {
		t.Errorf("not compact:\n%s", first.raw)
	}
	// A reply in compact form as well, for the callee repeats the Via lines.
	reply := "SIP/2.0 486 Busy Here\r\n"
	for _, h := range first.headers {
		switch h[0] {
		case "v", "f", "i", "CSeq":
			reply += h[0] + ": " + h[1] + "\r\n"
		case "t":
			reply += "t: " + h[1] + ";tag=x\r\n"
		}
	}
	uas.send(first.from, reply+"User-Agent: switch\r\nl: 0\r\n\r\n")
	ack := uas.request("ACK")
	if ack.get("Via") != first.get("v") {
		t.Errorf("Via of the ACK %q, of the INVITE %q", ack.get("Via"), first.get("v"))
	}
	busy := c.expect("486", func(m *sipMsg) bool { return m.code() == 486 })
	if busy.get("User-Agent") != "" || busy.get("i") != c.callID {
		t.Errorf("reply %s", busy.raw)
	}
	c.send(c.proxy, c.build("INVITE", c.branch, c.cseq, "User-Agent: phone\r\n"+typeSDP, wideSDP))
	if repeated := c.expect("486 again", func(m *sipMsg) bool { return m.code() == 486 }); repeated.raw != busy.raw {
		t.Errorf("the reply repeated differs:\n%s\nfrom\n%s", repeated.raw, busy.raw)
	}
	c.hop("ACK")
	r.settle(0)
}

// What cannot be pruned passes as it is and is counted.
func TestPolicyLeavesWhatItCannotPrune(t *testing.T) {
	t.Parallel()
	r := policyRig(t, 1, runtime.Messages{Codecs: []string{"opus"}})
	c := r.alice.newCall(r.out)
	c.branch = c.newBranch()
	c.send(c.proxy, c.build("INVITE", c.branch, c.cseq, typeSDP, wideSDP))
	uas, inv := r.anyUAS("INVITE")
	if inv.body != wideSDP {
		t.Errorf("offer %q", inv.body)
	}
	uas.respond(inv, 488, "Not Acceptable Here")
	c.reply(488, "INVITE")
	c.hop("ACK")
	r.settle(0)
	r.atLeast("descriptions_not_pruned", 1)
}

func TestNewRefusesAPolicyThatBreaksCalls(t *testing.T) {
	cfg := &runtime.Appliance{Listeners: []runtime.Listener{{Name: "x", Transport: "udp", Address: netip.MustParseAddrPort("127.0.0.1:5060")}}, Messages: &runtime.Messages{RemoveHeaders: []string{"Contact"}}}
	if _, err := New(cfg, nil, nil, nil, quiet); err == nil || !strings.Contains(err.Error(), "calls depend on Contact") {
		t.Errorf("error %v", err)
	}
}

func TestSTUNIsCountedAndDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1, nil)
	binding := "\x00\x01\x00\x00\x21\x12\xa4\x42123456789012"
	r.alice.send(r.out, binding)
	r.count("dropped_stun", 1)
	r.count("dropped_malformed", 0)
}
